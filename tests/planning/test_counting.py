from __future__ import annotations

from itertools import combinations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from gpjepa.planning.counting import count_sets, count_within

COSTS = st.lists(st.sampled_from([0.0, 1.0, 1.5, 2.0, 7.0]), min_size=1, max_size=9)


@settings(max_examples=200, deadline=None)
@given(COSTS, st.integers(0, 5), st.sampled_from([0.0, 2.5, 4.0, 9.0, np.inf]))
def test_subsets_within_a_limit_are_counted_one_by_one(costs, size, limit) -> None:
    wanted = sum(sum(each) <= limit for each in combinations(costs, size))
    assert count_within(np.sort(np.array(costs)), size, limit) == wanted


def test_many_different_costs_are_counted() -> None:
    costs = np.sort(np.random.default_rng(0).random(60))
    wanted = sum(sum(each) <= 0.9 for each in combinations(costs.tolist(), 3))
    assert 0 < wanted < 34_220
    assert count_within(costs, 3, 0.9) == wanted


def test_sets_of_rivals_are_left_out() -> None:
    rivals = {0: frozenset({1}), 1: frozenset({0, 2}), 2: frozenset({1})}
    assert count_sets(range(5), 2, rivals, np.zeros(5), np.inf) == 10 - 2
    assert count_sets(range(5), 3, rivals, np.zeros(5), np.inf) == 10 - 3 - 3 + 1
