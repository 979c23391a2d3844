import runpy
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from gpjepa.evaluation.distances import energy_distance, pairwise_distances
from gpjepa.model.flow import FlowHead
from gpjepa.model.variational import DeterministicHead
from gpjepa.planning.energy import LatentDistance
from gpjepa.planning.goal import CellsGoal, DirectionGoal, LatentGoal
from gpjepa.planning.population import PopulationObjective, shift_gradient
from gpjepa.planning.population_energy import OfMean
from gpjepa.planning.shifts import Shifts

worlds = SimpleNamespace(**runpy.run_path(str(Path(__file__).with_name("worlds.py"))))
GOAL = CellsGoal(1.0 + torch.randn(50, 6, generator=torch.Generator().manual_seed(3)))


def objective(form: str = "composed", **settings) -> PopulationObjective:
    return PopulationObjective(
        Shifts(worlds.make_origin(form), worlds.CANDIDATES), GOAL, **settings
    )


@pytest.mark.parametrize("form", ["composed", "decomposed", "additive", "free"])
def test_populations_are_drawn_from_the_models_own_predictions(form) -> None:
    scored, sets = objective(form), worlds.all_sets(4)
    found, expected = scored.predicted(sets), worlds.predicted(scored.origin, sets)
    for part in ("mean", "log_variance", "first_order", "second_order"):
        torch.testing.assert_close(
            getattr(found, part), getattr(expected, part), atol=1e-4, rtol=1e-4
        )
    spread = (scored.cells(sets).flatten(0, 1) - expected.mean) / torch.exp(
        0.5 * expected.log_variance
    )
    noise = spread.view(len(sets), -1, 6)
    torch.testing.assert_close(noise, noise[:1].expand_as(noise), atol=1e-2, rtol=1e-2)
    assert abs(float(noise[0].std()) - 1.0) < 0.15


def test_the_energy_is_the_energy_distance_of_evaluation_on_the_same_latents() -> None:
    scored, sets = objective(), worlds.all_sets(2)
    for cells, energy in zip(scored.cells(sets), scored(sets).energy, strict=True):
        pooled = np.concatenate((cells.numpy(), GOAL.latents.numpy()))
        expected = energy_distance(pairwise_distances(pooled), len(cells))
        assert abs(energy - expected) < 1e-4


@pytest.mark.parametrize("kind", ["energy-distance", "latent"])
@pytest.mark.parametrize("draws", [1, 3])
def test_standard_errors_are_those_of_a_bootstrap_over_control_cells(kind, draws) -> None:
    far = CellsGoal(GOAL.latents + 9.0)  # no kink of an absolute value near
    origin = worlds.make_origin()
    scored = PopulationObjective(Shifts(origin, worlds.CANDIDATES), far, kind=kind, draws=draws)
    sets = np.array([[0, -1], [1, -1], [0, 2], [3, 4]])
    cells = scored.cells(sets).view(4, draws, scored.origin.cells, 6)
    generator = torch.Generator().manual_seed(0)
    energies = []
    for _ in range(400):
        row = torch.randint(scored.origin.cells, (scored.origin.cells,), generator=generator)
        energies.append(scored.energy(cells[:, :, row].flatten(1, 2)).energy)
    spread = torch.stack(energies).std(dim=0).numpy()
    np.testing.assert_allclose(scored(sets).error, spread, rtol=0.2)


