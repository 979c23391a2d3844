from __future__ import annotations

import pandas
import pytest

from gpjepa.api.sequences import EXTRAPOLATED, Replan, plan_sequence, replan
from gpjepa.core.errors import ConfigError, DataError, VocabularyError

SOME = ["A", "B", "C", "D"]


def cells_of(adata, label):
    return adata[(adata.obs["perturbation"] == label).to_numpy()]


def test_sequences_are_ranked_beside_their_sets_and_reverse_orders(model, adata) -> None:
    found = plan_sequence(model, cells_of(adata, "A+B"), candidates=SOME, cells=40)
    table = found.table
    assert found.evaluations == 4 + 12
    assert len(table) == 16
    assert table["energy"].is_monotonic_increasing
    pairs = table[table["steps"] == 2].set_index("sequence")
    forth, back = pairs.loc["A > B"], pairs.loc["B > A"]
    assert forth["set"] == back["set"] == "A+B"
    assert forth["set_energy"] == pytest.approx(back["set_energy"])
    assert forth["order_effect"] == pytest.approx(forth["energy"] - back["energy"], abs=1e-6)
    assert forth["order_effect"] == pytest.approx(-back["order_effect"], abs=1e-6)
    assert (pairs["beyond_set"] - (pairs["energy"] - pairs["set_energy"])).abs().max() < 1e-6
    assert (pairs["beyond_set_se"] > 0).all()
    single = table[table["steps"] == 1]
    assert single["order_effect"].abs().max() == 0
    assert single["beyond_set"].abs().max() < 1e-6
    assert found.compared == 16 + 2 * (4 + 24)
    assert EXTRAPOLATED in found.notes


def test_one_step_is_planning_of_single_perturbations(model, adata) -> None:
    found = plan_sequence(model, cells_of(adata, "A"), steps=1, candidates=SOME, cells=40)
    assert found.table["sequence"].tolist() == found.table["set"].tolist()
    assert found.evaluations == 4
    assert EXTRAPOLATED not in found.notes
    closed = 1 - found.table["energy"] / found.distance
    pandas.testing.assert_series_equal(found.table["closed"], closed, check_names=False)


def test_the_budget_is_kept_and_the_same_seed_repeats(model, adata) -> None:
    goal = cells_of(adata, "A+C")
    one, again, other = (
        plan_sequence(model, goal, 3, budget=20, candidates=SOME, cells=30, seed=seed)
        for seed in (0, 0, 1)
    )
    assert one.evaluations <= 20
    assert one.trace["evaluations"].iloc[-1] == one.evaluations
    pandas.testing.assert_frame_equal(one.table, again.table)
    assert not one.table["energy"].equals(other.table["energy"])


def test_a_step_may_be_a_combination(model, adata) -> None:
    found = plan_sequence(model, cells_of(adata, "A+B"), 2, candidates=["B+A", "C", "B"], cells=30)
    sequences = set(found.table["sequence"])
    assert {"A+B", "A+B > C", "C > A+B", "B > C"} <= sequences
    assert "A+B > B" not in sequences
    assert found.table.set_index("sequence").loc["A+B > C", "set"] == "A+B+C"


@pytest.mark.parametrize("energy", ["latent", "energy-distance", "expression"])
def test_energies_of_populations_rank_sequences(model, adata, energy) -> None:
    found = plan_sequence(
        model, cells_of(adata, "A+B"), 2, candidates=SOME, cells=30, energy=energy
    )
    assert (found.table["energy"] > 0).all()
    assert (found.table["energy_se"] > 0).all()


def test_unknown_candidates_are_noted_and_refused_where_none_is_known(model, adata) -> None:
    goal = cells_of(adata, "A")
    found = plan_sequence(model, goal, 1, candidates=["A", "NOBODY"], cells=30)
    assert any("NOBODY" in note for note in found.notes)
    assert found.table["sequence"].tolist() == ["A"]
    with pytest.raises(VocabularyError, match="NOBODY"):
        plan_sequence(model, goal, 1, candidates=["NOBODY", "NOONE"], cells=30)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"steps": 0}, "steps is 0"),
        ({"steps": -1}, "steps is -1"),
        ({"candidates": []}, "candidates are empty"),
        ({"candidates": ["A"], "steps": 2}, "steps is 2 with 1 candidates"),
        ({"budget": 3}, "budget is 3 evaluations; expected at least 4"),
        ({"forbidden": SOME}, "none of 4 candidates is left"),
        ({"forbidden": ["A+B+C"]}, "forbidden 'A.B.C' has 3 members"),
        ({"cells": 1}, "starts from 1 cells"),
        ({"top": 0}, "top is 0"),
        ({"energy": "warmth"}, "energy 'warmth' is not known"),
    ],
)
def test_what_cannot_be_planned_is_refused(model, adata, given, message) -> None:
    settings = {"candidates": SOME, "cells": 30, **given}
    with pytest.raises(ConfigError, match=message):
        plan_sequence(model, cells_of(adata, "A+B"), **settings)


