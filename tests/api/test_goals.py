from __future__ import annotations

import numpy as np
import pytest
from anndata import AnnData

from gpjepa.api.goal_cells import Cohort
from gpjepa.api.goals import Direction, Signature, aim_of, encoded, planning_goal
from gpjepa.api.plan_setup import origin_of
from gpjepa.core.errors import ConfigError, DataError
from gpjepa.evaluation.pseudobulk import pseudobulk, standard_error
from gpjepa.planning.effects import EffectMap, responding
from gpjepa.planning.goal import CellsGoal, DirectionGoal, LatentGoal, SignatureGoal


@pytest.fixture(scope="module")
def cohort(model, data) -> Cohort:
    return Cohort(model.bundle, model.controls, data)


@pytest.fixture(scope="module")
def double(adata) -> AnnData:
    return adata[adata.obs["perturbation"] == "C+D"].copy()


def test_cells_are_encoded_by_the_teacher_whatever_the_order_of_their_genes(
    model, cohort, double
) -> None:
    aim = aim_of(double[:, ::-1].copy(), cohort)
    assert (aim.kind, aim.name) == ("cells", "12 cells")
    np.testing.assert_allclose(aim.latents, model.embed(double), rtol=1e-4, atol=1e-5)


def test_a_condition_is_the_cells_of_that_name(cohort, double, model) -> None:
    aim = aim_of("D+C", cohort)
    assert (aim.kind, aim.name) == ("condition", "C+D")
    np.testing.assert_allclose(aim.latents, model.embed(double), rtol=1e-4, atol=1e-5)
    assert aim.to_json() == {"kind": "condition", "name": "C+D", "cells": 12}


def test_goal_cells_without_the_genes_of_the_model_are_refused_by_name(cohort, double) -> None:
    with pytest.raises(DataError, match="2 of 24 genes are missing from the data .gene3, gene7"):
        aim_of(double[:, ~double.var_names.isin(["gene3", "gene7"])].copy(), cohort)


def test_a_signature_has_weights_whose_sizes_add_up_to_1(cohort) -> None:
    genes = list(cohort.bundle.panel.names)
    aim = aim_of({"gene2": 3.0, "gene5": -1.0}, cohort)
    assert aim.weights[genes.index("gene2")] == 0.75
    assert aim.weights[genes.index("gene5")] == -0.25
    assert np.abs(aim.weights).sum() == 1.0
    lists = aim_of({"up": ["gene2", "gene3"], "down": ["gene5"]}, cohort)
    same = aim_of(Signature.of(["gene2", "gene3"], ["gene5"]), cohort)
    np.testing.assert_array_equal(lists.weights, same.weights)
    assert lists.weights[genes.index("gene2")] == 0.25


def test_genes_of_a_signature_that_are_not_modelled_are_noted(cohort) -> None:
    (note,) = aim_of({"gene2": 1.0, "XIST": -1.0}, cohort).notes
    assert "1 of 2 genes are not modelled (XIST)" in note


def test_a_direction_is_the_difference_of_two_means(cohort, model, adata) -> None:
    aim = aim_of(Direction("A", "B"), cohort)
    means = [model.embed(adata[adata.obs["perturbation"] == x].copy()).mean(axis=0) for x in "AB"]
    np.testing.assert_allclose(aim.direction, means[1] - means[0], atol=1e-5)
    assert aim.name == "from A to B"


@pytest.mark.parametrize(
    ("goal", "error", "words"),
    [
        (3, ConfigError, "the goal is a int; expected AnnData"),
        (np.zeros(3), ConfigError, r"shape \(3,\); expected one latent \[8\]"),
        (np.full(8, np.nan), ConfigError, "not finite"),
        ({"XIST": 1.0}, DataError, "none of its 1 genes is modelled .XIST"),
        ({"gene2": 0.0}, DataError, "nothing to reach: no weight"),
        ({"gene2": float("inf")}, ConfigError, "the weight of 'gene2' is inf"),
        ({"gene2": ["gene3"]}, ConfigError, "gives 'gene2' a list"),
        ({}, DataError, "nothing to reach"),
        (Direction("A", "A"), ConfigError, "from A to A: there is nothing to reach"),
    ],
)
def test_what_is_no_goal_is_refused(cohort, goal, error, words) -> None:
    with pytest.raises(error, match=words):
        aim_of(goal, cohort)


def test_a_goal_of_cells_has_their_effect_and_is_moved_to_where_it_is_decoded(
    cohort, start
) -> None:
    origin = origin_of(start, start)
    taught = encoded(start.bundle, start.cells.table, 0)
    goal = planning_goal(aim_of("C+D", cohort), origin, start.cells.table, taught)
    assert isinstance(goal, CellsGoal)
    moved = goal.latents.numpy() - aim_of("C+D", cohort).latents
    np.testing.assert_allclose(moved, np.tile(moved[0], (12, 1)), atol=1e-4)
    own = cohort.of("C+D").cells
    bulks = [pseudobulk(x.counts, x.library, start.target) for x in (own, start.cells.table)]
    np.testing.assert_allclose(goal.effect, bulks[0] - bulks[1], atol=1e-5)
    made = EffectMap(origin)(goal.mean[None])[0].detach().numpy()
    kept = responding(origin).numpy()
    assert np.corrcoef(made[kept], goal.effect[kept])[0, 1] > 0.9
    spread = [standard_error(x.counts, x.library, start.target) for x in (own, start.cells.table)]
    np.testing.assert_allclose(goal.error, np.hypot(*spread), atol=1e-5)


def test_every_other_goal_reaches_the_planner_as_its_kind(cohort, start) -> None:
    origin = origin_of(start, start)
    taught = encoded(start.bundle, start.cells.table, 0)

    def made(goal):
        return planning_goal(aim_of(goal, cohort), origin, start.cells.table, taught)

    assert isinstance(made(np.ones(8)), LatentGoal)
    assert isinstance(made(Direction("A", "B")), DirectionGoal)
    signature = made({"gene2": 3.0, "gene5": -1.0})
    assert isinstance(signature, SignatureGoal)
    assert sorted(signature.weights.values()) == [-0.25, 0.75]
    several = made(np.random.default_rng(0).normal(size=(5, 8)))
    assert isinstance(several, CellsGoal)
    assert several.effect is None
