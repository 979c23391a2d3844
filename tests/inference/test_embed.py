from __future__ import annotations

import numpy as np
import pytest
import torch

from gpjepa.core.errors import DataError
from gpjepa.data.cells import Cells, align_genes
from gpjepa.inference.embed import embed_cells


@pytest.fixture
def cells(bundle, table) -> Cells:
    names = np.array([f"cell{i}" for i in range(len(table))], dtype=object)
    genes = np.array(bundle.panel.names, dtype=object)
    return Cells(table.counts, genes, names, table.library, True)


def test_an_embedding_is_what_the_teacher_makes_of_each_cell(bundle, cells) -> None:
    counts = torch.from_numpy(cells.counts.toarray())
    library = torch.from_numpy(cells.library).float()
    latent = embed_cells(bundle.teacher, cells)
    assert latent.dtype == np.float32
    np.testing.assert_allclose(latent, bundle.teacher(counts, library).numpy(), atol=1e-6)
    assert latent.std(axis=0).min() > 0.0


def test_shuffled_genes_with_matching_names_give_the_same_embedding(bundle, cells) -> None:
    order = np.random.default_rng(1).permutation(cells.n_genes)
    shuffled = Cells(
        cells.counts[:, order], cells.genes[order], cells.cells, cells.library, cells.has_rest
    )
    expected = embed_cells(bundle.teacher, cells)
    aligned = align_genes(shuffled, bundle.panel.names)
    assert np.array_equal(embed_cells(bundle.teacher, aligned), expected)
    assert not np.allclose(embed_cells(bundle.teacher, shuffled), expected)


def test_genes_that_the_model_does_not_know_are_left_out(bundle, cells) -> None:
    from scipy.sparse import hstack

    more = hstack([cells.counts[:, :3], 5 * cells.counts[:, :1], cells.counts[:, 3:]], "csr")
    genes = np.insert(cells.genes, 3, "stranger")
    wider = Cells(more, genes, cells.cells, cells.library, True)
    found = embed_cells(bundle.teacher, align_genes(wider, bundle.panel.names))
    assert np.array_equal(found, embed_cells(bundle.teacher, cells))


def test_a_missing_gene_is_named(bundle, cells) -> None:
    fewer = align_genes(cells, bundle.panel.names[1:])
    with pytest.raises(DataError, match=r"1 of 10 genes are missing from the data \(gene0\)"):
        align_genes(fewer, bundle.panel.names)


def test_cells_embed_alike_alone_and_in_company(bundle, cells) -> None:
    whole = embed_cells(bundle.teacher, cells)
    some = embed_cells(bundle.teacher, cells.subset(np.array([4, 9])))
    np.testing.assert_allclose(some, whole[[4, 9]], atol=1e-6)


def test_no_cells_give_an_empty_embedding_of_the_right_width(bundle, cells) -> None:
    empty = cells.subset(np.array([], dtype=int))
    assert embed_cells(bundle.teacher, empty).shape == (0, bundle.teacher.latent)
