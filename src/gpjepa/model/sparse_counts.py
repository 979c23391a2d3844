"""Counts of cells without their zeros, as tensors."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Int
from scipy.sparse import csr_matrix
from torch import Tensor

from gpjepa.model.kernels import available, blocks, side_by_side


@dataclass(frozen=True, eq=False)
class SparseCounts:
    """Positive counts of B cells over G genes, cell by cell (CSR).

    `starts` [B + 1] says where each cell begins in `gene` and `value` [N]; a gene comes once in a
    cell, in order.
    """

    starts: Int[Tensor, " B1"]
    gene: Int[Tensor, " N"]
    value: Float[Tensor, " N"]
    genes: int

    @property
    def shape(self) -> tuple[int, int]:
        """Return cells and genes."""
        return self.starts.shape[0] - 1, self.genes

    @property
    def device(self) -> torch.device:
        """Return the device that the counts lie on."""
        return self.value.device

    def cell(self) -> Int[Tensor, " N"]:
        """Return the cell of each count."""
        rows = torch.arange(self.shape[0], device=self.device)
        return torch.repeat_interleave(rows, self.starts.diff(), output_size=len(self.gene))

    def place(self) -> Int[Tensor, " N"]:
        """Return where each count lies in the flattened dense matrix."""
        return self.cell() * self.genes + self.gene

    def below(self, first: int) -> SparseCounts:
        """Return the cells from the one at `first` on."""
        start = int(self.starts[first])
        starts = self.starts[first:] - start
        return SparseCounts(starts, self.gene[start:], self.value[start:], self.genes)

    def to(self, device: torch.device | str) -> SparseCounts:
        """Return the same counts on another device."""
        return SparseCounts(
            self.starts.to(device), self.gene.to(device), self.value.to(device), self.genes
        )

    def dense(self) -> Float[Tensor, "B G"]:
        """Return the counts with their zeros."""
        return self.spread(self.value)

    def spread(self, value: Float[Tensor, " N"]) -> Float[Tensor, "B G"]:
        """Return a dense matrix with `value` in place of the counts."""
        if not available(self.value, value):
            return scattered(self.shape, self.place(), value)
        from gpjepa.model.kernels import dense_rows

        out = torch.empty(self.shape)
        given, edges = (*self.arrays(), value.numpy()), blocks(self.shape[0])
        side_by_side(lambda i: dense_rows.spread(*given, *edges[i], out.numpy()), len(edges))
        return out

    def arrays(self) -> tuple[np.ndarray, np.ndarray]:
        """Return `starts` and `gene` as the compiled loops read them."""
        return self.starts.numpy(), self.gene.numpy()


Counts = Tensor | SparseCounts


def scattered(
    shape: tuple[int, int], place: Int[Tensor, " N"], value: Float[Tensor, " N"]
) -> Float[Tensor, "B G"]:
    """Return a dense matrix that holds `value` at `place` of its flattened self, and zeros."""
    flat = value.new_zeros(shape[0] * shape[1])
    return flat.index_put_((place,), value).view(shape)


def positive(
    counts: Counts,
) -> tuple[Int[Tensor, " N"], Int[Tensor, " N"], Float[Tensor, " N"]]:
    """Return cell, gene and value of the counts above zero."""
    if isinstance(counts, SparseCounts):
        return counts.cell(), counts.gene.long(), counts.value
    cell, gene = torch.nonzero(counts, as_tuple=True)
    return cell, gene, counts[cell, gene]


def joined(*parts: SparseCounts) -> SparseCounts:
    """Return the cells of several tables of the same genes below each other."""
    starts, before = [parts[0].starts], int(parts[0].starts[-1])
    for part in parts[1:]:
        starts.append(part.starts[1:] + before)
        before += int(part.starts[-1])
    return SparseCounts(
        torch.cat(starts),
        torch.cat([part.gene for part in parts]),
        torch.cat([part.value for part in parts]),
        parts[0].genes,
    )


def sparse_of(dense: Float[Tensor, "B G"]) -> SparseCounts:
    """Return counts without their zeros."""
    if not available(dense):
        cell, gene = torch.nonzero(dense, as_tuple=True)
        each = torch.bincount(cell, minlength=len(dense))
        ends = torch.cat((each.new_zeros(1), each.cumsum(0)))
        return SparseCounts(ends, gene.int(), dense[cell, gene], dense.shape[1])
    from gpjepa.model.kernels import dense_rows

    rows, values = len(dense), dense.contiguous().numpy()
    edges, stops = blocks(rows), np.zeros(rows + 1, np.int64)
    side_by_side(lambda i: dense_rows.filled(values, *edges[i], stops[1:]), len(edges))
    np.cumsum(stops, out=stops)
    genes, found = np.empty(stops[-1], np.int32), np.empty(stops[-1], np.float32)
    side_by_side(lambda i: dense_rows.compact(values, stops, *edges[i], genes, found), len(edges))
    starts, gene, value = (torch.from_numpy(x) for x in (stops, genes, found))
    return SparseCounts(starts, gene, value, dense.shape[1])


def csr_of(counts: SparseCounts) -> csr_matrix:
    """Return counts as int32 CSR, those that are zero left out."""
    counts = counts.to("cpu")
    value = counts.value.to(torch.int32).numpy()
    given = (value, counts.gene.numpy(), counts.starts.numpy())
    found = csr_matrix(given, shape=counts.shape, copy=True)  # zeros are taken out in place
    found.eliminate_zeros()
    return found
