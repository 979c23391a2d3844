"""A small world model with every part awake, control cells for it and a bundle of both."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.sparse import csr_matrix

from gpjepa.core.config import Config
from gpjepa.data.vocabulary import Vocabulary
from gpjepa.inference.bundle import Bundle, EncoderBundle, GenePanel
from gpjepa.inference.calibration import COMBINATION, Calibration, Choice
from gpjepa.inference.cells import CellTable
from gpjepa.inference.error_model import believed
from gpjepa.model.gpjepa import GeneMoments, WorldModel, build_encoder
from gpjepa.model.perturbation import Condition, ConditionSpec

GENES, LATENT, CELLS = 10, 6, 40
NAMES = tuple(f"gene{i}" for i in range(GENES))
VOCABULARY = Vocabulary(("A", "B", "C", "D"), 3, frozenset({"C"}))


def make_config(distribution: str = "nb", latent: int = LATENT) -> Config:
    return Config(
        encoder={"latent": latent, "hidden": 8, "layers": 1},
        predictor={"width": 8, "heads": 2, "layers": 1},
        decoder={"distribution": distribution},
    )


def make_moments(has_rest: bool) -> GeneMoments:
    rate = np.geomspace(1.0, 0.1, GENES + has_rest)
    if has_rest:
        rate[-1] = 3.0
    return GeneMoments(
        torch.full((GENES,), 1.5),
        torch.ones(GENES),
        torch.from_numpy(rate / rate.sum()).float(),
        100.0,
        has_rest,
    )


def make_model(has_rest: bool = True, distribution: str = "nb", seed: int = 0) -> WorldModel:
    torch.manual_seed(seed)
    spec = ConditionSpec(torch.randn(4, 3), 3)
    model = WorldModel(make_moments(has_rest), spec, make_config(distribution))
    with torch.no_grad():
        for part, size in ((model.predictor, 0.2), (model.condition, 0.5)):
            for parameter in part.parameters():
                parameter += size * torch.randn(parameter.shape)
        model.decoder.logits.weight *= 10.0
        model.decoder.log_dispersion += 1.0
        model.condition.novel_scale.fill_(0.7)
        model.condition.feature_trust.fill_(0.5)
    return model.eval()


def make_bundle(seed: int = 0, distribution: str = "nb", has_rest: bool = True) -> Bundle:
    model = make_model(has_rest, distribution, seed)
    teacher = build_encoder(make_moments(has_rest), make_config()).requires_grad_(False).eval()
    panel = GenePanel(NAMES, has_rest, 100.0)
    errors = {COMBINATION: replace(believed(), perturbations=9, calibrated=True)}
    calibration = Calibration(errors, {COMBINATION: Choice(perturbations=9)}, 9, True, False)
    return Bundle(make_config(distribution), panel, VOCABULARY, model, teacher, calibration)


@pytest.fixture
def built() -> Callable[..., Bundle]:
    return make_bundle


@pytest.fixture
def bundle() -> Bundle:
    return make_bundle()


@pytest.fixture
def pretrained() -> EncoderBundle:
    torch.manual_seed(5)
    encoder, teacher = (build_encoder(make_moments(True), make_config()) for _ in range(2))
    return EncoderBundle(make_config(), GenePanel(NAMES, True, 100.0), encoder, teacher)


@pytest.fixture
def model(bundle: Bundle) -> WorldModel:
    return bundle.model


@pytest.fixture
def table() -> CellTable:
    """Control cells of a panel that is half of the transcriptome."""
    rng = np.random.default_rng(0)
    rate = np.geomspace(16.0, 1.6, GENES)
    counts = rng.poisson(rate * rng.gamma(4.0, 0.25, size=(CELLS, 1)))
    library = counts.sum(axis=1) + rng.poisson(60.0, size=CELLS)
    return CellTable(csr_matrix(counts.astype(np.float32)), library.astype(np.float64))


@pytest.fixture
def given() -> Callable[..., Condition]:
    """Return the condition of `cells` cells under one set of members."""

    def condition(cells: int, *members: int) -> Condition:
        rows = torch.tensor([members or (-1,)]).expand(cells, -1)
        return Condition(rows, torch.zeros((cells, 0), dtype=torch.long))

    return condition


@pytest.fixture
def quiet() -> Callable[[WorldModel], None]:
    """Make the latent that a model draws all but equal to the mean it predicts."""

    def silence(model: WorldModel) -> None:
        with torch.no_grad():
            model.predictor.transformer.log_variance.weight.zero_()
            model.predictor.transformer.log_variance.bias.fill_(-1e3)

    return silence


@pytest.fixture
def room() -> torch.Tensor:
    """Return offsets with so large a rest that no cell exceeds its library and is thinned."""
    offset = torch.zeros(GENES + 1)
    offset[-1] = 3.5
    return offset
