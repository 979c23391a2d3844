"""Thinned cells are looked up among full-depth ones; a good space finds their kind."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from anndata import AnnData
from scipy import sparse

from gpjepa.data.perturbseq import PerturbSeq, read
from gpjepa.evaluation.depth import DEPTH_METRICS, SHARES, depth_rows, nearest, thin_cells
from gpjepa.evaluation.report_table import COLUMNS


def _cells(seed: int, number: int) -> PerturbSeq:
    rng = np.random.default_rng(seed)
    profiles = np.random.default_rng(0).dirichlet(np.full(40, 2.0), size=3)
    kind = rng.integers(0, 3, number)
    rate = profiles[kind] * 400
    obs = pd.DataFrame(
        {
            "perturbation": np.where(np.arange(number) % 4 == 0, "A", "control"),
            "cell_type": np.array(["x", "y", "z"])[kind],
            "total_counts": 800.0,
        },
        index=[f"s{seed}c{index}" for index in range(number)],
    )
    adata = AnnData(sparse.csr_matrix(rng.poisson(rate).astype(np.float32)), obs=obs)
    adata.var_names = [f"g{index}" for index in range(40)]
    return read(adata, cell_type="cell_type", announce=False)


@pytest.fixture(scope="module")
def rows() -> pd.DataFrame:
    training, queries = _cells(1, 200), _cells(2, 80)
    signal = np.log1p(np.random.default_rng(3).normal(size=(40, 5)) ** 2)

    def embed(cells: PerturbSeq) -> np.ndarray:
        return cells.counts.toarray() / cells.library[:, None] @ signal

    return depth_rows(embed, training, queries, 400.0, "ours", 0)


def _of(rows: pd.DataFrame, metric: str, model: str) -> float:
    return rows[(rows["metric"] == metric) & (rows["model"] == model)]["value"].item()


def test_every_metric_has_a_row_for_the_embedding_and_each_reference(rows: pd.DataFrame) -> None:
    assert list(rows.columns) == list(COLUMNS)
    assert set(rows["metric"]) == {metric.name for metric in DEPTH_METRICS}
    assert set(rows["model"]) == {"ours", "PCA", "HVG", "multinomial mixture"}
    assert len(rows) == 4 * len(DEPTH_METRICS)
    assert (rows["axis"] == "representation").all()


def test_whole_cells_keep_the_neighbours_that_define_the_truth(rows: pd.DataFrame) -> None:
    assert _of(rows, "depth_overlap_100", "PCA") == 1.0
    overlaps = [_of(rows, f"depth_overlap_{100 * share:.0f}", "PCA") for share in SHARES]
    assert (np.diff(overlaps) < 0).all()
    assert overlaps[-1] > rows["floor"].min()


def test_types_are_found_at_full_depth_and_less_often_in_shallow_cells(rows: pd.DataFrame) -> None:
    for model in ("PCA", "HVG", "multinomial mixture"):
        assert _of(rows, "depth_knn_100", model) > 0.9
        assert _of(rows, "depth_knn_10", model) <= _of(rows, "depth_knn_100", model)
        assert _of(rows, "depth_knn_10", model) > 0.4


def test_a_collapsed_embedding_gains_nothing_by_agreeing_with_itself() -> None:
    training, queries = _cells(1, 200), _cells(2, 80)
    found = depth_rows(lambda cells: np.zeros((cells.n_cells, 3)), training, queries, 400.0, "o", 0)
    assert _of(found, "depth_overlap_10", "o") < 0.2


def test_without_types_only_neighbourhoods_are_compared() -> None:
    plain = [replace(_cells(seed, 60), cell_type=None) for seed in (1, 2)]
    found = depth_rows(lambda cells: cells.counts.toarray(), *plain, 400.0, "o", 0)
    assert not found["metric"].str.startswith("depth_knn").any()


def test_thinning_takes_the_same_share_of_panel_and_rest() -> None:
    cells = _cells(1, 200)
    few = thin_cells(cells, 0.25, np.random.default_rng(0))
    assert few.library.sum() == pytest.approx(0.25 * cells.library.sum(), rel=0.02)
    assert few.counts.sum() == pytest.approx(0.25 * cells.counts.sum(), rel=0.02)
    assert (few.library >= few.counts.sum(axis=1).A1).all()
    assert few.counts.max() <= cells.counts.max()


def test_nearest_cells_are_those_of_a_sorted_distance_table() -> None:
    rng = np.random.default_rng(0)
    known, queries = rng.normal(size=(30, 3)), rng.normal(size=(5, 3))
    order = np.linalg.norm(queries[:, None] - known[None], axis=-1).argsort(1)[:, :4]
    np.testing.assert_array_equal(nearest(known, queries, 4), order)
