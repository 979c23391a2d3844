from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.sparse import csr_matrix

from gpjepa.model.kernels import SWITCH
from gpjepa.model.sparse_counts import SparseCounts, csr_of, joined, positive, sparse_of

DENSE = torch.tensor([[0.0, 2.0, 0.0], [0.0, 0.0, 0.0], [1.0, 0.0, 7.0]])
SPARSE = SparseCounts(
    torch.tensor([0, 1, 1, 3]), torch.tensor([1, 0, 2]).int(), torch.tensor([2.0, 1.0, 7.0]), 3
)


@pytest.fixture(params=["compiled", "plain"], autouse=True)
def loops(request, monkeypatch) -> None:
    if request.param == "plain":
        monkeypatch.setenv(SWITCH, "plain")


def test_dense_counts_hold_the_zeros() -> None:
    assert torch.equal(SPARSE.dense(), DENSE)
    assert SPARSE.shape == (3, 3)
    assert torch.equal(SPARSE.spread(-SPARSE.value), -DENSE)


def test_positive_counts_are_found_in_both_forms() -> None:
    for one, other in zip(positive(SPARSE), positive(DENSE), strict=True):
        assert torch.equal(one, other)


def test_tables_are_joined_below_each_other() -> None:
    assert torch.equal(joined(SPARSE, SPARSE, SPARSE).dense(), torch.cat((DENSE, DENSE, DENSE)))


def test_dense_counts_lose_their_zeros() -> None:
    found = sparse_of(DENSE)
    assert torch.equal(found.starts, SPARSE.starts)
    assert torch.equal(found.gene, SPARSE.gene)
    assert torch.equal(found.value, SPARSE.value)
    assert found.shape == SPARSE.shape


def test_counts_become_int32_csr_without_zeros() -> None:
    lost = SparseCounts(SPARSE.starts, SPARSE.gene, torch.tensor([2.0, 0.0, 7.0]), 3)
    found = csr_of(lost)
    assert torch.equal(SPARSE.dense(), DENSE)
    assert found.dtype == np.int32
    assert found.has_sorted_indices
    assert found.nnz == 2
    assert (found != csr_matrix([[0, 2, 0], [0, 0, 0], [0, 0, 7]])).nnz == 0


def test_cells_from_one_on_are_cut_off_those_before() -> None:
    for first in range(4):
        assert torch.equal(SPARSE.below(first).dense(), DENSE[first:])
