"""What knows nothing scores 0 and a second measurement 1, on cells that define neither."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest

from gpjepa.evaluation.evaluator import evaluate

ERRORS = ("l2", "normalised_mae", "mse_de20_ratio")
EFFECTS = ("pearson_delta", "pearson_perturbed", "discrimination", "centroid_accuracy")
POPULATIONS = ("energy_distance", "mmd", "wasserstein", "pit_distance")
LEADING = (*EFFECTS, *ERRORS, "overlap_20", "direction_agreement", *POPULATIONS)
IDENTITY = ("discrimination", "centroid_accuracy", "pearson_perturbed")


def _scores(dealt: Any, name: str, seed: int = 0) -> pd.DataFrame:
    report = evaluate(
        dealt.predictions[name], dealt.observed, train=dealt.train, baselines=False, seed=seed
    )
    return report.table[report.table["perturbation"] == "all"].set_index("metric")


@pytest.fixture(scope="module")
def scores(simulated: Callable[[int], Any]) -> dict[str, pd.DataFrame]:
    dealt = simulated(0)
    return {name: _scores(dealt, name) for name in dealt.predictions}


def _covers(row: pd.Series, value: float, slack: float = 0.0) -> bool:
    return bool(row["skill_low"] - slack <= value <= row["skill_high"] + slack)


def test_an_independent_replicate_scores_one(scores: dict[str, pd.DataFrame]) -> None:
    for metric in LEADING:
        assert _covers(scores["replicate"].loc[metric], 1.0, slack=0.02), metric
        assert scores["replicate"].loc[metric, "skill"] == pytest.approx(1.0, abs=0.12), metric


def test_the_floor_measured_on_other_cells_scores_nought(scores: dict[str, pd.DataFrame]) -> None:
    """Fresh cells bring noise of their own, so errors may be a little worse than the floor's."""
    for metric in (*EFFECTS, *ERRORS, *POPULATIONS):
        better = max(
            (scores[name].loc[metric] for name in ("no change", "training mean")),
            key=lambda row: row["skill"],
        )
        if metric in POPULATIONS:
            better = scores["no change"].loc[metric]
        assert _covers(better, 0.0, slack=0.06), metric


def test_control_cells_resampled_score_nought_as_populations(
    scores: dict[str, pd.DataFrame],
) -> None:
    for metric in POPULATIONS:
        assert scores["no change"].loc[metric, "n"] >= 4
        assert scores["no change"].loc[metric, "skill"] == pytest.approx(0.0, abs=0.06), metric


def test_the_true_simulator_scores_at_least_the_replicate(scores: dict[str, pd.DataFrame]) -> None:
    for metric in LEADING:
        ours, replicate = (scores[name].loc[metric, "skill"] for name in ("simulator", "replicate"))
        assert ours > replicate - 0.03, metric
    for metric in ("l2", "pearson_delta", "normalised_mae"):
        assert scores["simulator"].loc[metric, "skill_low"] > 1.0, metric


def test_permuted_labels_gain_nothing_on_identity(simulated: Callable[[int], Any]) -> None:
    dealt = simulated(0)
    swapped = dealt.predictions["simulator"].copy()
    turn = dict(zip(dealt.held_out, np.roll(dealt.held_out, 1), strict=True))
    swapped.obs["perturbation"] = [turn[str(label)] for label in swapped.obs["perturbation"]]
    report = evaluate(
        swapped, dealt.observed, train=dealt.train, baselines=False, metrics=list(IDENTITY)
    )
    own = report.table[report.table["perturbation"] == "all"].set_index("metric")
    for metric in IDENTITY:
        assert own.loc[metric, "value"] <= own.loc[metric, "floor"] + 0.02, metric
        assert own.loc[metric, "skill_low"] <= 0.0, metric


@pytest.mark.slow
def test_intervals_cover_the_bounds_about_as_often_as_they_say(
    simulated: Callable[[int], Any],
) -> None:
    """Of 90 and more intervals of 95 %; the unshared noise of the controls is not in them."""
    replicate, floor = [], []
    for seed in range(1, 8):
        dealt = simulated(seed)
        rows = _scores(dealt, "replicate", seed)
        replicate += [_covers(rows.loc[metric], 1.0, 0.01) for metric in LEADING]
        rows = _scores(dealt, "no change", seed)
        floor += [_covers(rows.loc[metric], 0.0, 0.01) for metric in POPULATIONS]
    assert np.mean(replicate) > 0.8
    assert np.mean(floor) > 0.8


@pytest.mark.slow
@pytest.mark.parametrize("name", ["norman-k562", "papalexi-thp1"])
def test_real_replicates_score_one(measured: Callable[[str, int], Any], name: str) -> None:
    skills, covered = [], []
    for seed in range(3):
        rows = _scores(measured(name, seed), "replicate", seed)
        skills.append([rows.loc[metric, "skill"] for metric in LEADING])
        known = rows.loc[list(LEADING)].dropna(subset="skill_low")
        covered += [_covers(row, 1.0, 0.02) for _, row in known.iterrows()]
    middle = dict(zip(LEADING, np.nanmean(skills, axis=0), strict=True))
    for metric in ("pearson_delta", "l2", "discrimination", "energy_distance", "mmd"):
        assert middle[metric] == pytest.approx(1.0, abs=0.2), (metric, middle)
    assert np.mean(covered) > 0.7


@pytest.mark.slow
def test_real_control_cells_score_nought_as_populations(
    measured: Callable[[str, int], Any],
) -> None:
    skills = []
    for seed in range(3):
        rows = _scores(measured("papalexi-thp1", seed), "no change", seed)
        skills.append([rows.loc[metric, "skill"] for metric in POPULATIONS])
    np.testing.assert_allclose(np.mean(skills, axis=0), 0.0, atol=0.1)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["norman-k562", "papalexi-thp1"])
def test_permuted_labels_of_a_real_replicate_gain_nothing(
    measured: Callable[[str, int], Any], name: str
) -> None:
    """Labels are shuffled at random: neighbours in the alphabet share members."""
    values, floors = [], []
    for seed in range(4):
        dealt = measured(name, seed)
        swapped = dealt.predictions["replicate"].copy()
        order = np.random.default_rng(seed).permutation(dealt.held_out)
        turn = dict(zip(order, np.roll(order, 1), strict=True))
        swapped.obs["perturbation"] = [turn[str(label)] for label in swapped.obs["perturbation"]]
        report = evaluate(
            swapped, dealt.observed, train=dealt.train, baselines=False, metrics=list(IDENTITY)
        )
        own = report.table[report.table["perturbation"] == "all"].set_index("metric")
        values.append(own.loc[list(IDENTITY), "value_on_halves"])
        floors.append(own.loc[list(IDENTITY), "floor"])
    assert (np.mean(values, axis=0) <= np.mean(floors, axis=0) + 0.04).all()
