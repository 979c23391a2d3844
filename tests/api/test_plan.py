from __future__ import annotations

import numpy as np
import pandas
import pytest
import torch
from anndata import AnnData
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import gpjepa
from gpjepa.api.goals import Direction
from gpjepa.api.model import GPJEPA
from gpjepa.api.plan import ScreenResult, virtual_screen_perturbations
from gpjepa.core.errors import ConfigError, DataError, NumericError, VocabularyError

CONTRACT = {
    "rank", "set", "size", "energy", "energy_se", "as_good", "low", "high", "closed",
    "additive_energy", "interaction", "novelty", "nearest", "verdict", "source",
}  # fmt: skip


@pytest.fixture(scope="module")
def double(adata) -> AnnData:
    return adata[adata.obs["perturbation"] == "C+D"].copy()


@pytest.fixture(scope="module")
def result(model, double) -> ScreenResult:
    return virtual_screen_perturbations(model, double, planner="exhaustive", cells=32, top=30)


def test_the_call_is_public() -> None:
    assert gpjepa.virtual_screen_perturbations is virtual_screen_perturbations
    assert gpjepa.Direction is Direction


def test_the_table_ranks_sets_by_their_energy(result) -> None:
    table = result.table
    assert set(table.columns) >= CONTRACT
    assert table["rank"].tolist() == list(range(1, len(table) + 1))
    assert (np.diff(table["energy"]) >= 0).all()
    assert (table["low"] <= table["energy"]).all()
    assert (table["energy"] <= table["high"]).all()
    assert (table["low"] >= 0).all()
    np.testing.assert_allclose(table["closed"], 1 - table["energy"] / result.distance)
    np.testing.assert_allclose(
        table["interaction"], table["energy"] - table["additive_energy"], atol=1e-9
    )


def test_an_exhaustive_search_scores_every_set_of_the_candidates_once(result) -> None:
    members = "ABCDEF"
    every = {*members} | {f"{a}+{b}" for a in members for b in members if a < b}
    assert result.evaluations == result.sets == len(every) - 0
    assert set(result.table["set"]) <= every
    assert len(result.table) == len(every)


def test_single_perturbations_interact_with_nothing(result) -> None:
    alone = result.table[result.table["size"] == 1]
    np.testing.assert_allclose(alone["interaction"], 0, atol=1e-5)


def test_what_the_data_hold_is_marked(result, data) -> None:
    table = result.table.set_index("set")
    assert bool(table.loc["C+D", "measured"])
    assert not bool(table.loc["E+F", "measured"])


def test_the_goal_may_be_any_of_its_kinds(model, data, double) -> None:
    latent = model.embed(double).mean(axis=0)
    for goal in ("C+D", "D+C", latent, {"gene2": 1.0}, Direction("A", "B"), double):
        found = virtual_screen_perturbations(model, goal, cells=16, top=3, budget=30)
        assert len(found.table) == 3, goal
        assert np.isfinite(found.table["energy"]).all()


def test_a_signature_ranks_by_the_effects_that_the_model_predicts(model) -> None:
    found = virtual_screen_perturbations(
        model, {"gene2": 1.0, "gene3": -1.0}, planner="exhaustive", max_size=1, top=10
    )
    effects = model.effects(list("ABCDEF")).set_index(["perturbation", "gene"])["effect"]
    expected = {x: -(effects[x, "gene2"] - effects[x, "gene3"]) / 2 for x in "ABCDEF"}
    own = found.table.set_index("set")["energy"]
    assert np.corrcoef(own, [expected[x] for x in own.index])[0, 1] > 0.9
    assert found.distance is None
    assert found.table["closed"].isna().all()


def test_the_same_seed_gives_the_same_answer_loaded_or_not(model, saved, double) -> None:
    loaded = GPJEPA.load(saved, "cpu")
    first, again, other = (
        virtual_screen_perturbations(which, double, budget=12, seed=3, cells=24)
        for which in (model, model, loaded)
    )
    pandas.testing.assert_frame_equal(first.table, again.table)
    pandas.testing.assert_frame_equal(first.trace, again.trace)
    pandas.testing.assert_frame_equal(
        first.table.drop(columns="measured"), other.table.drop(columns="measured")
    )


@pytest.mark.parametrize("planner", ["cem", "greedy", "beam", "random"])
def test_every_planner_keeps_to_its_budget(model, double, planner: str) -> None:
    found = virtual_screen_perturbations(model, double, planner=planner, budget=9, cells=16)
    assert found.evaluations <= 9
    assert found.trace["evaluations"].max() == found.evaluations
    assert set(found.trace["planner"]) == {planner}
    energies = found.trace["energy"].to_numpy()
    assert (np.diff(energies[np.isfinite(energies)]) <= 0).all()


