"""Counterfactual counts cell by cell, compiled; see `abduction`."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Generator

from gpjepa.model.decoded import DecodedCounts
from gpjepa.model.distributions import CountDistribution
from gpjepa.model.kernels import blocks, one_by_one, side_by_side
from gpjepa.model.sparse_counts import SparseCounts

PIECE = 16  # tiles of genes that a thread takes at once; draws begin anew with each


class Rule(NamedTuple):
    """How sums are balanced: counts added to both sides, rounds, and a change that ends them."""

    prior: float
    rounds: int
    close: float


def by_rows(
    counts: SparseCounts,
    before: CountDistribution,
    after: CountDistribution,
    generator: Generator,
    rule: Rule,
) -> SparseCounts:
    """Return what `abduction.counterfactual_counts` does: other draws of the same distribution.

    Decoded rates are made a few genes at a time where they are read.
    """
    from gpjepa.model.kernels import population_rows

    rows, edges = counts.shape[0], one_by_one(counts.shape[0])
    theta = before.dispersion.contiguous().numpy()
    seeds = torch.randint(2**62, (rows,), generator=generator).numpy()
    told = _balanced(counts, _tables(before, after), theta, seeds, rule)
    starts = np.zeros(rows + 1, np.int64)
    read = (*_csr(counts), theta, *told, seeds)
    drawn: list[tuple[np.ndarray, np.ndarray]] = [(starts, starts)] * len(edges)

    def work(block: int) -> None:
        drawn[block] = population_rows.changed(*read, *edges[block], starts[1:])

    side_by_side(work, len(edges))
    gene, value = (np.concatenate(part) for part in zip(*drawn, strict=True))
    return SparseCounts(
        torch.from_numpy(starts).cumsum(0),
        torch.from_numpy(gene),
        torch.from_numpy(value.astype(np.float32)),
        counts.genes,
    )


Csr = tuple[np.ndarray, np.ndarray, np.ndarray]


def _balanced(
    counts: SparseCounts, tables: tuple[Any, ...], theta: np.ndarray, seeds: np.ndarray, rule: Rule
) -> tuple[tuple[np.ndarray, np.ndarray], Csr]:
    """Return what rates of counts change by, with their E[λ | 0], and gains of silent genes."""
    from gpjepa.model.kernels import gene_factors

    given = _by_tile(counts)
    tiles, number = len(given[0]) - 1, len(given[1])
    told = np.empty(number, np.float32), np.empty(number, np.float32)
    factor = np.empty(tiles * gene_factors.TILE, np.float32)
    ends = (np.float32(rule.prior), rule.rounds, np.float32(rule.close), factor, told)
    read, edges = (given, tables, theta, seeds), blocks(tiles, size=PIECE)
    found: list[Csr] = [(factor, factor, factor)] * len(edges)

    def work(piece: int) -> None:
        found[piece] = gene_factors.balance(*read, *edges[piece], *ends)

    side_by_side(work, len(edges))
    return told, _by_cell(found, counts.shape[0])


def _by_tile(counts: SparseCounts) -> tuple[np.ndarray, np.ndarray]:
    """Return where the counts of each tile begin, and the counts as `tile_counts` writes them."""
    from gpjepa.model.kernels import rate_tiles, tile_counts

    stops = np.zeros(-(-counts.genes // rate_tiles.TILE) + 1, np.int64)
    entries = np.empty((len(counts.gene), 3), np.uint32)
    tile_counts.by_tile(*_csr(counts), stops, entries)
    return stops, entries


def _by_cell(found: list[Csr], rows: int) -> Csr:
    """Return gains of pieces, each of cells, genes and counts, as CSR rows of cells."""
    from gpjepa.model.kernels import gain_rows

    cells, genes, values = (np.concatenate(part) for part in zip(*found, strict=True))
    starts, to_genes, to_values = np.zeros(rows + 1, np.int64), genes.copy(), values.copy()
    gain_rows.by_cell(cells, genes, values, starts, to_genes, to_values)
    return starts, to_genes, to_values


def _tables(before: CountDistribution, after: CountDistribution) -> tuple[Any, ...]:
    """Return what `rate_tiles.changes` reads: all rates, or what they are decoded from."""
    none, no_table = np.empty((0, 0), np.float32), np.empty((0, 0, 0), np.float32)
    if isinstance(before, DecodedCounts) and isinstance(after, DecodedCounts):
        states = (before.state.numpy(), after.state.numpy())
        biases = (before.biases, after.biases)
        tops, scales = np.stack((before.levels, after.levels), axis=1)
        return (none, none), states, before.table, biases, tops, scales
    given = (before.mu.contiguous().numpy(), after.mu.contiguous().numpy())
    return given, (none, none), no_table, (none, none), none, none


def _csr(counts: SparseCounts) -> Csr:
    return (*counts.arrays(), counts.value.numpy())
