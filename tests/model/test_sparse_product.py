from __future__ import annotations

import pytest
import torch
from torch import Tensor

from gpjepa.model.kernels import SWITCH
from gpjepa.model.sparse_counts import SparseCounts, sparse_of
from gpjepa.model.sparse_product import GENES, centred_product, product


@pytest.fixture(params=["compiled", "plain"])
def loops(request, monkeypatch) -> str:
    if request.param == "plain":
        monkeypatch.setenv(SWITCH, "plain")
    return request.param


def made(rows: int, genes: int, width: int) -> tuple[SparseCounts, Tensor]:
    """Rows without entries, with one, and with up to a third of the genes."""
    generator = torch.Generator().manual_seed(rows)
    share = torch.rand((rows, 1), generator=generator) / 3
    dense = torch.randn((rows, genes), generator=generator)
    dense *= torch.rand((rows, genes), generator=generator) < share
    dense[0], dense[1, 1:] = 0.0, 0.0
    dense[1, 0] = 2.0
    return sparse_of(dense), torch.randn((genes, width), generator=generator)


@pytest.mark.parametrize(("rows", "genes", "width"), [(2, 3, 1), (37, 2 * GENES + 5, 24)])
def test_product_and_gradient_are_those_of_the_dense_rows(loops, rows, genes, width) -> None:
    sparse, table = made(rows, genes, width)
    table.requires_grad_()
    weight = torch.randn((rows, width), generator=torch.Generator().manual_seed(1))
    found, expected = product(sparse, table), sparse.dense().double() @ table.double()
    torch.testing.assert_close(found.double(), expected, rtol=1e-5, atol=1e-5)
    one, other = (torch.autograd.grad((x * weight).sum(), table)[0] for x in (found, expected))
    torch.testing.assert_close(one, other, rtol=1e-5, atol=1e-5)


def test_dense_rows_are_multiplied_as_they_are() -> None:
    sparse, table = made(5, 40, 3)
    assert torch.equal(product(sparse.dense(), table), sparse.dense() @ table)


@pytest.mark.parametrize("share", [1.0, 0.0, "rows"])
@pytest.mark.parametrize(("rows", "genes", "width"), [(2, 3, 1), (37, 2 * GENES + 5, 24)])
def test_a_centred_product_and_its_gradient_are_the_dense_ones(
    loops, share, rows, genes, width
) -> None:
    sparse, table = made(rows, genes, width)
    weight, generator = table.t().contiguous().requires_grad_(), torch.Generator().manual_seed(2)
    centre = torch.randn(genes, generator=generator)
    if share == "rows":
        share = torch.rand((rows, 1), generator=generator)
    down = torch.randn((rows, width), generator=generator)
    taken = sparse.dense().double() - share * centre.double()
    found, expected = centred_product(sparse, weight, centre, share), taken @ weight.double().t()
    torch.testing.assert_close(found.double(), expected, rtol=1e-5, atol=2e-5)
    one, other = (torch.autograd.grad((x * down).sum(), weight)[0] for x in (found, expected))
    torch.testing.assert_close(one, other, rtol=1e-5, atol=2e-5)


def test_a_transposed_table_and_a_transposed_gradient_go_through(loops) -> None:
    sparse, table = made(20, 60, 8)
    weight = table.t().contiguous().requires_grad_()
    turned = torch.randn((8, 20), generator=torch.Generator().manual_seed(1)).t()
    product(sparse, weight.t()).backward(turned)
    torch.testing.assert_close(weight.grad, turned.t() @ sparse.dense(), rtol=1e-5, atol=1e-5)


def test_genes_may_stand_in_any_order(loops) -> None:
    sparse, table = made(12, 50, 4)
    gene, value = sparse.gene.clone(), sparse.value.clone()
    for row in range(12):
        own = slice(int(sparse.starts[row]), int(sparse.starts[row + 1]))
        gene[own], value[own] = gene[own].flip(0), value[own].flip(0)
    turned = SparseCounts(sparse.starts, gene, value, sparse.genes)
    torch.testing.assert_close(product(turned, table), product(sparse, table))


def test_no_digit_depends_on_the_threads_nor_on_the_other_rows() -> None:
    sparse, table = made(70, 3 * GENES, 16)
    table.requires_grad_()
    before, found = torch.get_num_threads(), []
    try:
        for threads in (1, 3):
            torch.set_num_threads(threads)
            out, weight = product(sparse, table), table.detach().t().contiguous().requires_grad_()
            other = centred_product(sparse, weight, table[:, 0].detach())
            slopes = torch.autograd.grad(out.square().sum() + other.square().sum(), [table, weight])
            found.append((out, other, *slopes))
    finally:
        torch.set_num_threads(before)
    for one, other in zip(*found, strict=True):
        assert torch.equal(one, other)
    assert torch.equal(product(sparse.below(50), table), found[0][0][50:])


def test_functional_transforms_go_through() -> None:
    sparse, table = made(6, 20, 3)
    found = torch.func.grad(lambda x: product(sparse, x).sum())(table)
    expected = sparse.dense().sum(dim=0).unsqueeze(1).expand(20, 3)
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-5)