@settings(
    max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    forbidden=st.sets(st.sampled_from(["A", "C+D", "B+C", "E"])),
    required=st.sampled_from(["", "B", "F"]),
    share=st.sampled_from([None, 1, 2]),
    sizes=st.sampled_from([(1, 1), (1, 2), (2, 2), (1, 3), (2, 3)]),
)
def test_whatever_is_proposed_keeps_to_the_constraints(
    model, double, forbidden, required, share, sizes
) -> None:
    found = virtual_screen_perturbations(
        model, double, min_size=sizes[0], max_size=sizes[1], budget=40, cells=8, top=6,
        forbidden=sorted(forbidden), required=[required] if required else [], share=share,
    )  # fmt: skip
    sets = [frozenset(label.split("+")) for label in found.table["set"]]
    assert len(set(sets)) == len(sets)
    for members in sets:
        assert sizes[0] <= len(members) <= sizes[1]
        assert not any(frozenset(label.split("+")) <= members for label in forbidden)
        assert not required or required in members
    if share is not None:
        for gene in "ABCDEF":
            assert sum(gene in members for members in sets) <= share


def test_costs_push_dear_genes_down(model, double) -> None:
    plain = virtual_screen_perturbations(model, double, planner="exhaustive", cells=16, top=30)
    best = plain.table["set"].iloc[0]
    gene = best.split("+")[0]
    dear = virtual_screen_perturbations(
        model, double, planner="exhaustive", cells=16, cost={gene: 1e6}
    )
    assert gene not in dear.table["set"].iloc[0].split("+")
    own = dear.table.set_index("set")
    assert own.loc[gene, "cost"] == 1e6
    common = plain.table.set_index("set")["energy"]
    np.testing.assert_allclose(own["energy"], common[own.index], rtol=1e-5)
    limited = virtual_screen_perturbations(model, double, cells=16, cost={gene: 5}, most_cost=2.0)
    assert (limited.table["cost"] <= 2).all()


def test_a_plan_may_start_from_other_cells(model, adata) -> None:
    start = adata[adata.obs["perturbation"] == "A"].copy()
    there = virtual_screen_perturbations(model, "control", start=start, cells=12, budget=30)
    assert there.distance > 0
    with pytest.raises(DataError, match="there is nothing to reach"):
        virtual_screen_perturbations(model, "control")


def test_energies_that_are_not_finite_are_left_out_and_counted(model, double, monkeypatch) -> None:
    from gpjepa.planning.scoring import MeanShiftObjective

    real = MeanShiftObjective.__call__

    def broken(self, sets):
        scores = real(self, sets)
        scores.energy[(sets == 0).any(axis=1)] = np.nan
        return scores

    monkeypatch.setattr(MeanShiftObjective, "__call__", broken)
    found = virtual_screen_perturbations(model, double, planner="exhaustive", cells=8)
    assert "A" in found.excluded
    assert len(found.excluded) == 6
    assert not any("A" in label.split("+") for label in found.table["set"])
    assert any("6 sets whose energy is not finite (A" in note for note in found.notes)
    with pytest.raises(NumericError, match="not finite .A"):
        virtual_screen_perturbations(model, double, candidates=["A"], max_size=1)


@pytest.mark.parametrize(
    ("asked", "error", "words"),
    [
        ({"budget": 0}, ConfigError, "budget is 0"),
        ({"planner": "exhaustive", "budget": 9}, ConfigError, "exhaustive search needs 21"),
        ({"planner": "anneal"}, ConfigError, "planner 'anneal' is not known"),
        ({"max_size": 7}, ConfigError, "max_size is 7 with 6 candidates"),
        ({"candidates": ["ZZ9", "QQ8"]}, VocabularyError, "2 of 2 are not known"),
        ({"candidates": []}, ConfigError, "candidates are empty"),
        ({"required": ["A"], "forbidden": ["A"]}, ConfigError, "'A' is required and forbidden"),
        ({"context": "HeLa"}, VocabularyError, "context 'HeLa' is not known"),
    ],
)
def test_what_cannot_be_done_is_refused(model, double, asked, error, words) -> None:
    with pytest.raises(error, match=words):
        virtual_screen_perturbations(model, double, **asked)


def test_a_loaded_model_needs_the_data_for_a_condition(saved, adata) -> None:
    loaded = GPJEPA.load(saved, "cpu")
    with pytest.raises(DataError, match="pass data="):
        virtual_screen_perturbations(loaded, "C+D")
    found = virtual_screen_perturbations(loaded, "C+D", data=adata, cells=8, budget=20)
    assert found.table["measured"].any()


def test_planning_leaves_the_model_as_it_was(model, double) -> None:
    before = {key: value.clone() for key, value in model.bundle.model.state_dict().items()}
    virtual_screen_perturbations(model, double, cells=8, budget=20)
    after = model.bundle.model.state_dict()
    for key, value in before.items():
        torch.testing.assert_close(after[key], value, rtol=0, atol=0, equal_nan=True)


def test_a_budget_that_does_not_reach_every_candidate_is_noted(model, double) -> None:
    found = virtual_screen_perturbations(model, double, budget=3, cells=8)
    assert any("budget of 3 is smaller than the 6 candidates" in note for note in found.notes)
