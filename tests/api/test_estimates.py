from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from gpjepa.api.answers import effect_matrix, effect_table, populations, steered_effects
from gpjepa.api.estimates import drawn, estimate, sources_of
from gpjepa.api.populations import Start
from gpjepa.evaluation.pseudobulk import pseudobulk
from gpjepa.inference.calibration import COMBINATION, NO_CHANGE, NOVEL, SUM, TRAINING_MEAN, Choice


@pytest.fixture(scope="module")
def start(model) -> Start:
    return Start(model.bundle, model.controls, None)


def taking(start: Start, kind: str, source: str) -> Start:
    """Return a start whose predictions of a kind validation takes from `source`."""
    calibration = replace(start.bundle.calibration, choices={kind: Choice(source)})
    return Start(replace(start.bundle, calibration=calibration), start.cells, None)


def test_where_the_sum_is_better_the_prediction_is_the_sum_and_says_so(start) -> None:
    own = taking(start, COMBINATION, SUM)
    table = effect_table(own, ["C+D", "A"], 0.9, 0)
    sums = own.bundle.calibration.evidence.sums(("C+D",))[0]
    assert np.allclose(table[table.perturbation == "C+D"].effect, sums)
    told = table.drop_duplicates("perturbation").set_index("perturbation")
    assert told.source.to_dict() == {"C+D": "sum", "A": "model"}
    raw = effect_table(start, ["A"], 0.9, 0)
    assert np.array_equal(table[table.perturbation == "A"].effect, raw.effect)


@pytest.mark.parametrize("source", [TRAINING_MEAN, NO_CHANGE])
def test_combinations_may_be_taken_from_the_mean_or_from_no_change(start, source) -> None:
    own = taking(start, COMBINATION, source)
    effect = effect_table(own, ["C+D"], 0.9, 0).effect.to_numpy()
    expected = own.bundle.calibration.evidence.mean if source == TRAINING_MEAN else 0.0
    assert np.allclose(effect, expected)
    assert sources_of(own, ["C+D", "A"]) == (source, "model")
    assert sources_of(taking(start, NOVEL, source), ["C+D"]) == ("model",)


def level(cells, target: float) -> np.ndarray:
    return pseudobulk(cells.X, cells.obs["total_counts"].to_numpy(), target)


def test_the_population_has_the_mean_of_the_effect_that_is_told(start) -> None:
    own = taking(start, COMBINATION, SUM)
    effect = effect_table(own, ["C+D"], 0.9, 0).effect.to_numpy()
    drawn_cells = populations(own, ["C+D", "control"], 6000, 0)
    by = drawn_cells.obs["perturbation"].to_numpy()
    found = level(drawn_cells[by == "C+D"], own.target) - level(
        drawn_cells[by == "control"], own.target
    )
    model_own = effect_matrix(start, ["C+D"], 0)[0]
    assert np.abs(found - effect).mean() < 0.06
    assert np.abs(found - effect).mean() < 0.5 * np.abs(model_own - effect).mean()


def test_draws_of_the_error_spread_over_seeds_as_far_as_the_error_bar(start) -> None:
    found = estimate(start, ("A", "C+D"), effect_matrix(start, ["A", "C+D"], 0))
    draws = np.stack([drawn(start, found, seed) for seed in range(400)])
    assert np.allclose(draws.std(axis=0) / found.bars.deviation, 1.0, atol=0.15)
    assert np.abs((draws.mean(axis=0) - found.effects) / found.bars.deviation).max() < 0.25
    assert np.array_equal(drawn(start, found, 3), drawn(start, found, 3))


def test_a_population_moves_by_a_draw_only_when_asked_to(start) -> None:
    assert steered_effects(taking(start, NOVEL, NO_CHANGE), ["A", "C+D"], 0, False) == {}
    some = [steered_effects(start, ["A", "control"], seed, True) for seed in (0, 1)]
    assert set(some[0]) == {"A"}
    assert not np.allclose(some[0]["A"], some[1]["A"])
    plain, moved = (populations(start, "A", 50, 0, u).X for u in (False, True))
    assert (plain != moved).nnz > 0
