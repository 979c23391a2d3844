"""Rank-sum tests of many populations against one control, all genes at once."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from scipy import sparse, stats

MOST_ENTRIES = 2_000_000  # non-zero counts that are ranked together, to bound memory


@dataclass(frozen=True, eq=False)
class _Ordered:
    """Non-zero entries ordered by gene, rate, and population: arrays of equal length.

    `population` is 0 for control, which comes first among equal rates; `group` tells rates apart.
    """

    gene: np.ndarray
    group: np.ndarray
    population: np.ndarray

    def take(self, entries: np.ndarray) -> _Ordered:
        return _Ordered(self.gene[entries], self.group[entries], self.population[entries])


def rank_sums(
    populations: Sequence[sparse.csr_matrix],
    libraries: Sequence[np.ndarray],
    control: sparse.csr_matrix,
    control_library: np.ndarray,
) -> np.ndarray:
    """Return the two-sided p-value of each gene, cells against control, [populations, G].

    Mann–Whitney U in the normal approximation with tie and continuity correction, as
    `scipy.stats.mannwhitneyu(method="asymptotic")`, on rates (counts over library): ranks of
    rates equal ranks of log-normalised values. Zeros, most of the data, are one group of ties
    and never touched. 1 where every cell is tied or a side is empty.
    """
    pvalues = np.ones((len(populations), control.shape[1]))
    for part in _parts(populations, control.nnz):
        sides = [control, *(populations[index] for index in part)]
        library = np.concatenate([control_library, *(libraries[index] for index in part)])
        cells = np.array([side.shape[0] for side in sides])
        ordered = _ordered(sides, np.asarray(library, dtype=np.float64))
        u, ties = _statistics(ordered, cells, control.shape[1])
        for row, index in enumerate(part):
            if cells[0] and cells[row + 1]:
                pvalues[index] = _two_sided(u[:, row], ties[:, row], cells[row + 1], cells[0])
    return pvalues


def _parts(populations: Sequence[sparse.csr_matrix], control: int) -> Iterator[list[int]]:
    """Yield indices of populations that together have few enough entries."""
    part: list[int] = []
    entries = control
    for index, counts in enumerate(populations):
        if part and entries + counts.nnz > MOST_ENTRIES:
            yield part
            part, entries = [], control
        part.append(index)
        entries += counts.nnz
    if part:
        yield part


def _ordered(sides: Sequence[sparse.csr_matrix], library: np.ndarray) -> _Ordered:
    """Order all non-zero rates by gene and value without comparing them one by one.

    A rate is a count over a library, so only the different pairs of cell and count are sorted;
    the entries follow by counting.
    """
    count = np.concatenate([side.data for side in sides]).astype(np.int64)
    gene = np.concatenate([side.indices for side in sides]).astype(np.int32, copy=False)
    lengths = np.concatenate([np.diff(side.indptr) for side in sides])
    if count.size and count.min() <= 0:
        kept = count > 0
        cells = np.repeat(np.arange(lengths.size), lengths)[kept]
        count, gene, lengths = count[kept], gene[kept], np.bincount(cells, minlength=lengths.size)
    population = np.repeat(np.arange(len(sides)), [side.shape[0] for side in sides])
    code, levels = _codes(count, lengths)
    pairs, place = _present(code, lengths.size * levels.size)
    rate = levels[pairs % levels.size] / library[pairs // levels.size]
    order = np.argsort(rate, kind="stable")  # cells come by population, control first
    rate, owner = rate[order], population[pairs[order] // levels.size].astype(np.int32)
    group = np.cumsum(_changes(rate), dtype=np.int32)
    heads = np.flatnonzero(_changes(group, owner))
    place[pairs[order]] = np.repeat(
        np.arange(heads.size, dtype=np.int32), np.diff(heads, append=order.size)
    )
    value, gene = _by_gene(place[code], gene, sides[0].shape[1])
    return _Ordered(gene, group[heads][value], owner[heads][value])


def _codes(count: np.ndarray, lengths: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return a code of each entry's pair of cell and count, and the different counts."""
    seen = np.zeros(int(count.max(initial=0)) + 1, dtype=bool)
    seen[count] = True
    levels = np.flatnonzero(seen)
    code = (np.cumsum(seen) - 1)[count]
    code += np.repeat(np.arange(lengths.size) * levels.size, lengths)
    return code, levels


