"""Tables of measured effects."""

from __future__ import annotations

import numpy as np
import pytest

from gpjepa.core.errors import DataError
from gpjepa.evaluation.effect_table import EffectTable

LABELS = ("A", "B", "C", "A+B", "A+D", "A+B+C")


def table() -> EffectTable:
    return EffectTable(LABELS, np.arange(18, dtype=float).reshape(6, 3))


def test_only_doubles_with_both_singles_are_measured_pairs():
    pairs = table().pairs
    assert pairs.rows.tolist() == [3]
    assert pairs.singles.tolist() == [[0, 1]]


def test_sums_add_the_members_and_are_nan_without_a_single():
    sums = table().sums(["A+B", "A+D", "A+B+C"])
    np.testing.assert_array_equal(sums[0], table().effects[0] + table().effects[1])
    assert np.isnan(sums[1]).all()
    np.testing.assert_array_equal(sums[2], table().effects[:3].sum(axis=0))


def test_rows_that_contain_a_gene_are_found_in_singles_and_combinations():
    assert table().containing["B"] == (1, 3, 5)
    assert table().containing["D"] == (4,)


def test_without_removes_rows_and_keeps_the_others_in_order():
    smaller = table().without(np.array([0, 3]))
    assert smaller.labels == ("B", "C", "A+D", "A+B+C")
    np.testing.assert_array_equal(smaller.effects, table().effects[[1, 2, 4, 5]])


@pytest.mark.parametrize(
    ("labels", "effects", "message"),
    [
        (("A",), np.zeros((2, 3)), "one row per label"),
        (("A", "A"), np.zeros((2, 3)), "repeat"),
        (("A", "control"), np.zeros((2, 3)), "contain the control"),
        (("A", "B"), np.full((2, 3), np.nan), "NaN"),
    ],
)
def test_bad_tables_are_refused(labels, effects, message):
    with pytest.raises(DataError, match=message):
        EffectTable(labels, effects)


def test_combinations_of_another_table_join_where_their_members_have_singles():
    own = EffectTable(("A", "B", "A+B"), np.eye(3))
    other = EffectTable(("C", "A+B", "A+C", "A+A2", "A+B+B2"), np.ones((5, 3)))
    assert own.composed_in(other) == []
    wider = EffectTable(("A", "B", "C"), np.eye(3))
    assert wider.composed_in(other) == ["A+B", "A+C"]
    joined = wider.beside(other, ["A+C"])
    assert joined.labels == ("A", "B", "C", "A+C")
    np.testing.assert_array_equal(joined.effects, [*np.eye(3), np.ones(3)])
