from __future__ import annotations

from dataclasses import replace

import numpy as np

from gpjepa.api.plan_additive import AdditiveObjective
from gpjepa.api.plan_search import additive_best, rank_of, search, shortlist, small


def test_the_trace_is_that_of_the_ledger(found) -> None:
    trace = found.trace
    assert list(trace.columns) == ["planner", "phase", "iteration", "evaluations", "energy",
                                   "spread"]  # fmt: skip
    assert trace["evaluations"].iloc[-1] == found.ledger.spent == 21
    assert trace["energy"].iloc[-1] == found.ledger.best.energy


def test_the_shortlist_is_rescored_with_populations_and_ordered_by_them(setup, found) -> None:
    few = replace(setup, search=replace(setup.search, top=4))
    listed = shortlist(few, found)
    assert listed.scored == "population"
    assert len(listed.sets) == 4
    assert (np.diff(listed.scores.energy) >= 0).all()
    np.testing.assert_allclose(listed.scores.energy, few.population(listed.sets).energy)
    np.testing.assert_allclose(listed.searched, few.mean(listed.sets).energy, rtol=1e-6)


def test_the_sum_of_members_chooses_the_set_whose_sum_is_nearest(setup, found) -> None:
    best = additive_best(setup, found)
    sets = np.concatenate(list(setup.space.every()))
    sums = AdditiveObjective(setup.mean)(sets).energy
    assert best["set"] == setup.space.labels(sets[[sums.argmin()]])[0]
    assert best["additive_energy"] == sums.min()
    ranked, _ = found.ledger.ranked()
    assert best["rank"] == 1 + setup.space.labels(ranked).index(best["set"])


def test_a_set_that_was_not_scored_has_no_rank(setup) -> None:
    few = search(replace(setup, search=replace(setup.search, planner="random", budget=3)))
    ranked, _ = few.ledger.ranked()
    missing = next(
        row for sets in setup.space.every() for row in sets if not (row == ranked).all(1).any()
    )
    assert rank_of(few.ledger, missing) is None


def test_a_small_space_is_one_that_can_be_scored_whole(setup) -> None:
    assert small(setup.space, 21)
    assert not small(setup.space, 20)
