"""Intervals of effects: a perfect model is calibrated once the truth's own error is counted."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import scoringrules
from scipy import stats

from gpjepa.core.errors import DataError
from gpjepa.evaluation.intervals import (
    INTERVAL_METRICS,
    POOLED_METRICS,
    read_intervals,
    score_intervals,
    score_pooled,
)

LABELS = ("A", "A+B", "B")
GENES = np.array(["g1", "g2"], dtype=object)
ROW = {metric.name: index for index, metric in enumerate(INTERVAL_METRICS)}


def _table(effect: np.ndarray, half: np.ndarray, labels: tuple[str, ...], genes: np.ndarray):
    return pd.DataFrame(
        {
            "perturbation": np.repeat(np.array(labels, dtype=object), len(genes)),
            "gene": np.tile(genes, len(labels)),
            "effect": effect.ravel(),
            "low": (effect - half).ravel(),
            "high": (effect + half).ravel(),
        }
    )


@pytest.fixture
def table() -> pd.DataFrame:
    return _table(np.arange(6.0).reshape(3, 2), np.ones((3, 2)), LABELS, GENES)


def test_rows_in_any_order_and_spelling_find_their_place(table: pd.DataFrame) -> None:
    table["perturbation"] = table["perturbation"].replace("A+B", "B+A")
    extra = pd.concat([table, table.assign(gene=table["gene"] + "x")])
    given = read_intervals(extra.sample(frac=1.0, random_state=0), LABELS, GENES)
    np.testing.assert_array_equal(given.effect, np.arange(6.0).reshape(3, 2))
    np.testing.assert_allclose(given.below, 1 / stats.norm.ppf(0.95))
    assert given.verdicts == ()


def test_the_level_of_the_intervals_is_read_from_the_table(table: pd.DataFrame) -> None:
    given = read_intervals(table.assign(level=0.5), LABELS, GENES)
    np.testing.assert_allclose(given.above, 1 / stats.norm.ppf(0.75))


def test_bad_tables_are_refused_with_what_is_wrong(table: pd.DataFrame) -> None:
    cases = {
        "lacks low": table.drop(columns="low"),
        "perturbation 'A'": table[table["perturbation"] != "A"],
        "1 effects, among them 'B' on 'g2'": table.iloc[:-1],
        "more than once": pd.concat([table, table.iloc[:1]]),
        "low above high": table.assign(low=table["high"] + 1),
        "levels 0.5, 0.9": table.assign(level=[0.5, 0.9] * 3),
    }
    for message, bad in cases.items():
        with pytest.raises(DataError, match=message):
            read_intervals(bad, LABELS, GENES)


def _simulated(overconfidence: float = 1.0) -> tuple[np.ndarray, ...]:
    rng = np.random.default_rng(0)
    labels = tuple(f"P{index:02}" for index in range(40))
    genes = np.array([f"g{index}" for index in range(500)], dtype=object)
    sd = np.repeat(rng.uniform(0.1, 0.6, size=(40, 1)), 500, axis=1)
    se = rng.uniform(0.1, 0.4, size=(40, 500))
    effect = rng.normal(size=(40, 500))
    observed = effect + rng.normal(size=effect.shape) * sd + rng.normal(size=effect.shape) * se
    half = stats.norm.ppf(0.95) * sd / overconfidence
    return read_intervals(_table(effect, half, labels, genes), labels, genes), observed, se


def test_a_perfect_model_covers_every_level_and_has_spread_skill_one() -> None:
    given, observed, se = _simulated()
    scores = score_intervals(given, observed, se).mean(1)
    for level in (50, 80, 90, 95):
        assert scores[ROW[f"coverage_{level}"]] == pytest.approx(level / 100, abs=0.015)
    assert scores[ROW["spread_skill"]] == pytest.approx(1.0, abs=0.05)


def test_without_the_truths_own_error_a_perfect_model_looks_overconfident() -> None:
    given, observed, se = _simulated()
    naive = score_intervals(given, observed, np.zeros_like(se)).mean(1)
    assert naive[ROW["coverage_90"]] < 0.8


def test_an_overconfident_model_is_found_out_by_coverage_and_by_proper_scores() -> None:
    given, observed, se = _simulated()
    narrow = _simulated(overconfidence=4.0)[0]
    fair, bold = (score_intervals(each, observed, se).mean(1) for each in (given, narrow))
    assert bold[ROW["coverage_90"]] < 0.8
    assert bold[ROW["sharpness_90"]] < fair[ROW["sharpness_90"]]
    for name in ("crps", "interval_score_90"):
        assert bold[ROW[name]] > fair[ROW[name]]


def test_scores_equal_scoringrules() -> None:
    given, observed, se = _simulated()
    total = np.hypot(given.below, se)
    scores = score_intervals(given, observed, se)
    expected = scoringrules.crps_normal(observed, given.effect, total).mean(1)
    np.testing.assert_allclose(scores[ROW["crps"]], expected)
    z = stats.norm.ppf(0.95)
    expected = scoringrules.interval_score(
        observed, given.effect - z * total, given.effect + z * total, 0.1
    )
    np.testing.assert_allclose(scores[ROW["interval_score_90"]], expected.mean(1))


def test_uncertainty_that_follows_the_error_is_seen_over_perturbations() -> None:
    given, observed, se = _simulated()
    rank, width = score_pooled(given, observed, se)
    assert rank > 0.8
    total = np.hypot(given.below, se)
    assert width == pytest.approx(2 * stats.norm.ppf(0.95) * total.mean(), rel=0.05)
    assert np.isnan(score_pooled(_few(given, 2), observed[:2], se[:2])[0])


def _few(given, count: int):
    from dataclasses import replace

    parts = {name: getattr(given, name)[:count] for name in ("effect", "below", "above")}
    return replace(given, **parts)


def test_a_nan_is_the_worst_value_and_an_unknown_standard_error_is_undefined() -> None:
    given, observed, se = _simulated()
    given.effect[3, 7] = np.nan
    se[5] = np.nan
    scores = score_intervals(given, observed, se)
    for metric, values in zip(INTERVAL_METRICS, scores, strict=True):
        assert values[3] == metric.worst
        assert np.isnan(values[5])
        assert np.isfinite(np.delete(values, [3, 5])).all()
    pooled = score_pooled(given, observed, se)
    np.testing.assert_array_equal(pooled, [metric.worst for metric in POOLED_METRICS])


def test_verdicts_are_read_once_per_perturbation(table: pd.DataFrame) -> None:
    verdict = table["perturbation"].map({"A": "use", "B": "use", "A+B": "do not trust"})
    given = read_intervals(table.assign(verdict=verdict).sample(frac=1.0), LABELS, GENES)
    assert given.verdicts == ("use", "do not trust", "use")
