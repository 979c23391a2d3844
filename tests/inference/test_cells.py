from __future__ import annotations

import numpy as np
import pytest
import torch

from gpjepa.inference.cells import CellTable, tables_joined


def test_cells_become_dense_in_the_order_asked_for(table) -> None:
    index = np.array([7, 0, 7])
    counts, library = table.dense(index)
    np.testing.assert_array_equal(counts.numpy(), table.counts.toarray()[index])
    np.testing.assert_array_equal(library.numpy(), table.library[index])
    assert counts.dtype == library.dtype == torch.float32


@pytest.mark.parametrize(
    "index", [slice(3, 9), slice(0, 0), slice(30, 99), slice(None), slice(2, 20, 5), slice(9, 3)]
)
def test_neighbours_are_the_cells_of_the_same_indices_in_own_memory(table, index: slice) -> None:
    rows = np.arange(len(table))[index]
    (found, library), (expected, totals) = table.sparse(index), table.sparse(rows)
    assert found.shape == expected.shape
    for part in ("starts", "gene", "value"):
        assert torch.equal(getattr(found, part), getattr(expected, part))
        assert getattr(found, part).dtype == getattr(expected, part).dtype
    assert torch.equal(library, totals)
    assert torch.equal(table.dense(index)[0], table.dense(rows)[0])
    assert not np.shares_memory(found.value.numpy(), table.counts.data)
    assert not np.shares_memory(found.gene.numpy(), table.counts.indices)


def test_batches_show_every_cell_once_and_in_order(table) -> None:
    batches = list(table.batches(size=15))
    assert [len(counts) for counts, _ in batches] == [15, 15, 10]
    counts, library = (torch.cat(part).numpy() for part in zip(*batches, strict=True))
    np.testing.assert_array_equal(counts, table.counts.toarray())
    np.testing.assert_array_equal(library, table.library)


def test_taken_cells_keep_counts_and_library_together(table) -> None:
    index = np.array([3, 1])
    taken = table.take(index)
    assert len(taken) == 2
    np.testing.assert_array_equal(taken.counts.toarray(), table.counts.toarray()[index])
    np.testing.assert_array_equal(taken.library, table.library[index])


def test_no_cells_give_no_batches(table) -> None:
    assert list(table.take(np.array([], dtype=int)).batches()) == []


def test_tables_are_stacked_in_order(table) -> None:
    parts = [table.take(np.arange(3)), table.take(np.arange(3, 10))]
    whole = tables_joined(parts)
    assert np.array_equal(whole.counts.toarray(), table.counts[:10].toarray())
    assert np.array_equal(whole.library, table.library[:10])
    assert tables_joined([table]) is table
    assert isinstance(whole, CellTable)
