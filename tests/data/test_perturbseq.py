import time
from pathlib import Path

import numpy as np
import pytest
from anndata import AnnData
from pandas import DataFrame
from scipy import sparse

from gpjepa.core.errors import DataError
from gpjepa.data.labels import CONTROL
from gpjepa.data.perturbseq import read


def test_reading_binds_every_role(make) -> None:
    adata = make(("ctrl", "A+ctrl", "B+A"), per_label=2, column="Condition")
    adata.obs["total_counts"] = 50.0
    adata.obs["lane"] = ["x", "y"] * 3
    adata.obs["cell_type"] = ["T", "B"] * 3
    adata.obs["dose"] = [np.nan, np.nan, 1, 1, 2, 2]
    data = read(adata, batch="lane", dose="dose", announce=False)
    assert list(data.labels) == [CONTROL] * 2 + ["A"] * 2 + ["A+B"] * 2
    assert data.perturbations == ("A", "A+B")
    assert data.members == ("A", "B")
    assert list(data.is_control) == [True] * 2 + [False] * 4
    assert data.has_rest
    assert set(data.library) == {50.0}
    assert list(data.batch) == ["x", "y"] * 3
    assert list(data.cell_type) == ["T", "B"] * 3
    assert list(data.dose) == [0, 0, 1, 1, 2, 2]
    assert (data.roles.perturbation, data.roles.library) == ("Condition", "total_counts")


def test_what_was_chosen_goes_to_stderr(adata, capsys) -> None:
    read(adata)
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "perturbation: column 'perturbation'\ncontrol: 'control'\ncounts: X" in captured.err
    read(adata, announce=False)
    assert capsys.readouterr().err == ""


def test_empty_cells_and_lone_labels_are_reported_and_not_fatal(adata, capsys) -> None:
    adata.X[9, :] = 0
    adata.obs["perturbation"] = [*adata.obs["perturbation"][:-1], "Z"]
    data = read(adata)
    assert data.notes == (
        "cells without any count: 1 (first: 'cell9')",
        "labels with one cell: 1 (first: 'Z')",
    )
    assert "note: labels with one cell: 1 (first: 'Z')" in capsys.readouterr().err
    assert data.library[9] == 0


def test_perturbed_genes_that_no_gene_is_named_like_are_reported(adata) -> None:
    adata.var_names = [f"ENSG{row:011d}" for row in range(adata.n_vars)]
    assert "genes are named by Ensembl ids" in read(adata, announce=False).notes[-1]


def test_a_total_that_is_the_panel_sum_is_no_library_column(adata) -> None:
    adata.obs["n_counts"] = np.asarray(adata.X.sum(axis=1)).ravel()
    data = read(adata, announce=False)
    assert not data.has_rest
    assert data.roles.library is None


def test_reading_does_not_change_its_input(adata) -> None:
    before = adata.copy()
    data = read(adata, announce=False)
    data.counts.data[:] = 0
    assert (adata.X != before.X).nnz == 0
    assert adata.obs.equals(before.obs)


@pytest.mark.parametrize("suffix", ["h5ad", "zarr"])
def test_a_file_reads_as_its_object(adata, tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"F.{suffix}"
    getattr(adata, f"write_{suffix}")(path)
    assert (
        read(path, announce=False).fingerprint()
        == read(str(path), announce=False).fingerprint()
        == read(adata, announce=False).fingerprint()
    )


def test_to_anndata_reads_back_as_the_same_data(make) -> None:
    adata = make()
    adata.obs["total_counts"] = 70
    adata.obs["batch"] = ["x", "y"] * 27
    data = read(adata, announce=False)
    again = read(data.to_anndata(), announce=False)
    assert again.fingerprint() == data.fingerprint()
    assert np.array_equal(again.library, data.library)
    assert list(again.batch) == list(data.batch)
    assert again.has_rest


def test_to_anndata_is_a_copy(data) -> None:
    before = data.fingerprint()
    adata = data.to_anndata()
    adata.X.data[:] = 0
    assert data.fingerprint() == before


def test_subset_keeps_cells_aligned_with_all_they_carry(data) -> None:
    rows = np.array([20, 3, 40])
    part = data.subset(rows)
    assert list(part.cells) == ["cell20", "cell3", "cell40"]
    assert list(part.labels) == list(data.labels[rows])
    assert np.array_equal(part.counts.toarray(), data.counts.toarray()[rows])
    assert list(part.obs.index) == list(part.cells)
    assert np.array_equal(part.library, data.library[rows])


def test_select_genes_follows_the_order_asked_for(data) -> None:
    part = data.select_genes(["C", "A"])
    assert np.array_equal(part.counts.toarray(), data.counts.toarray()[:, [2, 0]])
    assert part.counts.has_sorted_indices
    assert np.array_equal(part.library, part.counts.toarray().sum(axis=1))


def test_select_genes_leaves_the_library_of_data_with_a_rest(adata) -> None:
    adata.obs["total_counts"] = 99
    data = read(adata, announce=False)
    assert set(data.select_genes(["A"]).library) == {99.0}


def test_select_genes_names_what_is_missing(data) -> None:
    with pytest.raises(DataError, match=r"1 of 2 genes are missing from the data \(KLF1\)"):
        data.select_genes(["A", "KLF1"])


def test_the_fingerprint_sees_counts_labels_and_names(data) -> None:
    prints = {data.fingerprint(), data.subset(np.arange(data.n_cells)).fingerprint()}
    assert len(prints) == 1
    counts = data.counts.copy()
    counts.data[0] += 1
    labels = data.labels.copy()
    labels[-1] = "D"
    names = data.cells.copy()
    names[0] = "other"
    from dataclasses import replace

    for changed in ({"counts": counts}, {"labels": labels}, {"cells": names}):
        prints.add(replace(data, **changed).fingerprint())
    assert len(prints) == 4


def test_a_covariate_is_found_by_role_and_by_column(make) -> None:
    adata = make()
    adata.obs["gemgroup"] = ["1", "2"] * 27
    adata.obs["lane"] = ["a"] * 54
    data = read(adata, announce=False)
    assert list(data.covariate("batch")) == list(data.covariate("gemgroup")) == ["1", "2"] * 27
    assert set(data.covariate("lane")) == {"a"}
    with pytest.raises(DataError, match="column 'lanes' is not known .*closest: 'lane'"):
        data.covariate("lanes")


@pytest.mark.parametrize("dtype", [object, "string", "category"])
def test_the_type_of_a_text_column_is_irrelevant(adata, dtype) -> None:
    expected = read(adata, announce=False)
    adata.obs["perturbation"] = adata.obs["perturbation"].astype(dtype)
    adata.obs.index = adata.obs.index.astype("string")
    assert read(adata, announce=False).fingerprint() == expected.fingerprint()


def test_large_sparse_data_are_cut_without_a_dense_copy() -> None:
    rng = np.random.default_rng(0)
    n, g = 20_000, 5_000
    counts = sparse.random(n, g, density=0.02, format="csr", dtype=np.float32, random_state=rng)
    counts.data[:] = 1
    obs = DataFrame(
        {"condition": np.where(np.arange(n) % 10 == 0, "ctrl", "A")},
        index=np.arange(n).astype(str),
    )
    data = read(AnnData(X=counts, obs=obs), announce=False)
    start = time.process_time()
    part = data.subset(rng.permutation(n)[:10_000]).select_genes(list(data.genes[::-2]))
    assert time.process_time() - start < 2.0  # a dense detour takes several times that
    assert part.counts.shape == (10_000, 2_500)
    assert sparse.issparse(part.counts)
