from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas
import pytest

from gpjepa.api.answers import effect_matrix, effect_table, populations, steered_effects
from gpjepa.api.estimates import drawn, estimate, judged, sources_of
from gpjepa.api.interaction_ranking import rank
from gpjepa.api.interactions import gated
from gpjepa.api.interactions_run import interactions_file
from gpjepa.api.model import GPJEPA
from gpjepa.api.plan import virtual_screen_perturbations
from gpjepa.api.populations import Start
from gpjepa.evaluation.pseudobulk import pseudobulk
from gpjepa.inference.calibration import (
    COMBINATION,
    MODEL,
    NO_CHANGE,
    NOVEL,
    SUM,
    TRAINING_MEAN,
    Choice,
)


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


@pytest.fixture(scope="module")
def fitted(run: Path) -> GPJEPA:
    return GPJEPA.load(run, "cpu")


def test_report_interactions_plan_and_effects_of_a_run_agree(
    run, evaluated, fitted, screen, options, tmp_path
) -> None:
    table = pandas.read_csv(evaluated / "screen.csv").set_index("perturbation")["verdict"]
    interactions_file(run, tmp_path / "gi.csv", (), 0.9, None, options)
    ranked = pandas.read_csv(tmp_path / "gi.pairs.csv").set_index("perturbation")["verdict"]
    plan = virtual_screen_perturbations(
        fitted, "C+D", data=screen, planner="exhaustive", budget=200, cells=20, top=100
    ).table
    planned = plan[plan["size"] == 2].set_index("set")["verdict"]
    effects = fitted.effects(list(table.index), seed=3).drop_duplicates("perturbation")
    effects = effects.set_index("perturbation")["verdict"]
    assert len(table) > 3
    for other in (ranked, planned, effects):
        assert set(table.index) <= set(other.index)
        assert other[table.index].tolist() == table.tolist()


def test_what_a_prediction_is_expected_to_err_decides_and_not_its_kind_alone(start) -> None:
    pairs, told = ("A+B", "C+D", "A+D"), []
    for supported in (False, True):
        other = taking(start, COMBINATION, MODEL)
        calibration = replace(other.bundle.calibration, supports_interactions=supported)
        here = Start(replace(other.bundle, calibration=calibration), start.cells, None)
        ranked = rank(here, pairs, gated(here), 0.9, None, 0)
        own = dict(zip(ranked.combined.labels, ranked.verdicts, strict=True))
        assert tuple(own[label] for label in pairs) == judged(here, pairs)[1]
        told.append(judged(here, pairs)[1])
    assert told[0] == told[1]


def test_a_verdict_depends_on_no_choice_of_cells(fitted) -> None:
    pairs = ["A+B", "C+D", "A+D"]
    one = Start(fitted.bundle, fitted.controls, None)
    few = Start(fitted.bundle, fitted.controls.take(np.arange(5)), None)
    assert judged(one, pairs) == judged(few, pairs)
