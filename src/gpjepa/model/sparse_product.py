"""Products of sparse rows with a table of learned numbers."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor
from torch.autograd.function import once_differentiable

from gpjepa.model.kernels import ROWS, available, blocks, side_by_side
from gpjepa.model.sparse_counts import Counts, SparseCounts, scattered

GENES = 256  # of a block of the table's gradient


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


class _Product(torch.autograd.Function):
    """Compiled; differentiable once."""

    @staticmethod
    def forward(ctx: Any, table: Tensor, rows: SparseCounts) -> Tensor:
        """Return the product."""
        # a copy: FSDP cannot give back a parameter that numpy holds
        own = table.detach().clone(memory_format=torch.contiguous_format)
        ctx.rows, ctx.table_shape = rows, table.shape
        return _times(*rows.arrays(), rows.value.numpy(), own, rows.shape[0], ROWS)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None]:
        """Return the gradient in the table."""
        from gpjepa.model.kernels import sparse_products

        rows, genes = ctx.rows, ctx.table_shape[0]
        starts, places = rows.arrays()
        stops, cells = np.zeros(genes + 1, np.int64), np.empty(len(places), np.int32)
        values = np.empty(len(places), np.float32)
        sparse_products.turned(starts, places, rows.value.numpy(), stops, cells, values)
        return _times(stops, cells, values, grad.contiguous(), genes, GENES), None


def _times(
    starts: np.ndarray,
    places: np.ndarray,
    values: np.ndarray,
    table: Tensor,
    rows: int,
    size: int,
) -> Tensor:
    """Return `rows` sparse rows times `table`, in blocks of `size` rows."""
    from gpjepa.model.kernels import sparse_products

    out, edges = torch.empty((rows, table.shape[1])), blocks(rows, size=size)
    read = (starts, places, values, table.numpy())
    side_by_side(lambda i: sparse_products.product(*read, *edges[i], out.numpy()), len(edges))
    return out
