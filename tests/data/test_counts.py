from pathlib import Path

import anndata
import numpy as np
import pytest
from anndata import AnnData
from pandas import DataFrame
from scipy import sparse

from gpjepa.core.errors import DataError
from gpjepa.data.counts import find_fault, genes_at, raw_counts, to_csr


def normalised(counts: np.ndarray) -> np.ndarray:
    return counts / counts.sum(axis=1, keepdims=True) * 1e4


@pytest.fixture
def counts(adata) -> np.ndarray:
    return adata.X.toarray()


@pytest.mark.parametrize(
    "form",
    [
        np.asarray,
        sparse.csr_matrix,
        sparse.csc_matrix,
        sparse.coo_matrix,
        sparse.csr_array,
        sparse.csc_array,
    ],
)
@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.int32, np.uint16])
def test_every_form_and_type_gives_the_same_counts(counts, form, dtype) -> None:
    matrix = form(counts.astype(dtype))
    found = to_csr(matrix)
    assert isinstance(found, sparse.csr_matrix)
    assert np.array_equal(found.toarray(), counts)


@pytest.mark.parametrize("form", [np.asarray, sparse.csr_matrix, sparse.csc_matrix])
@pytest.mark.parametrize("suffix", ["h5ad", "zarr"])
def test_a_file_gives_the_same_counts(adata, counts, form, suffix, tmp_path: Path) -> None:
    path = tmp_path / f"F.{suffix}"
    adata.X = form(counts)
    if suffix == "h5ad":
        adata.write_h5ad(path)
        opened = anndata.read_h5ad(path, backed="r")
    else:
        adata.write_zarr(path)
        opened = anndata.read_zarr(path)
    found, source = raw_counts(opened)
    assert source == "X"
    assert np.array_equal(found.toarray(), counts)


def test_a_view_of_cells_gives_their_counts(adata, counts) -> None:
    found, _ = raw_counts(adata[5:9])
    assert np.array_equal(found.toarray(), counts[5:9])


def test_counts_are_an_own_sorted_copy_without_stored_zeros(adata) -> None:
    matrix = sparse.csr_matrix(
        (np.array([0.0, 2.0, 1.0], np.float32), np.array([3, 2, 0]), np.array([0, 3])), shape=(1, 7)
    )
    found, _ = raw_counts(AnnData(X=matrix, var=DataFrame(index=adata.var_names)))
    assert found.dtype == np.float32
    assert list(found.indices) == [0, 2]
    assert list(found.data) == [1.0, 2.0]
    found.data[:] = 9
    assert matrix.nnz == 3
    assert matrix.data.max() == 2


def test_the_counts_layer_comes_before_x(adata, counts) -> None:
    adata.layers["counts"] = sparse.csr_matrix(counts + 1)
    found, source = raw_counts(adata)
    assert source == "counts"
    assert np.array_equal(found.toarray(), counts + 1)


def test_the_given_layer_comes_before_all(adata, counts) -> None:
    adata.layers["counts"] = counts + 1
    adata.layers["umi"] = counts + 2
    assert raw_counts(adata, "umi")[0].max() == counts.max() + 2
    assert raw_counts(adata, "X")[0].max() == counts.max()


def test_raw_stands_in_for_scaled_values_with_its_own_genes(adata, counts) -> None:
    adata.raw = adata.copy()
    few = adata[:, 2:5].copy()
    few.X = (few.X.toarray() - 1.3) / 0.7
    found, source = raw_counts(few)
    assert source == "raw.X"
    assert np.array_equal(found.toarray(), counts)
    assert list(genes_at(few, source)) == list(adata.var_names)


def test_x_stands_in_for_a_counts_layer_that_is_normalised(adata, counts) -> None:
    adata.layers["counts"] = normalised(counts)
    assert raw_counts(adata)[1] == "X"


def test_log_normalised_values_are_refused_naming_the_fix(adata, counts) -> None:
    adata.X = np.log1p(normalised(counts))
    expected = (
        r"X looks log-normalised \(log1p, 10000 per cell\) \(first: .* in cell 'cell0', "
        r"gene 'A'\); expected raw counts .*; store the raw counts in layers\['counts'\]"
    )
    with pytest.raises(DataError, match=expected):
        raw_counts(adata)


def test_another_layer_that_holds_counts_is_suggested(adata, counts) -> None:
    adata.layers["umi"] = counts.copy()
    adata.X = np.log1p(normalised(counts))
    with pytest.raises(DataError, match=r"layers\['umi'\] holds integers: pass layer='umi'"):
        raw_counts(adata)


def test_scaled_values_are_called_scaled(adata, counts) -> None:
    adata.X = (counts - counts.mean(axis=0)) / counts.std(axis=0)
    with pytest.raises(DataError, match=r"X looks scaled \(z-scores: negative and fractional"):
        raw_counts(adata)


def test_normalised_values_without_log_are_called_normalised(adata, counts) -> None:
    adata.X = normalised(counts)
    with pytest.raises(DataError, match=r"X looks normalised \(10000 per cell\)"):
        raw_counts(adata)


def test_a_negative_count_names_its_cell_and_gene(adata, counts) -> None:
    counts[4, 2] = -3
    adata.X = counts
    with pytest.raises(DataError, match=r"1 value negative \(first: -3 in cell 'cell4', gene 'C'"):
        raw_counts(adata)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_value_that_is_not_finite_names_its_cell_and_gene(adata, counts, value) -> None:
    counts[4, 2] = counts[6, 1] = value
    adata.X = sparse.csc_matrix(counts)
    expected = r"X has 2 values NaN or infinite \(first: (nan|inf) in cell 'cell4', gene 'C'"
    with pytest.raises(DataError, match=expected):
        raw_counts(adata)


def test_a_damaged_counts_layer_is_not_passed_over(adata, counts) -> None:
    damaged = counts.copy()
    damaged[1, 1] = np.nan
    adata.layers["counts"] = damaged
    with pytest.raises(DataError, match=r"layers\['counts'\] has 1 value NaN"):
        raw_counts(adata)


def test_counts_that_float32_cannot_hold_are_refused(adata, counts) -> None:
    counts = counts.astype(np.float64)
    counts[3, 1] = 2**24 + 1
    adata.X = counts
    with pytest.raises(DataError, match="counts above 16777216 .*cell 'cell3', gene 'B'"):
        raw_counts(adata)


def test_a_layer_that_is_not_there_is_named_with_the_closest(adata) -> None:
    adata.layers["counts"] = adata.X.copy()
    with pytest.raises(DataError, match="layer 'count' is not known .*closest: 'counts'"):
        raw_counts(adata, "count")


def test_data_without_a_matrix_are_refused(adata) -> None:
    with pytest.raises(DataError, match="the data hold no matrix; expected raw counts"):
        raw_counts(AnnData(obs=adata.obs))


def test_all_zero_counts_are_counts(adata) -> None:
    empty = sparse.csr_matrix(adata.shape, dtype=np.float32)
    assert find_fault(empty, adata.obs_names, adata.var_names) is None
