"""Interactions measured twice in cells, without a cell in common."""

from __future__ import annotations

import anndata
import numpy as np
import pytest

from gpjepa.evaluation.interaction_cells import interaction_views, scored_combinations
from gpjepa.evaluation.pair import EvaluationPair, make_pair
from gpjepa.evaluation.pseudobulk import pseudobulk

DOUBLES = ("T0+T1", "T2+T3")


@pytest.fixture(scope="module")
def pair(screen, oracle, observed, train) -> EvaluationPair:
    return make_pair(oracle, observed, train)


def test_only_combinations_whose_members_were_trained_on_alone_are_scored(pair, screen, train):
    assert scored_combinations(pair) == DOUBLES
    without = train[train.obs["perturbation"] != "T1"]
    observed = screen.cells({"control": 40, "T0+T1": 30, "T2+T3": 9}, seed=8)
    predicted = screen.cells({"T0+T1": 30, "T2+T3": 30}, seed=9)
    assert scored_combinations(make_pair(predicted, observed, without)) == ()


def test_each_halving_is_used_in_both_directions(pair):
    views = list(interaction_views(pair, DOUBLES, seed=0, halvings=1))
    assert len(views) == 2
    assert not np.allclose(views[0].label, views[1].label)
    assert views[0].label.shape == (2, int(pair.gated.sum()))


def test_the_replicate_is_the_other_cells_interaction(pair):
    first, second = interaction_views(pair, DOUBLES, seed=0, halvings=1)
    shift = pair_controls(pair)[0] - pair_controls(pair)[1]
    np.testing.assert_allclose(first.replicate, second.label + shift, atol=1e-12)


def pair_controls(pair: EvaluationPair) -> tuple[np.ndarray, np.ndarray]:
    sides = [p.genes(pair.gated) for p in (pair.prediction_control, pair.truth_control)]
    first, second = (pseudobulk(side.counts, side.library, pair.target) for side in sides)
    return first, second


def changed(data: anndata.AnnData, label: str, cells: slice) -> anndata.AnnData:
    """Triple the counts of some cells of a perturbation."""
    data = data.copy()
    rows = np.flatnonzero(data.obs["perturbation"].to_numpy() == label)[cells]
    counts = data.X.tolil()
    counts[rows] = counts[rows] * 3
    data.X = counts.tocsr()
    return data


def test_no_cell_is_in_the_label_and_in_what_is_scored(oracle, observed, train, pair):
    other = make_pair(oracle, observed, changed(train, "T0", slice(0, 1)))
    touched = []
    for old, new in zip(
        interaction_views(pair, DOUBLES, 0), interaction_views(other, DOUBLES, 0), strict=True
    ):
        in_label = not np.allclose(old.label[0], new.label[0])
        in_rest = not np.allclose(old.sums[0], new.sums[0])
        in_table = not np.allclose(old.table.effects, new.table.effects)
        assert in_label != in_rest
        assert in_rest == in_table == (not np.allclose(old.replicate[0], new.replicate[0]))
        touched.append(in_label)
    assert set(touched) == {True, False}


def test_training_effects_of_other_perturbations_keep_all_their_cells(pair):
    views = list(interaction_views(pair, DOUBLES[:1], seed=0, halvings=1))
    rows = [views[0].table.row[name] for name in ("T2", "T3")]
    np.testing.assert_array_equal(views[0].table.effects[rows], views[1].table.effects[rows])
    row = views[0].table.row["T0"]
    assert not np.allclose(views[0].table.effects[row], views[1].table.effects[row])


def test_the_same_seed_gives_the_same_views_and_another_does_not(pair):
    one, again, other = (
        next(iter(interaction_views(pair, DOUBLES, seed))).label for seed in (1, 1, 2)
    )
    np.testing.assert_array_equal(one, again)
    assert not np.allclose(one, other)
