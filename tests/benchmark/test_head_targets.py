from __future__ import annotations

import pytest
import torch

from gpjepa.benchmark.head_targets import (
    HELD,
    HELD_CELLS,
    LATENT,
    RESPONDING,
    Latents,
    known_problem,
)


def residual(latents: Latents) -> torch.Tensor:
    return latents.latent - latents.prediction.mean


def along(latents: Latents) -> torch.Tensor:
    """Return where each cell lies along its shift, in shifts from the predicted mean."""
    shift = latents.prediction.first_order + latents.prediction.second_order
    return (residual(latents) * shift).sum(dim=1) / shift.square().sum(dim=1)


@pytest.mark.parametrize("kind", ["gaussian", "mixture"])
def test_predictions_have_the_mean_and_the_variances_of_the_truth(kind: str) -> None:
    problem = known_problem(kind, 0)  # type: ignore[arg-type]
    for latents in problem.unseen.values():
        variance = torch.exp(latents.prediction.log_variance[0])
        error = (variance / HELD_CELLS).sqrt()
        assert bool((residual(latents).mean(dim=0).abs() < 5 * error).all())
        ratio = residual(latents).square().mean(dim=0) / variance
        assert float(ratio.mean()) == pytest.approx(1.0, abs=0.1)


def test_a_mixture_has_its_modes_where_cells_stay_and_where_they_respond() -> None:
    for latents in known_problem("mixture", 1).unseen.values():
        where = along(latents)
        stay = where < 0
        assert float(stay.float().mean()) == pytest.approx(1 - RESPONDING, abs=0.1)
        assert float(where[stay].mean()) == pytest.approx(-1.0, abs=0.1)
        beyond = (1 - RESPONDING) / RESPONDING
        assert float(where[~stay].mean()) == pytest.approx(beyond, abs=0.1)


def test_gaussian_latents_have_one_mode() -> None:
    for latents in known_problem("gaussian", 1).unseen.values():
        where = along(latents)
        assert float((where.abs() < 0.25).float().mean()) > 0.25


def test_conditions_never_seen_are_in_no_training_cell() -> None:
    problem = known_problem("mixture", 2)
    assert len(problem.seen) == len(problem.unseen) == HELD
    assert not set(problem.seen) & set(problem.unseen)
    trained = {tuple(row.tolist()) for row in problem.training.prediction.first_order}
    for latents in problem.unseen.values():
        assert tuple(latents.prediction.first_order[0].tolist()) not in trained
    for latents in problem.seen.values():
        assert tuple(latents.prediction.first_order[0].tolist()) in trained


def test_other_draws_are_of_the_same_law_and_not_the_same() -> None:
    latents = next(iter(known_problem("mixture", 3).unseen.values()))
    assert latents.again is not None
    assert latents.again.shape == (HELD_CELLS, LATENT)
    assert not torch.equal(latents.again, latents.latent)
    again = latents.again - latents.prediction.mean
    assert float(again.square().mean()) == pytest.approx(
        float(residual(latents).square().mean()), rel=0.1
    )


def test_a_problem_is_its_seeds_own() -> None:
    first, same, other = (known_problem("mixture", seed).training.latent for seed in (4, 4, 5))
    assert torch.equal(first, same)
    assert not torch.equal(first, other)
