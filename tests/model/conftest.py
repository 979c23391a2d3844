"""A small world model with every part awake: nothing is zero as it is at initialisation."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch

from gpjepa.core.config import Config
from gpjepa.model.gpjepa import GeneMoments, WorldModel
from gpjepa.model.perturbation import Condition, ConditionEncoder, ConditionSpec
from gpjepa.model.predictor import Predictor

GENES, LATENT = 12, 6
MEASURED, MEMBERS = 4, 6  # the last two members have features only


def condition(*sets: tuple[int, ...], levels: tuple[int, ...] = ()) -> Condition:
    """Return one condition per set of members, padded, each at the same covariate levels."""
    width = max([1, *map(len, sets)])
    members = [[*chosen, *[-1] * (width - len(chosen))] for chosen in sets]
    covariates = torch.tensor([list(levels)] * len(sets), dtype=torch.long)
    return Condition(torch.tensor(members), covariates.reshape(len(sets), len(levels)))


def wake(module: torch.nn.Module, seed: int = 1, size: float = 0.3) -> None:
    """Move every parameter off its initial value."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in module.parameters():
            parameter += size * torch.randn(parameter.shape, generator=generator)


def make_spec(
    members: int = MEMBERS, measured: int = MEASURED, size: int = 3, levels: tuple[int, ...] = ()
) -> ConditionSpec:
    features = torch.randn((members, size), generator=torch.Generator().manual_seed(2))
    return ConditionSpec(features, measured, levels)


def make_moments(has_rest: bool = True) -> GeneMoments:
    generator = torch.Generator().manual_seed(3)
    rate = torch.rand(GENES + has_rest, generator=generator) + 0.1
    deviation = torch.rand(GENES, generator=generator) + 0.2
    mean = torch.rand(GENES, generator=generator)
    return GeneMoments(mean, deviation, rate / rate.sum(), 500.0, has_rest)


def make_config(recognition: str, distribution: str) -> Config:
    return Config(
        encoder={"latent": LATENT, "hidden": 10, "layers": 1},
        predictor={"width": 8, "heads": 2, "layers": 2},
        head={"recognition": recognition},
        decoder={"distribution": distribution, "hidden": 7},
    )


def make_model(
    recognition: str = "target",
    distribution: str = "nb",
    has_rest: bool = True,
    levels: tuple[int, ...] = (),
    dose: bool = False,
) -> WorldModel:
    torch.manual_seed(4)
    part = make_spec(levels=levels)
    spec = ConditionSpec(part.features, part.measured, part.levels, dose)
    model = WorldModel(make_moments(has_rest), spec, make_config(recognition, distribution))
    wake(model)
    return model


@pytest.fixture
def given() -> Callable[..., Condition]:
    return condition


@pytest.fixture
def awaken() -> Callable[..., None]:
    return wake


@pytest.fixture
def world() -> Callable[..., WorldModel]:
    return make_model


@pytest.fixture
def embedding() -> ConditionEncoder:
    torch.manual_seed(5)
    return ConditionEncoder(make_spec(), 8)


@pytest.fixture
def fresh() -> Predictor:
    torch.manual_seed(6)
    return Predictor(LATENT, 8, 4, 2, 2)


@pytest.fixture
def awake(fresh: Predictor) -> Predictor:
    wake(fresh)
    return fresh


@pytest.fixture
def state() -> torch.Tensor:
    return torch.randn((1, LATENT), generator=torch.Generator().manual_seed(7))
