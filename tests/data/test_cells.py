import numpy as np
import pytest

from gpjepa.core.errors import DataError
from gpjepa.data.cells import align_genes, read_cells, row_indices


def test_cells_need_no_perturbation_column(adata) -> None:
    del adata.obs["perturbation"]
    cells = read_cells(adata)
    assert (cells.n_cells, cells.n_genes) == adata.shape
    assert np.array_equal(cells.counts.toarray(), adata.X.toarray())
    assert not cells.has_rest


def test_genes_are_matched_by_name_in_any_order_and_extra_ones_left_out(adata) -> None:
    genes = list(adata.var_names[:5])
    straight = align_genes(read_cells(adata), genes)
    shuffled = align_genes(read_cells(adata[:, ::-1].copy()), genes)
    assert np.array_equal(straight.counts.toarray(), shuffled.counts.toarray())
    assert list(shuffled.genes) == genes
    assert np.array_equal(straight.counts.toarray(), adata.X.toarray()[:, :5])


def test_the_library_follows_the_genes_only_without_a_rest(adata) -> None:
    genes = list(adata.var_names[:2])
    assert np.array_equal(
        align_genes(read_cells(adata), genes).library, adata.X.toarray()[:, :2].sum(axis=1)
    )
    adata.obs["total_counts"] = 100
    assert set(align_genes(read_cells(adata), genes).library) == {100.0}


def test_missing_genes_are_named(adata) -> None:
    genes = [*adata.var_names, "KLF1", "SET"]
    with pytest.raises(DataError, match=r"2 of 9 genes are missing from the data \(KLF1, SET\)"):
        align_genes(read_cells(adata), genes)


def test_a_gene_asked_for_twice_and_no_gene_are_refused(adata) -> None:
    cells = read_cells(adata)
    with pytest.raises(DataError, match="asked for twice"):
        align_genes(cells, ["A", "A"])
    with pytest.raises(DataError, match="0 genes were asked for"):
        align_genes(cells, [])


def test_a_mask_and_its_indices_choose_the_same_cells(adata) -> None:
    cells = read_cells(adata)
    mask = np.arange(cells.n_cells) % 3 == 0
    by_mask, by_index = cells.subset(mask), cells.subset(np.flatnonzero(mask))
    assert list(by_mask.cells) == list(by_index.cells) == list(adata.obs_names[mask])
    assert np.array_equal(by_mask.library, cells.library[mask])


def test_a_mask_of_another_length_and_an_index_out_of_range_are_refused() -> None:
    with pytest.raises(DataError, match=r"mask has shape \(2,\); expected \(3,\)"):
        row_indices(np.array([True, False]), 3)
    with pytest.raises(DataError, match="cell index 3 is out of range; expected 0 to 2"):
        row_indices(np.array([0, 3]), 3)


def test_duplicated_names_are_refused(adata) -> None:
    cells = adata.copy()
    cells.obs_names = ["cell0", "cell0", *cells.obs_names[2:]]
    with pytest.raises(DataError, match="1 cell name occurs more than once .*'cell0'"):
        read_cells(cells)
    genes = adata.copy()
    genes.var_names = ["A", "A", *genes.var_names[2:]]
    with pytest.raises(DataError, match="1 gene name occurs more than once .*'A'"):
        read_cells(genes)


def test_zero_cells_and_zero_genes_are_refused(adata) -> None:
    with pytest.raises(DataError, match="0 cells; expected at least one"):
        read_cells(adata[:0].copy())
    with pytest.raises(DataError, match="0 genes; expected at least one"):
        read_cells(adata[:, :0].copy())
