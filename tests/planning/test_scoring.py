import runpy
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from gpjepa.core.errors import ConfigError
from gpjepa.planning.goal import CellsGoal, LatentGoal, SignatureGoal
from gpjepa.planning.scoring import MeanShiftObjective, Terms
from gpjepa.planning.shifts import Shifts

worlds = SimpleNamespace(**runpy.run_path(str(Path(__file__).with_name("worlds.py"))))
GOAL = LatentGoal(torch.linspace(-1.0, 1.5, 6))


def objective(form: str = "composed", goal=GOAL, **settings) -> MeanShiftObjective:
    return MeanShiftObjective(Shifts(worlds.make_origin(form), worlds.CANDIDATES), goal, **settings)


def states(scored: MeanShiftObjective, sets: np.ndarray) -> torch.Tensor:
    """Return the mean state that the model itself predicts of every cell [S, N, D]."""
    return worlds.predicted(scored.origin, sets).mean.view(len(sets), scored.origin.cells, -1)


@pytest.mark.parametrize("form", ["composed", "decomposed", "free"])
def test_energies_are_those_of_the_models_own_predictions(form) -> None:
    scored, sets = objective(form), worlds.all_sets(4)
    expected = (states(scored, sets).mean(dim=1) - GOAL.latent).abs().mean(dim=1)
    found = scored(sets)
    np.testing.assert_allclose(found.energy, expected, atol=1e-4)
    assert found.energy.dtype == found.error.dtype == np.float64


@pytest.mark.parametrize("form", ["composed", "decomposed"])
def test_standard_errors_are_those_of_a_bootstrap_over_control_cells(form) -> None:
    scored, sets = objective(form), worlds.all_sets(2)
    cells = states(scored, sets).numpy()
    rng = np.random.default_rng(0)
    draws = rng.integers(0, cells.shape[1], size=(1500, cells.shape[1]))
    share = np.stack([np.bincount(row, minlength=cells.shape[1]) for row in draws]) / len(draws[0])
    means = np.einsum("bn,snd->bsd", share, cells)
    spread = np.abs(means - GOAL.latent.numpy()).mean(axis=2).std(axis=0)
    far = (np.abs(cells.mean(axis=1) - GOAL.latent.numpy()) > 0.3).all(axis=1)  # no kink near
    assert far.sum() >= 3
    np.testing.assert_allclose(scored(sets).error[far], spread[far], rtol=0.2)


def test_differences_of_sets_are_surer_than_the_sets_as_all_see_the_same_cells() -> None:
    scored, sets = objective(), worlds.all_sets(2)
    own = scored.influence(sets)
    error = scored(sets).error
    np.testing.assert_allclose(own.std(axis=1, ddof=1) / own.shape[1] ** 0.5, error, rtol=1e-4)
    apart = (own[0] - own[1:]).std(axis=1, ddof=1) / own.shape[1] ** 0.5
    assert np.median(apart / np.hypot(error[0], error[1:])) < 0.8


def test_the_order_of_members_cannot_matter() -> None:
    found = objective()(np.array([[0, 1, 3], [3, 1, 0]]))
    np.testing.assert_allclose(found.energy[1], found.energy[0], rtol=1e-6)


def test_guesses_need_no_run_and_are_right_for_what_was_scored(monkeypatch) -> None:
    scored, sets = objective("decomposed"), worlds.all_sets(2)
    assert scored.guess(sets) is None
    known = scored(sets)
    monkeypatch.setattr("gpjepa.planning.shifts.run", None)
    np.testing.assert_allclose(scored.guess(sets), known.energy, atol=1e-5)
    triples = worlds.all_sets(3)
    guess = scored.guess(triples)
    monkeypatch.undo()
    assert np.corrcoef(guess, scored(triples).energy)[0, 1] > 0.9


def test_what_was_never_scored_is_not_guessed() -> None:
    scored = objective()
    scored(np.array([[0], [1]]))
    guess = scored.guess(np.array([[0, 1], [0, 2]]))
    assert np.isfinite(guess[0])
    assert np.isnan(guess[1])


def test_size_and_cost_add_to_the_energy_and_not_to_its_error() -> None:
    sets = worlds.all_sets(3)
    cost = np.arange(6.0)
    plain, dear = objective()(sets), objective(terms=Terms(size=0.1, cost=cost, cost_weight=0.01))(
        sets
    )  # fmt: skip
    extra = [0.1 * len(key) + 0.01 * sum(key) for key in (row[row >= 0] for row in sets)]
    np.testing.assert_allclose(dear.energy - plain.energy, extra, atol=1e-6)
    np.testing.assert_array_equal(dear.error, plain.error)


def test_a_signature_is_scored_in_expression() -> None:
    scored, sets = objective(goal=SignatureGoal({3: 1.0})), worlds.all_sets(2)
    decoder, origin = scored.origin.model.decoder, scored.origin
    pooled = torch.stack(
        [origin.weight @ decoder.mean_shares(each) for each in states(scored, sets)]
    )
    effect = torch.log1p(100.0 * pooled[:, 3]) - origin.baseline[3]
    found = scored(sets).energy
    assert np.corrcoef(found, -effect.detach().numpy())[0, 1] > 0.97
    assert (scored(sets).error > 0).all()


def test_energies_that_are_not_finite_are_passed_on() -> None:
    scored = objective()
    with torch.no_grad():
        scored.origin.model.condition.residual[0] = torch.nan  # name 0 is candidate 1
    found = scored(np.array([[0, -1], [1, -1], [0, 1]])).energy
    assert np.isfinite(found).tolist() == [True, False, False]


def test_no_sets_have_no_scores() -> None:
    assert objective()(np.zeros((0, 2), dtype=np.int64)).energy.shape == (0,)


def test_risk_without_error_bars_is_refused() -> None:
    with pytest.raises(ConfigError, match="risk is 1.0, error bars are not given"):
        objective(terms=Terms(risk=1.0))


def test_expression_needs_cells_with_an_effect() -> None:
    with pytest.raises(ConfigError, match="no effect in expression"):
        objective(goal=CellsGoal(torch.zeros(2, 6)), kind="expression")
