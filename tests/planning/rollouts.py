"""A small world model with every part awake and cells to roll out from."""

from __future__ import annotations

import torch

from gpjepa.core.config import Config
from gpjepa.inference.means import Controls
from gpjepa.model.gpjepa import GeneMoments, WorldModel
from gpjepa.model.perturbation import ConditionSpec
from gpjepa.planning.energy import LatentDistance
from gpjepa.planning.origin import Origin
from gpjepa.planning.population_energy import OfMean
from gpjepa.planning.transition import Transition

GENES, LATENT, CELLS, ACTIONS = 10, 6, 30, 5


def make_origin(state: str = "cell", cells: int = CELLS) -> Origin:
    torch.manual_seed(0)
    config = Config(
        encoder={"latent": LATENT, "hidden": 8, "layers": 1},
        predictor={"width": 8, "heads": 2, "layers": 1, "state": state},
    )
    rate = torch.full((GENES,), 1.0 / GENES)
    moments = GeneMoments(torch.full((GENES,), 1.5), torch.ones(GENES), rate, 100.0, False)
    model = WorldModel(moments, ConditionSpec(torch.randn(ACTIONS, 3), ACTIONS), config)
    with torch.no_grad():
        for part in (model.predictor, model.condition):
            for parameter in part.parameters():
                parameter += 0.3 * torch.randn(parameter.shape)
        model.condition.residual *= 4.0
        model.predictor.transformer.log_variance.bias.fill_(-2.0)
    shares = torch.full((GENES,), 1.0 / GENES)
    controls = Controls(torch.randn(cells, LATENT), torch.full((cells,), 100.0), shares, shares)
    covariates = torch.zeros((cells, 0), dtype=torch.long)
    return Origin(model.eval(), controls, covariates, None, None, 100.0)


def make_transition(seed: int = 0, origin: Origin | None = None) -> Transition:
    """Return steps by one perturbation each, of five."""
    actions = torch.arange(ACTIONS)[:, None]
    return Transition(origin or make_origin(), actions, seed)


def goal_at(transition: Transition, *sequence: int) -> OfMean:
    """Return the distance to where a sequence leads."""
    import numpy as np

    from gpjepa.planning.sequences import roll

    states = roll(transition, np.array([sequence]))
    return OfMean(LatentDistance(states[0].mean(dim=0)))