def test_forbidden_perturbations_are_in_no_step(model, adata) -> None:
    found = plan_sequence(
        model, cells_of(adata, "A+B"), 2, candidates=[*SOME, "A+B"], forbidden="A", cells=30
    )
    assert not found.table["set"].str.contains("A").any()


def test_a_goal_where_the_cells_start_is_refused(model, adata) -> None:
    with pytest.raises(DataError, match="nothing to reach"):
        plan_sequence(model, "control", candidates=SOME)


@pytest.fixture(scope="module")
def replanned(model, adata) -> Replan:
    return replan(
        model, cells_of(adata, "A"), cells_of(adata, "A+B"), 2, ["A"], candidates=SOME, cells=30
    )


def test_the_rest_is_planned_from_observed_cells_without_what_was_applied(replanned) -> None:
    table = replanned.plan.table
    assert not table["set"].str.contains("A").any()
    assert replanned.plan.evaluations == 3 + 6
    assert replanned.energy == table["energy"].iloc[0]
    assert replanned.next == table["sequence"].iloc[0].split(" > ")[0]
    assert replanned.distance == replanned.plan.distance


def test_observed_cells_are_a_surprise_where_they_are_not_those_expected(
    model, adata, replanned
) -> None:
    assert replanned.surprise is not None
    other = replan(
        model, cells_of(adata, "E"), cells_of(adata, "A+B"), 1, ["A"], candidates=SOME, cells=30
    )
    assert other.surprise is not None
    assert other.surprise.ratio > replanned.surprise.ratio


def test_cells_at_the_goal_need_no_further_step(model, adata) -> None:
    goal = cells_of(adata, "A+B")
    found = replan(model, goal, goal, 1, candidates=["E", "F"], cells=12)
    assert found.next is None
    assert found.surprise is None
    assert found.energy >= found.distance


def test_observed_cells_with_other_genes_are_refused(model, adata) -> None:
    goal, observed = cells_of(adata, "A+B"), cells_of(adata, "A")[:, 5:]
    with pytest.raises(DataError, match="gene"):
        replan(model, observed, goal, candidates=SOME)


def test_unknown_applied_steps_and_single_cells_are_refused(model, adata) -> None:
    goal, observed = cells_of(adata, "A+B"), cells_of(adata, "A")
    with pytest.raises(VocabularyError, match="NOBODY"):
        replan(model, observed, goal, 1, ["NOBODY"], candidates=SOME)
    with pytest.raises(DataError, match="1 cells were observed"):
        replan(model, observed[:1], goal, candidates=SOME)


@pytest.mark.parametrize("energy", ["expression", "energy-distance"])
def test_energies_compare_before_and_after(model, adata, energy) -> None:
    goal = cells_of(adata, "A+B")
    found = replan(
        model, cells_of(adata, "A")[:9], goal, 1, ["A"], candidates=SOME, cells=30, energy=energy
    )
    assert found.energy > 0
    assert found.distance > 0
    assert found.plan.table["energy"].notna().all()


def test_a_signature_is_one_way(model) -> None:
    found = plan_sequence(model, {"gene3": 1.0, "gene4": -1.0}, 2, candidates=SOME, cells=30)
    assert found.table["closed"].isna().all()
    assert found.table["energy"].iloc[0] < found.distance


def test_the_energy_is_in_expression_where_the_goal_has_counts(model, adata) -> None:
    cells = cells_of(adata, "A+B")
    auto, told = (
        plan_sequence(model, cells, 1, candidates=SOME, cells=30, energy=energy)
        for energy in ("auto", "expression")
    )
    pandas.testing.assert_frame_equal(auto.table, told.table)
    latent = model.embed(cells).mean(axis=0)
    plan_sequence(model, latent, 1, candidates=SOME, cells=30)
    with pytest.raises(ConfigError, match="no effect in expression"):
        plan_sequence(model, latent, 1, candidates=SOME, cells=30, energy="expression")


def test_sequences_keep_to_constraints_as_sets_do(model, adata) -> None:
    goal, cost = cells_of(adata, "A+B"), {"A": 2.0, "B": 1.0, "C": 1.0}
    settings = {"candidates": SOME, "cells": 30, "planner": "exhaustive"}
    found = plan_sequence(
        model, goal, 2, forbidden=["A+B"], required=["C"], cost=cost, most_cost=2.5, **settings
    )
    applied = [set(each.split("+")) for each in found.table["set"]]
    assert all("C" in each and "A" not in each for each in applied)
    assert (found.table["cost"] <= 2.5).all()
    with pytest.raises(ConfigError, match="required and forbidden together"):
        plan_sequence(model, goal, 2, forbidden=["A+B"], required=["A", "B"], **settings)


def test_with_interactions_carried_a_sequence_is_nearer_its_set(model, adata) -> None:
    goal = cells_of(adata, "A+B")
    settings = {"candidates": ["A", "B"], "cells": 60, "planner": "exhaustive", "energy": "latent"}
    apart = {}
    for carry in (False, True):
        table = plan_sequence(model, goal, 2, carry=carry, **settings).table
        apart[carry] = table[table["steps"] == 2]["beyond_set"].abs().mean()
    assert apart[True] < 0.8 * apart[False]
