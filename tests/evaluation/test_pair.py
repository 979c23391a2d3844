"""A pair is validated once: genes, labels, denominators, gate and disjoint controls."""

from __future__ import annotations

from typing import Any

import anndata
import numpy as np
import pytest

from gpjepa.core.errors import DataError
from gpjepa.evaluation.pair import COPY, make_pair


def test_genes_are_matched_by_name_whatever_their_order(
    oracle: anndata.AnnData, observed: anndata.AnnData, train: anndata.AnnData
) -> None:
    order = np.random.default_rng(0).permutation(oracle.n_vars)
    plain = make_pair(oracle, observed, train)
    shuffled = make_pair(oracle[:, order].copy(), observed, train[:, order[::-1]].copy())
    assert (plain.predicted.counts != shuffled.predicted.counts).nnz == 0
    assert (plain.prediction_control.counts != shuffled.prediction_control.counts).nnz == 0
    np.testing.assert_array_equal(plain.gated, shuffled.gated)


def test_different_genes_are_refused_and_named(
    oracle: anndata.AnnData, observed: anndata.AnnData, train: anndata.AnnData
) -> None:
    with pytest.raises(DataError, match="'G3' only observed, none only predicted"):
        make_pair(oracle[:, oracle.var_names != "G3"].copy(), observed, train)
    with pytest.raises(DataError, match="genes of the training"):
        make_pair(oracle, observed, train[:, train.var_names != "G3"].copy())


def test_different_perturbations_are_refused_and_named(
    oracle: anndata.AnnData, observed: anndata.AnnData
) -> None:
    with pytest.raises(DataError, match=r"'T4' without prediction, none predicted"):
        make_pair(oracle[oracle.obs.perturbation != "T4"].copy(), observed)
    with pytest.raises(DataError, match=r"none without prediction, 'T5' predicted"):
        make_pair(oracle, observed[observed.obs.perturbation != "T5"].copy())


def test_order_and_spelling_of_members_do_not_matter(
    oracle: anndata.AnnData, observed: anndata.AnnData
) -> None:
    other = oracle.copy()
    other.obs["perturbation"] = [
        {"T0+T1": "T1_T0", "T4": "T4+ctrl"}.get(label, label)
        for label in oracle.obs["perturbation"]
    ]
    assert make_pair(other, observed).perturbations == ("T0+T1", "T2+T3", "T4", "T5")


def test_scored_genes_are_expressed_in_control_and_no_target_of_the_panel(
    oracle: anndata.AnnData, observed: anndata.AnnData, train: anndata.AnnData
) -> None:
    pair = make_pair(oracle, observed, train)
    controls = train[train.obs.perturbation == "control"]
    means = np.asarray(controls.X.mean(axis=0)).ravel()
    targets = np.array([gene.startswith("T") for gene in train.var_names])
    np.testing.assert_array_equal(pair.gated, (means >= 0.1) & ~targets)
    assert not pair.gated[-4:].any()


def test_a_gene_with_exactly_the_least_mean_is_scored(screen: Any) -> None:
    observed = screen.cells({"control": 100, "T4": 5}, seed=7)
    values = observed.X.toarray()
    values[:100, -1] = np.repeat([1, 0], [10, 90])
    values[:100, -2] = np.repeat([1, 0], [9, 91])
    observed.X = values
    pair = make_pair(screen.cells({"T4": 5}, seed=8), observed, observed[:100].copy())
    np.testing.assert_array_equal(pair.gated[-2:], [False, True])


def test_scored_genes_are_chosen_without_the_control_of_the_truth(screen: Any) -> None:
    observed = screen.cells({"control": 40, "T4": 20}, seed=7)
    pair = make_pair(screen.cells({"T4": 20}, seed=8), observed)
    means = np.asarray(pair.prediction_control.counts.mean(axis=0)).ravel()
    targets = pair.genes == "T4"
    np.testing.assert_array_equal(pair.gated, (means >= 0.1) & ~targets)


