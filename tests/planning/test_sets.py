from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gpjepa.planning import sets

ROWS = st.lists(st.lists(st.integers(-1, 6), min_size=3, max_size=3), min_size=1, max_size=12)


@given(ROWS)
def test_canonical_sets_are_distinct_ascending_and_the_same_sets(rows) -> None:
    found = sets.keys(sets.canonical(np.array(rows)))
    wanted = [tuple(sorted({member for member in row if member >= 0})) for row in rows]
    assert found == list(dict.fromkeys(wanted))


@given(ROWS)
def test_numbers_and_bytes_tell_sets_apart_alike(rows) -> None:
    ordered = sets.ordered(np.array(rows))
    for marks in (sets.marks(ordered), sets.as_bytes(ordered)):
        same = marks[:, None] == marks[None]
        np.testing.assert_array_equal(same, (ordered[:, None] == ordered[None]).all(axis=2))


def test_sets_of_many_large_indices_are_told_apart() -> None:
    rows = np.array([[10**9, 10**9 + 1, 10**9 + 2], [10**9, 10**9 + 1, 10**9 + 3]])
    assert len(sets.canonical(np.concatenate((rows, rows)))) == 2


def test_members_come_back_from_padded_rows() -> None:
    members = [(3, 1), (2,), (0, 5, 4)]
    assert sets.keys(sets.padded(members, 4)) == [(1, 3), (2,), (0, 4, 5)]


def test_a_set_that_does_not_fit_is_refused() -> None:
    with pytest.raises(ValueError, match="3 members; expected at most 2"):
        sets.padded([(1, 2, 3)], 2)


def test_sizes_count_members() -> None:
    np.testing.assert_array_equal(sets.sizes(np.array([[1, -1], [0, 2], [-1, -1]])), [1, 2, 0])


def test_pairs_of_members_have_one_number_each() -> None:
    found = sets.pair_keys(np.array([[0, 1, 3], [2, 3, -1], [4, -1, -1]]), 5)
    assert found.tolist() == [[1, 3, 8], [13, -1, -1], [-1, -1, -1]]