def test_decoded_errors_are_those_of_a_bootstrap_over_control_cells() -> None:
    origin = worlds.make_origin()
    effect = 0.5 * torch.randn(12, generator=torch.Generator().manual_seed(4))
    goal = CellsGoal(GOAL.latents, effect)
    scored = PopulationObjective(Shifts(origin, worlds.CANDIDATES), goal, kind="expression")
    sets = np.array([[0, -1], [1, 2], [3, 4]])
    cells, decoder = scored.cells(sets), origin.model.decoder
    shares = decoder.mean_shares(cells.flatten(0, 1)).view(3, origin.cells, -1)
    generator = torch.Generator().manual_seed(0)
    energies = []
    for _ in range(600):
        row = torch.randint(origin.cells, (origin.cells,), generator=generator)
        weight = origin.weight[row] / origin.weight[row].sum()
        pooled = torch.einsum("n,sng->sg", weight, shares[:, row])
        made = torch.log1p(100.0 * pooled) - origin.baseline
        energies.append((made - effect).square().mean(dim=1).sqrt().detach())
    spread = torch.stack(energies)
    found = scored(sets)
    np.testing.assert_allclose(found.energy, spread.mean(dim=0), rtol=0.1)
    np.testing.assert_allclose(found.error, spread.std(dim=0), rtol=0.2)


def test_differences_of_sets_are_surer_than_the_sets_as_all_see_the_same_noise() -> None:
    scored, sets = objective(), worlds.all_sets(2)
    own, error = scored.influence(sets), scored(sets).error
    apart = (own[0] - own[1:]).std(axis=1, ddof=1) / own.shape[1] ** 0.5
    assert np.median(apart / np.hypot(error[0], error[1:])) < 0.8


def test_the_same_seed_gives_the_same_energies_however_sets_are_batched() -> None:
    sets = worlds.all_sets(2)
    whole = objective(seed=5)(sets).energy
    scored = objective(seed=5)
    each = [scored(row[None]).energy[0] for row in sets[::-1]]
    np.testing.assert_allclose(each[::-1], whole, atol=1e-4)
    assert np.abs(objective(seed=6)(sets).energy - whole).max() > 1e-3


def test_learned_heads_draw_the_same_noise_for_every_set() -> None:
    scored = objective("decomposed")
    head = FlowHead(scored.origin.model.head, evaluations=4)
    scored.origin.model.head = head
    head.finish()
    sets = np.array([[0, 1], [2, -1], [0, 1]])
    cells = scored.cells(sets)
    torch.testing.assert_close(cells[0], cells[2])
    prediction = scored.predicted(sets[1:2])
    assert (cells[1] - prediction.mean).std() > 0.1
    assert np.isfinite(scored(sets).energy).all()


def test_without_spread_cells_are_where_the_mean_is() -> None:
    scored = objective(draws=2)
    scored.origin.model.head = DeterministicHead()
    sets = np.array([[0, 1]])
    torch.testing.assert_close(scored.cells(sets)[0], scored.predicted(sets).mean.repeat(2, 1))


@pytest.mark.parametrize("kind", ["energy-distance", "latent"])
def test_guesses_need_no_run_and_follow_the_energy(kind, monkeypatch) -> None:
    scored, sets = objective("decomposed", kind=kind), worlds.all_sets(3)
    assert scored.guess(sets) is None
    scored(worlds.all_sets(2))
    monkeypatch.setattr(scored.shifts, "runs", None)
    guess = scored.guess(sets)
    monkeypatch.undo()
    assert np.corrcoef(guess, scored(sets).energy)[0, 1] > 0.8


def test_the_gradient_in_a_common_shift_is_that_of_the_mean_where_only_it_counts() -> None:
    cells = torch.randn(3, 20, 6, generator=torch.Generator().manual_seed(0))
    goal = torch.full((6,), 2.0)
    found = shift_gradient(OfMean(LatentDistance(goal)), cells)
    torch.testing.assert_close(found, torch.full((3, 6), -1 / 6), atol=1e-3, rtol=1e-2)


def test_other_goals_have_populations_too() -> None:
    origin = worlds.make_origin()
    for goal in (LatentGoal(torch.ones(6)), DirectionGoal(torch.ones(6))):
        scored = PopulationObjective(Shifts(origin, worlds.CANDIDATES), goal)
        found = scored(worlds.all_sets(2))
        assert np.isfinite(found.energy).all()
        assert (found.error > 0).all()