def test_a_gene_high_in_perturbed_cells_only_is_not_scored(
    oracle: anndata.AnnData, observed: anndata.AnnData
) -> None:
    """Trap: gating on the perturbed side selects genes by the noise that is then scored."""
    loud = observed.copy()
    values = loud.X.toarray()
    values[(loud.obs.perturbation != "control").to_numpy(), -1] = 5
    loud.X = values
    assert not make_pair(oracle, loud).gated[-1]


def test_prediction_and_truth_are_referred_to_different_control_cells(
    oracle: anndata.AnnData, observed: anndata.AnnData, train: anndata.AnnData
) -> None:
    pair = make_pair(oracle, observed, train)
    assert (pair.prediction_control.n_cells, pair.truth_control.n_cells) == (150, 150)
    assert pair.prediction_control.counts.sum() == train[:150].X.sum()
    alone = make_pair(oracle, observed)
    assert (alone.prediction_control.n_cells, alone.truth_control.n_cells) == (75, 75)
    both = alone.prediction_control.counts.sum() + alone.truth_control.counts.sum()
    assert both == observed[:150].X.sum()
    assert any("split into halves" in note for note in alone.notes)


def test_predicted_controls_are_left_out_of_use(
    screen: Any, oracle: anndata.AnnData, observed: anndata.AnnData, train: anndata.AnnData
) -> None:
    """Trap: predicted controls can be twisted so that effects look right."""
    extra = anndata.concat([oracle, screen.cells({"control": 30}, seed=9)])
    pair = make_pair(extra, observed, train)
    assert (pair.predicted.counts != make_pair(oracle, observed, train).predicted.counts).nnz == 0
    assert any("predicted control" in note for note in pair.notes)


def test_totals_are_the_denominator_only_where_every_side_has_them(screen: Any) -> None:
    numbers = {"control": 40, "T4": 20}
    sides = [screen.cells(numbers, seed, rest=True) for seed in (1, 2, 3)]
    pair = make_pair(sides[0], sides[1], sides[2])
    assert pair.has_rest
    np.testing.assert_array_equal(
        pair.observed.library, sides[1].obs["total_counts"].to_numpy()[40:]
    )
    del sides[0].obs["total_counts"]
    panel = make_pair(sides[0], sides[1], sides[2])
    assert not panel.has_rest
    np.testing.assert_allclose(panel.observed.library, panel.observed.counts.sum(axis=1).A1)
    assert any("panel sum" in note for note in panel.notes)


def test_target_is_the_median_library_of_the_training_controls_unless_given(
    oracle: anndata.AnnData, observed: anndata.AnnData, train: anndata.AnnData
) -> None:
    expected = np.median(np.asarray(train[:150].X.sum(axis=1)).ravel())
    assert make_pair(oracle, observed, train).target == expected
    assert make_pair(oracle, observed, train, target=1e4).target == 1e4


def test_a_copy_of_the_truth_is_recognised(
    observed: anndata.AnnData, train: anndata.AnnData
) -> None:
    pair = make_pair(observed, observed, train)
    assert COPY in pair.notes
    assert pair.prediction_control is pair.truth_control
    assert pair.controls.n_cells == 300


def test_without_control_cells_or_scorable_genes_the_pair_is_refused(
    screen: Any, oracle: anndata.AnnData, observed: anndata.AnnData
) -> None:
    with pytest.raises(DataError, match="no control"):
        make_pair(oracle, observed[observed.obs.perturbation != "control"].copy())
    with pytest.raises(DataError, match="0 perturbations"):
        make_pair(screen.cells({"control": 5}, 1), screen.cells({"control": 9}, 2))
    few = [*screen.genes[:6], "G50", "G51"]
    with pytest.raises(DataError, match="0 of 8 genes"):
        make_pair(oracle[:, few].copy(), observed[:, few].copy())
