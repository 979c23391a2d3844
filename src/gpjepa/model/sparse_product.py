"""Products of sparse rows with a table of learned numbers."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor
from torch.autograd.function import once_differentiable

from gpjepa.model.kernels import available, blocks, lent, one_by_one, side_by_side
from gpjepa.model.sparse_counts import Counts, SparseCounts, scattered

GENES = 256  # of a block of the table's gradient, at least


def product(rows: Counts, table: Float[Tensor, "G H"]) -> Float[Tensor, "B H"]:
    """Return `rows` [B, G] times `table`; the table alone has a gradient where rows are sparse.

    Genes of a row may be in any order.
    """
    if not isinstance(rows, SparseCounts):
        return rows @ table
    if not available(rows.value, table):
        return scattered(rows.shape, rows.place(), rows.value) @ table
    made: Tensor = _Product.apply(table, rows)
    return made


def centred_product(
    rows: Counts,
    weight: Float[Tensor, "H G"],
    centre: Float[Tensor, " G"],
    share: Float[Tensor, "B 1"] | float = 1.0,
) -> Float[Tensor, "B H"]:
    """Return `rows` [B, G] less `share` times `centre` in each, times the transpose of `weight`.

    Where rows are sparse the weight alone has a gradient.
    """
    if not isinstance(rows, SparseCounts) or not available(rows.value, weight, centre):
        taken = product(rows, weight.t())
        return taken if _none(share) else taken - share * (weight @ centre)
    made: Tensor = _CentredProduct.apply(weight, rows, centre, share)
    return made


def _none(share: Tensor | float) -> bool:
    return isinstance(share, float) and not share


class _Product(torch.autograd.Function):
    """Compiled; differentiable once."""

    @staticmethod
    def forward(ctx: Any, table: Tensor, rows: SparseCounts) -> Tensor:
        """Return the product."""
        ctx.rows = rows
        return _times(rows, table)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None]:
        """Return the gradient in the table."""
        from gpjepa.model.kernels import sparse_products

        out, edges = _room(ctx.rows.genes, grad.shape[1])
        read, write = (*_by_gene(ctx.rows), grad.contiguous().numpy()), out.numpy()
        side_by_side(lambda i: sparse_products.product(*read, *edges[i], write), len(edges))
        return out, None


class _CentredProduct(torch.autograd.Function):
    """Compiled; differentiable once. The gradient lies in memory gene by gene."""

    @staticmethod
    def forward(
        ctx: Any, weight: Tensor, rows: SparseCounts, centre: Tensor, share: Tensor | float
    ) -> Tensor:
        """Return the product."""
        ctx.rows, ctx.centre, ctx.share = rows, centre, share
        out = _times(rows, weight.t())
        return out if _none(share) else out.sub_(share * (weight @ centre))

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None, None, None]:
        """Return the gradient in the weight."""
        from gpjepa.model.kernels import sparse_products

        (out, edges), down = _room(ctx.rows.genes, grad.shape[1]), grad.contiguous()
        off = (down * ctx.share).sum(dim=0).numpy()
        read, write = (*_by_gene(ctx.rows), down.numpy(), ctx.centre.numpy(), off), out.numpy()
        side_by_side(lambda i: sparse_products.slopes(*read, *edges[i], write), len(edges))
        return out.t(), None, None, None


def _times(rows: SparseCounts, table: Tensor) -> Tensor:
    """Return rows times table, in blocks of rows."""
    from gpjepa.model.kernels import sparse_products

    own, cells = lent(table), rows.shape[0]
    out, edges = torch.empty((cells, own.shape[1])), one_by_one(cells)
    read, write = (*rows.arrays(), rows.value.numpy(), own), out.numpy()
    side_by_side(lambda i: sparse_products.product(*read, *edges[i], write), len(edges))
    return out


def _room(genes: int, width: int) -> tuple[Tensor, list[tuple[int, int]]]:
    """Return memory for a gradient and the blocks of genes that it is made in, gene by gene."""
    size = max(GENES, -(-genes // torch.get_num_threads()))
    return torch.empty((genes, width)), blocks(genes, size=size)


def _by_gene(rows: SparseCounts) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the same entries gene by gene: where each begins, cells and values."""
    from gpjepa.model.kernels import sparse_products

    starts, places = rows.arrays()
    stops, cells = np.zeros(rows.genes + 1, np.int64), np.empty(len(places), np.int32)
    values = np.empty(len(places), np.float32)
    sparse_products.turned(starts, places, rows.value.numpy(), stops, cells, values)
    return stops, cells, values
