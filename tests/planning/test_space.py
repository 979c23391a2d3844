from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gpjepa.core.errors import ConfigError
from gpjepa.planning.sets import keys, padded
from gpjepa.planning.space import Space


def named(count: int) -> tuple[str, ...]:
    return tuple("abcdefghijkl"[:count])


@st.composite
def spaces(draw) -> Space:
    count = draw(st.integers(3, 8))
    most = draw(st.integers(1, min(4, count)))
    pairs = st.sampled_from(list(combinations(range(count), 2)))
    fields = {
        "names": named(count),
        "max_size": most,
        "min_size": draw(st.integers(1, most)),
        "required": tuple(draw(st.lists(st.integers(0, count - 1), unique=True, max_size=2))),
        "apart": frozenset(draw(st.lists(pairs, max_size=5))),
    }
    if draw(st.booleans()):
        fields["cost"] = np.array(draw(st.lists(st.integers(0, 4), min_size=count, max_size=count)))
        fields["most_cost"] = draw(st.integers(0, 10))
    try:
        return Space(**fields)
    except ConfigError:
        return Space(named(count), most)


def brute(space: Space) -> set[tuple[int, ...]]:
    found = set()
    for size in range(space.min_size, space.max_size + 1):
        for each in combinations(range(space.candidates), size):
            dear = sum(space.costs[list(each)]) > space.most_cost
            clash = any(one in each and other in each for one, other in space.apart)
            if set(space.required) <= set(each) and not dear and not clash:
                found.add(each)
    return found


@settings(max_examples=150, deadline=None)
@given(spaces(), st.integers(1, 50))
def test_all_sets_are_those_that_keep_to_every_constraint(space: Space, chunk: int) -> None:
    parts = list(space.every(chunk))
    found = [key for part in parts for key in keys(part)]
    wanted = brute(space)
    assert wanted, "a space that is not refused has a set"
    assert len(found) == len(set(found)) == space.count()
    assert set(found) == wanted
    assert max(len(part) for part in parts) <= chunk


@settings(max_examples=100, deadline=None)
@given(spaces(), st.integers(1, 300), st.integers(0, 99))
def test_draws_are_distinct_sets_of_the_space(space: Space, n: int, seed: int) -> None:
    found = keys(space.draw(n, np.random.default_rng(seed)))
    assert set(found) <= brute(space)
    assert len(found) == len(set(found)) == min(n, space.count())


@settings(max_examples=100, deadline=None)
@given(spaces())
def test_allowed_are_the_sets_of_the_space_and_grows_their_parts(space: Space) -> None:
    every = [
        each
        for size in range(1, space.max_size + 1)
        for each in combinations(range(space.candidates), size)
    ]
    rows, wanted = padded(every, space.max_size), brute(space)
    allowed = space.allows(rows)
    assert {key for key, there in zip(every, allowed, strict=True) if there} == wanted
    for key, grows in zip(every, space.grows(rows), strict=True):
        assert grows or not any(set(key) <= set(whole) for whole in wanted)


def test_a_large_space_is_counted_exactly() -> None:
    assert Space(tuple(map(str, range(105))), 3).count() == 193_025
    assert Space(tuple(map(str, range(20_000))), 3).count() == 1_333_333_350_000


def test_labels_are_sorted_names() -> None:
    space = Space(("KLF1", "CEBPA", "SET"), 2)
    assert space.labels(np.array([[0, 1], [2, -1]])) == ["CEBPA+KLF1", "SET"]


def test_singles_are_all_candidates_required_ones_too() -> None:
    space = Space(named(4), 3, required=(1,))
    assert keys(space.singles()) == [(0,), (1,), (2,), (3,)]


def test_sets_outside_the_space_are_dropped() -> None:
    space = Space(named(4), 2, apart=frozenset({(0, 1)}))
    assert keys(space.inside(np.array([[1, 0], [2, 1], [1, 2]]))) == [(1, 2)]


def test_an_index_beyond_the_candidates_is_not_allowed() -> None:
    assert not Space(named(4), 2).allows(np.array([[1, 4]])).any()


@pytest.mark.parametrize("required", [(), (2,), (1, 3)])
def test_sets_are_completed_by_required_members(required) -> None:
    space = Space(named(5), 3, required=required)
    assert keys(space.complete(np.array([[0], [-1]]))) == [(0, *required), required]
