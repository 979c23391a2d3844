"""Small world models with every part awake, composed effects too, and cells to plan from."""

from __future__ import annotations

import itertools

import numpy as np
import torch

from gpjepa.core.config import Config
from gpjepa.inference.means import Controls
from gpjepa.model.composition import Composition, Members, PairInteraction, PairKernel
from gpjepa.model.effect_composition import EffectComposition, Known
from gpjepa.model.gpjepa import GeneMoments, WorldModel
from gpjepa.model.perturbation import ConditionSpec
from gpjepa.model.stacked import StackedComposition
from gpjepa.planning.origin import Origin
from gpjepa.planning.sets import padded

GENES, LATENT, CELLS, NAMES, DIRECTIONS = 12, 6, 40, 6, 4
CANDIDATES = np.array([2, 0, 1, 3, 5, 4])  # not in the order of the model's own numbers


def composition() -> EffectComposition:
    """Three names measured alone, the fourth only in sets, two known by relations."""
    generator = torch.Generator().manual_seed(0)

    def normal(*shape: int) -> torch.Tensor:
        return torch.randn(shape, generator=generator)

    basis = torch.linalg.qr(normal(GENES, DIRECTIONS))[0].T.contiguous()
    measured = torch.tensor([True, True, True, False, False])
    row = torch.tensor([0, 1, 2, -1, 3, 4])
    effects, denoised = normal(5, DIRECTIONS), normal(5, DIRECTIONS)
    known = Known(row, effects, denoised, normal(5, 2), measured, basis, torch.arange(GENES))
    ids = torch.tensor([[0, 1], [0, 2]])
    anchors = Members(effects[ids].double(), torch.zeros(2, 2, 2).double(), ids)
    interaction = PairInteraction(PairKernel(1.0), anchors).double()
    interaction.weights.copy_(normal(2, DIRECTIONS))
    part = Composition(torch.full((DIRECTIONS,), 0.7, dtype=torch.float64), interaction)
    stacked = StackedComposition((part,), torch.tensor([0.8, 0.1, 0.1], dtype=torch.float64))
    module = EffectComposition(known, stacked, LATENT, True)
    module.align(normal(GENES, LATENT), normal(3, GENES), 1e-2)
    return module


def make_origin(form: str = "composed", cells: int = CELLS, hidden: int = 0) -> Origin:
    """Return control cells of a model with levels of a covariate and names of every kind."""
    torch.manual_seed(0)
    config = Config(
        encoder={"latent": LATENT, "hidden": 8, "layers": 1},
        predictor={"width": 8, "heads": 2, "layers": 2, "form": form},
        decoder={"hidden": hidden},
    )
    rate = torch.arange(1.0, GENES + 2) / torch.arange(1.0, GENES + 2).sum()
    moments = GeneMoments(torch.full((GENES,), 1.5), torch.ones(GENES), rate, 100.0, True)
    spec = ConditionSpec(torch.randn(NAMES, 3), 4, (2,))
    composed = composition() if form == "composed" else None
    model = WorldModel(moments, spec, config, composed)
    with torch.no_grad():
        for part in (model.predictor.transformer, model.condition):
            for parameter in part.parameters():
                parameter += 0.3 * torch.randn(parameter.shape)
        model.condition.novel_scale.fill_(0.7)
        model.decoder.logits.weight *= 3.0
    state, library = torch.randn(cells, LATENT), torch.linspace(80.0, 120.0, cells)
    controls = Controls(state, library, rate, rate)
    covariates = (torch.arange(cells) % 2)[:, None]
    return Origin(model.eval(), controls, covariates, None, None, 100.0)


def all_sets(largest: int = 4) -> np.ndarray:
    """Return every set of the six candidates up to a size."""
    sizes = range(1, largest + 1)
    rows = itertools.chain(*(itertools.combinations(range(NAMES), size) for size in sizes))
    return padded(rows, largest)


def predicted(origin: Origin, sets: np.ndarray):
    """Return what the model itself predicts of every cell, sets by cells [S, N, D]."""
    named = np.where(sets >= 0, CANDIDATES[sets], -1)
    with torch.no_grad():
        state = origin.controls.state.repeat(len(sets), 1)
        return origin.model.predict(state, origin.condition(torch.from_numpy(named)))
