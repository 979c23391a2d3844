"""A table of intervals in any order, of one level or several, becomes arrays, or says why not."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from gpjepa.core.errors import DataError
from gpjepa.evaluation.interval_table import (
    EffectIntervals,
    normal_intervals,
    normal_quantile,
    read_intervals,
)

LABELS = ("A", "A+B", "B")
GENES = np.array(["g1", "g2"], dtype=object)


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
    np.testing.assert_allclose(given.below[0], 1 / stats.norm.ppf(0.95))
    assert given.verdicts == ()


def test_the_level_of_the_intervals_is_read_from_the_table(table: pd.DataFrame) -> None:
    given = read_intervals(table.assign(level=0.5), LABELS, GENES)
    np.testing.assert_allclose(given.above[0], 1 / stats.norm.ppf(0.75))


def test_bad_tables_are_refused_with_what_is_wrong(table: pd.DataFrame) -> None:
    cases = {
        "lacks low": table.drop(columns="low"),
        "perturbation 'A'": table[table["perturbation"] != "A"],
        "1 effects, among them 'B' on 'g2'": table.iloc[:-1],
        "more than once": pd.concat([table, table.iloc[:1]]),
        "low above high": table.assign(low=table["high"] + 1),
        "levels 1.5; expected": table.assign(level=1.5),
        "levels nan": table.assign(level=np.nan),
        "3 effects, among them 'A' on 'g2' at level 0.5": table.assign(level=[0.5, 0.9] * 3),
        "effects outside their own": table.assign(effect=table["high"] + 1),
    }
    for message, bad in cases.items():
        with pytest.raises(DataError, match=message):
            read_intervals(bad, LABELS, GENES)


def test_verdicts_are_read_once_per_perturbation(table: pd.DataFrame) -> None:
    verdict = table["perturbation"].map({"A": "use", "B": "use", "A+B": "do not trust"})
    given = read_intervals(table.assign(verdict=verdict).sample(frac=1.0), LABELS, GENES)
    assert given.verdicts == ("use", "do not trust", "use")


def _several(levels: dict[float, float], effect: float = 0.0) -> EffectIntervals:
    """Return intervals of one effect whose half-widths are given by level."""
    rows = [
        {"perturbation": "A", "gene": "g1", "effect": effect, "low": effect - half,
         "high": effect + half, "level": level}
        for level, half in levels.items()
    ]  # fmt: skip
    return read_intervals(pd.DataFrame(rows), ("A",), GENES[:1])


def test_several_levels_are_returned_as_they_were_given() -> None:
    widths = {0.5: 1.0, 0.8: 2.5, 0.95: 7.0}  # heavier tails than a normal distribution's
    given = _several(widths)
    assert given.levels == (0.5, 0.8, 0.95)
    for level, half in widths.items():
        low, high = given.ends(level)
        assert (low.item(), high.item()) == (pytest.approx(-half), pytest.approx(half))
    assert 2.5 < given.ends(0.9)[1].item() < 7.0
    assert given.ends(0.99)[1].item() > 7.0


@pytest.mark.parametrize("error", [0.0, 0.7])
def test_scores_are_the_inverse_of_the_ends_at_every_level(error: float) -> None:
    given = _several({0.5: 1.0, 0.8: 2.5, 0.95: 7.0}, effect=3.0)
    for level in (0.1, 0.5, 0.7, 0.8, 0.9, 0.95, 0.99):
        low, high = given.ends(level, error)
        z = normal_quantile(level)
        assert given.scores(high, error).item() == pytest.approx(z)
        assert given.scores(low, error).item() == pytest.approx(-z)
    assert given.scores(given.effect, error).item() == 0.0


def test_the_error_of_the_observation_widens_a_normal_forecast_in_quadrature() -> None:
    given = normal_intervals(np.zeros((1, 1)), np.full((1, 1), 0.3))
    assert given.ends(0.9, 0.4)[1].item() == pytest.approx(0.5 * stats.norm.ppf(0.95))
    assert given.spread(0.4).item() == pytest.approx(0.5)


def test_an_interval_without_width_is_infinitely_far_from_everything_else() -> None:
    given = normal_intervals(np.zeros((1, 2)), np.zeros((1, 2)))
    np.testing.assert_array_equal(given.scores(np.array([[0.0, -0.1]])), [[0.0, -np.inf]])


def test_levels_that_contradict_each_other_are_refused() -> None:
    with pytest.raises(DataError, match=r"do not lie inside those of a higher level.*0\.5, 0\.9"):
        _several({0.5: 2.0, 0.9: 1.0})
    rows = pd.DataFrame(
        {"perturbation": "A", "gene": "g1", "effect": [0.0, 0.1], "low": -1.0, "high": 1.0,
         "level": [0.5, 0.9]}
    )  # fmt: skip
    with pytest.raises(DataError, match="different effects at different levels"):
        read_intervals(rows, ("A",), GENES[:1])


def test_shapes_that_do_not_fit_are_refused() -> None:
    with pytest.raises(DataError, match=r"expected \(1, 3, 2\)"):
        EffectIntervals(np.zeros((3, 2)), np.ones((3, 2)), np.ones((3, 2)))


def test_some_perturbations_are_taken_with_all_that_is_known_of_them(table: pd.DataFrame) -> None:
    novelty = table["perturbation"].map({"A": 0.1, "A+B": 0.2, "B": 0.3})
    given = read_intervals(table.assign(novelty=novelty, verdict="use"), LABELS, GENES)
    taken = given.take(np.array([True, False, True]))
    np.testing.assert_array_equal(taken.effect, [[0, 1], [4, 5]])
    assert (taken.novelty, taken.verdicts) == ((0.1, 0.3), ("use", "use"))
    assert taken.below.shape == (1, 2, 2)