def _present(code: np.ndarray, size: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the ascending different codes, and an empty table of all of them."""
    seen = np.zeros(size, dtype=bool)
    seen[code] = True
    return np.flatnonzero(seen), np.empty(size, dtype=np.int32)


def _changes(*keys: np.ndarray) -> np.ndarray:
    """Return where any of the keys differs from the entry before; the first entry does."""
    changed = np.ones(keys[0].size, dtype=bool)
    if changed.size:
        changed[1:] = keys[0][1:] != keys[0][:-1]
    for key in keys[1:]:
        changed[1:] |= key[1:] != key[:-1]
    return changed


def _by_gene(value: np.ndarray, gene: np.ndarray, genes: int) -> tuple[np.ndarray, np.ndarray]:
    """Return both arrays ordered by gene and, within it, by value: two counting sorts."""
    ends, ordered = _counting_sort(value, gene, int(value.max(initial=-1)) + 1)
    ascending = np.repeat(np.arange(ends.size - 1, dtype=np.int32), np.diff(ends))
    ends, values = _counting_sort(ordered, ascending, genes)
    return values, np.repeat(np.arange(genes, dtype=np.int32), np.diff(ends))


def _counting_sort(
    key: np.ndarray, carried: np.ndarray, keys: int
) -> tuple[np.ndarray, np.ndarray]:
    """Return where each key's entries start, and `carried` stably ordered by key."""
    row = sparse.csr_matrix((carried, key, [0, key.size]), shape=(1, max(keys, 1)))
    columns = row.tocsc()
    return columns.indptr, columns.data


def _statistics(ordered: _Ordered, cells: np.ndarray, genes: int) -> tuple[np.ndarray, np.ndarray]:
    """Return U and Σ(t³ − t) over ties, [G, populations], from the ordered entries.

    `cells` counts the cells of the control and of each population.
    """
    shape = (genes, cells.size)
    key = ordered.gene * np.int64(cells.size) + ordered.population
    upto = np.cumsum(ordered.population == 0)  # control entries, equal ones included
    positive = np.bincount(key, minlength=genes * cells.size).reshape(shape)
    below = np.bincount(key, weights=upto, minlength=genes * cells.size).reshape(shape)
    zeros = cells - positive
    earlier = np.cumsum(positive[:, :1]) - positive[:, 0]
    below += (zeros[:, 0] - earlier)[:, None] * positive
    equal, merged, alone = _ties(ordered, shape)
    u = below - 0.5 * equal + 0.5 * zeros * zeros[:, :1]
    ties = alone[:, None] + merged + _cubic(zeros + zeros[:, :1])
    return u[:, 1:], ties[:, 1:]


def _ties(ordered: _Ordered, shape: tuple[int, int]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return what ties among non-zero rates add, the first two [G, sides], the last [G].

    Pairs of a cell with a control cell of the same rate; Σ(t³ − t) beyond that of the control's
    own ties; and that of the control's own. Only entries that share a rate are looked at.
    """
    same = np.zeros(ordered.gene.size + 1, dtype=bool)
    same[:-1] = ~_changes(ordered.gene, ordered.group)
    tied = ordered.take(np.flatnonzero(same[:-1] | same[1:]))
    first = np.flatnonzero(_changes(tied.gene, tied.group, tied.population))
    size = np.diff(first, append=tied.gene.size)
    runs = tied.take(first)
    heads = np.flatnonzero(_changes(runs.gene, runs.group))
    leading = np.where(runs.population[heads] == 0, size[heads], 0)
    control = np.repeat(leading, np.diff(heads, append=first.size))
    key = runs.gene * np.int64(shape[1]) + runs.population

    def total(weights: np.ndarray) -> np.ndarray:
        return np.bincount(key, weights=weights, minlength=shape[0] * shape[1]).reshape(shape)

    merged = _cubic(size + control) - _cubic(control)
    return total(size * control), total(merged), total(_cubic(size))[:, 0]


def _cubic(sizes: np.ndarray) -> np.ndarray:
    sizes = np.asarray(sizes, dtype=np.float64)
    return sizes * sizes * sizes - sizes


def _two_sided(u: np.ndarray, ties: np.ndarray, first: int, second: int) -> np.ndarray:
    total = first + second
    spread = total + 1.0 - ties / (total * (total - 1.0))
    variance = np.maximum(first * second / 12.0 * spread, 0.0)
    distance = np.abs(u - first * second / 2.0) - 0.5
    flat = variance <= 1e-12 * first * second
    z = distance / np.sqrt(np.where(flat, 1.0, variance))
    return np.where(flat, 1.0, np.minimum(2.0 * stats.norm.sf(z), 1.0))
