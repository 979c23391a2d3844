from __future__ import annotations

from types import ModuleType

import numpy as np
import pytest
import torch

import gpjepa
from gpjepa.benchmark import head_latents
from gpjepa.benchmark.head_latents import fitted_problem, recognised
from gpjepa.core.config import Config
from gpjepa.model.predictor import Prediction
from gpjepa.model.variational import Gaussian
from gpjepa.training.head_fit import encoded, variational_head
from gpjepa.training.prepare import prepare

pytestmark = pytest.mark.slow  # a model is fitted


@pytest.fixture(scope="module")
def made(tiny: ModuleType, config: Config):
    """Return what is made of a tiny screen, and the screen."""
    data = gpjepa.read(tiny.make_cells(perturbed=16), announce=False)
    split = tiny.make_split(data)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(head_latents, "FEWEST_CELLS", 4)
        patch.setattr(head_latents, "TRAINING_BATCHES", 3)
        bundle, problem = fitted_problem(data, split, config, 0, "cpu")
    return data, split, bundle, problem


def test_test_perturbations_are_never_seen_and_training_ones_seen(made) -> None:
    _, split, _, problem = made
    assert set(problem.unseen) == set(split.test)
    assert problem.seen
    assert set(problem.seen) <= set(split.train)


def test_latents_are_of_perturbed_cells_with_their_own_predictions(made) -> None:
    _, _, _, problem = made
    for latents in (problem.training, *problem.seen.values(), *problem.unseen.values()):
        made_of = latents.prediction
        assert len(latents.latent) == len(made_of.mean) > 0
        shift = made_of.first_order + made_of.second_order
        assert bool((shift.abs().sum(dim=1) > 0).all())
        assert np.isfinite(latents.latent.numpy()).all()


def test_latents_are_what_recognition_says_of_cells_of_the_label(
    made, monkeypatch: pytest.MonkeyPatch
) -> None:
    data, split, bundle, _ = made
    cells = encoded(prepare(data, split, bundle.config).training, bundle.model)

    def certain(prediction: Prediction, target: torch.Tensor) -> Gaussian:
        return Gaussian(target + 1.0, torch.full_like(target, -60.0))

    monkeypatch.setattr(variational_head(bundle.model), "recognise", certain)
    label = split.train[0]
    drawn = recognised(bundle, cells, (label,), 2, 0).latent
    targets, _ = cells.table.dense(np.flatnonzero(cells.labels == label))
    nearest = (drawn[:, None] - targets[None] - 1.0).norm(dim=2).min(dim=1).values
    assert float(nearest.max()) < 1e-3
    assert torch.equal(recognised(bundle, cells, (label,), 2, 0).latent, drawn)
