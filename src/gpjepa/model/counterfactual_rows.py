"""Counterfactual counts cell by cell, compiled; see `abduction`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple, cast

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
    after: Sequence[CountDistribution],
    generators: Sequence[Generator],
    rule: Rule,
) -> list[SparseCounts]:
    """Return what `abduction.counterfactual_counts` does, under each of several changes.

    Other draws of the same distributions. Decoded rates are made a few genes at a time where they
    are read, those `before` for all changes at once.
    """
    rows, theta = counts.shape[0], before.dispersion.contiguous().numpy()
    drawn = [torch.randint(2**62, (rows,), generator=each) for each in generators]
    seeds = torch.stack(drawn).numpy()
    by, rate, (starts, *gains) = _balanced(counts, _tables(before, after), theta, seeds, rule)
    found = []
    for i, own in enumerate(seeds):
        gained = (starts[i * rows : (i + 1) * rows + 1], *gains)
        found.append(_changed(counts, theta, (by[i], rate, gained, own)))
    return found


Csr = tuple[np.ndarray, np.ndarray, np.ndarray]


def _changed(counts: SparseCounts, theta: np.ndarray, given: tuple[Any, ...]) -> SparseCounts:
    """Return what counts become; `given` is what `population_rows.changed` reads beside them."""
    from gpjepa.model.kernels import population_rows

    edges, starts = one_by_one(counts.shape[0]), np.zeros(counts.shape[0] + 1, np.int64)
    drawn: list[tuple[np.ndarray, np.ndarray]] = [(starts, starts)] * len(edges)

    def work(block: int) -> None:
        read = (*_csr(counts), theta, *given)
        drawn[block] = population_rows.changed(*read, *edges[block], starts[1:])

    side_by_side(work, len(edges))
    gene, value = (np.concatenate(part) for part in zip(*drawn, strict=True))
    return SparseCounts(
        torch.from_numpy(starts).cumsum(0),
        torch.from_numpy(gene),
        torch.from_numpy(value.astype(np.float32)),
        counts.genes,
    )


def _balanced(
    counts: SparseCounts, tables: tuple[Any, ...], theta: np.ndarray, seeds: np.ndarray, rule: Rule
) -> tuple[np.ndarray, np.ndarray, Csr]:
    """Return what rates of counts change by, their E[λ | 0], and gains of genes without a count."""
    from gpjepa.model.kernels import gene_factors

    given, several = _by_tile(counts), len(seeds)
    tiles, number = len(given[0]) - 1, len(given[1])
    by, rate = np.empty((several, number), np.float32), np.empty(number, np.float32)
    factor = np.empty((several, tiles * gene_factors.TILE), np.float32)
    ends = (np.float32(rule.prior), rule.rounds, np.float32(rule.close), factor, by, rate)
    read, edges = (given, *tables, theta, seeds), blocks(tiles, size=PIECE)
    found: list[Csr] = [(rate, rate, rate)] * len(edges)

    def work(piece: int) -> None:
        found[piece] = gene_factors.balance(*read, *edges[piece], *ends)

    side_by_side(work, len(edges))
    return by, rate, _by_cell(found, seeds.size)


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


def _tables(before: CountDistribution, after: Sequence[CountDistribution]) -> tuple[Any, ...]:
    """Return what `rate_tiles.rates_of` reads before and after, with the weights it shares."""
    if decoded(before, *after):
        return _decoded([before]), _decoded(after), cast(DecodedCounts, before).table
    return _given([before]), _given(after), np.empty((0, 0, 0), np.float32)


def decoded(*counts: CountDistribution) -> bool:
    """Tell whether all rates are made where they are read."""
    return all(isinstance(each, DecodedCounts) for each in counts)


def _decoded(counts: Sequence[Any]) -> tuple[np.ndarray, ...]:
    states = np.stack([each.state.numpy() for each in counts])
    biases = np.stack([each.biases for each in counts])
    levels = np.stack([each.levels for each in counts])
    return np.empty((0, 0, 0), np.float32), states, biases, levels


def _given(counts: Sequence[CountDistribution]) -> tuple[np.ndarray, ...]:
    none, rates = np.empty((0, 0, 0), np.float32), [each.mu.contiguous() for each in counts]
    joined = rates[0].unsqueeze(0) if len(rates) == 1 else torch.stack(rates)
    return joined.numpy(), none, none, none


def _csr(counts: SparseCounts) -> Csr:
    return (*counts.arrays(), counts.value.numpy())
