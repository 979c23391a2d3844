"""How alike genes are by what is known of them: gene sets, families by symbol, where expressed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.sparse import csr_matrix, diags_array

from gpjepa.data.gene_features import SetMatrix, selection, set_matrix
from gpjepa.data.labels import symbol_of
from gpjepa.data.references import aliases, baseline

BROAD = 150  # sets of as many genes or more tell what kind of protein a gene makes
SHORTEST_STEM = 2  # letters
SHARES = (0.5, 0.3, 0.12, 0.08)  # of families, gene sets, broad sets and expression, beforehand
PER_MILLION = 1e6
LEAST_SPREAD = 0.1  # of log10 expression between genes


@dataclass(frozen=True, eq=False)
class Knowledge:
    """What the package knows of human genes.

    `stems` maps each beginning of a symbol that two genes or more share to its weight, the square
    root of log(genes / genes that have it). `expression` holds log10(1 + counts per million) of
    unperturbed K562 and THP-1 cells and of seven kinds of blood cells [genes, 9], rows by `place`.
    """

    sets: SetMatrix
    broad: csr_matrix  # [genes, sets], rows of unit length or 0
    stems: Mapping[str, float]
    place: Mapping[str, int]
    expression: np.ndarray

    def knows(self, genes: Sequence[str]) -> np.ndarray:
        """Tell for each gene whether it is in a gene set or an expression profile, bool [N]."""
        return np.array([symbol in self.place for symbol in _today(genes)], dtype=bool)

    def own(self, genes: Sequence[str]) -> np.ndarray:
        """Return what `alike` says of each gene and itself, [4, N]: 1, or 0 if nothing is known."""
        rows = (
            self._symbols(genes),
            self._members(self.sets.weights, genes),
            self._members(self.broad, genes),
        )
        length = [np.asarray(each.multiply(each).sum(axis=1)).ravel() for each in rows]
        return np.stack([*length, self.knows(genes).astype(np.float64)])

    def alike(self, genes: Sequence[str], others: Sequence[str]) -> np.ndarray:
        """Return similarities from 0 to 1, float64 [4, N, M]: one matrix for each of `SHARES`.

        Cosines of the stems of the symbols, of the idf-weighted gene sets and of the broad ones,
        and exp(−d² / 2) of expression, d² the mean over cells of squared differences in units of
        the spread among `others`. 0 where nothing is known of a gene.
        """
        found = (
            self._symbols(genes) @ self._symbols(others).T,
            self._members(self.sets.weights, genes) @ self._members(self.sets.weights, others).T,
            self._members(self.broad, genes) @ self._members(self.broad, others).T,
        )
        near = self._near(genes, others)
        return np.stack([*(each.toarray() for each in found), near])

    def _members(self, weights: csr_matrix, genes: Sequence[str]) -> csr_matrix:
        return csr_matrix(selection(self.sets, genes) @ weights)

    def _symbols(self, genes: Sequence[str]) -> csr_matrix:
        """Return the stems of symbols [N, stems], rows of unit length; of known genes only."""
        number = {stem: index for index, stem in enumerate(self.stems)}
        lines, columns, values = [], [], []
        for line, symbol in enumerate(_today(genes)):
            if symbol not in self.place:
                continue
            own = [stem for stem in _beginnings(symbol) if stem in number]
            length = np.sqrt(sum(self.stems[stem] ** 2 for stem in own))
            lines += [line] * len(own)
            columns += [number[stem] for stem in own]
            values += [self.stems[stem] / length for stem in own]
        return csr_matrix((values, (lines, columns)), shape=(len(genes), len(number)))

    def _near(self, genes: Sequence[str], others: Sequence[str]) -> np.ndarray:
        left, right = self._profiles(genes), self._profiles(others)
        there = right[np.isfinite(right[:, 0])]
        if not len(there):
            return np.zeros((len(left), len(right)))
        unit = np.maximum(there.std(axis=0), LEAST_SPREAD) * np.sqrt(left.shape[1])
        left, right = left / unit, right / unit
        square = (left**2).sum(axis=1)[:, None] + (right**2).sum(axis=1) - 2 * left @ right.T
        return np.nan_to_num(np.exp(-np.maximum(square, 0.0) / 2))

    def _profiles(self, genes: Sequence[str]) -> np.ndarray:
        """Return the expression of genes [N, cells]; NaN for a gene that is not known."""
        rows = np.full((len(genes), self.expression.shape[1]), np.nan)
        for line, symbol in enumerate(_today(genes)):
            if symbol in self.place:
                rows[line] = self.expression[self.place[symbol]]
        return rows


def knowledge() -> Knowledge:
    """Gather the embedded gene sets, symbols and expression profiles; takes two seconds."""
    sets = set_matrix()
    profiles = _profiles()
    symbols = sorted({*sets.position, *(symbol for each in profiles for symbol in each)})
    place = {symbol: row for row, symbol in enumerate(symbols)}
    shared = Counter(stem for symbol in symbols for stem in _beginnings(symbol))
    stems = {
        stem: float(np.sqrt(np.log(len(symbols) / count)))
        for stem, count in sorted(shared.items())
        if count > 1
    }
    share = np.array([[each.get(symbol, 0.0) for each in profiles] for symbol in symbols])
    return Knowledge(sets, _broad(sets), stems, place, np.log10(1 + PER_MILLION * share))


def _broad(sets: SetMatrix) -> csr_matrix:
    sizes = np.asarray((sets.weights > 0).sum(axis=0)).ravel()
    kept = csr_matrix(sets.weights[:, np.flatnonzero(sizes >= BROAD)])
    length = np.sqrt(np.asarray(kept.multiply(kept).sum(axis=1)).ravel())
    return csr_matrix(diags_array(1 / np.where(length > 0, length, 1.0)) @ kept)


def _profiles() -> Sequence[Mapping[str, float]]:
    """Return the share of each gene among the counts of each kind of unperturbed cells."""
    from gpjepa.data import datasets

    renamed = aliases()
    lines = [baseline(name)["relative_expression"] for name in ("k562", "thp1")]
    found = [
        {renamed.get(str(gene), str(gene)): float(value) for gene, value in line.items()}
        for line in lines
    ]
    blood = datasets.load("kang-pbmc")
    genes = [renamed.get(str(gene), str(gene)) for gene in blood.var_names]
    resting = np.asarray(blood.obs["condition"].astype(str)) == "control"
    kinds = np.asarray(blood.obs["cell_type"].astype(str), dtype=object)
    for kind in sorted(set(kinds)):
        total = np.asarray(blood.X[np.flatnonzero(resting & (kinds == kind))].sum(axis=0)).ravel()
        share = total / max(float(total.sum()), 1.0)
        found.append({gene: float(value) for gene, value in zip(genes, share, strict=True)})
    return found


def _today(genes: Sequence[str]) -> list[str]:
    renamed = aliases()
    symbols = [symbol_of(str(gene)) for gene in genes]
    return [renamed.get(symbol, symbol) for symbol in symbols]


def _beginnings(symbol: str) -> list[str]:
    return [symbol[:end] for end in range(SHORTEST_STEM, len(symbol) + 1)]
