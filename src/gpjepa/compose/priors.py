"""What is known of genes before any measurement: rows of features, and how alike genes are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from gpjepa.core.errors import DataError
from gpjepa.data.feature_table import GeneFeatures
from gpjepa.data.gene_features import local_features
from gpjepa.data.gene_relations import SHARES, Knowledge, knowledge
from gpjepa.data.modality import same_way

LITTLE = 0.5  # a share of genes with features below this is told
WIDTH = 0.5  # of 1 - cosine, for similarities that see close neighbours only
TABLE_SHARES = (0.3, 0.3)  # of a user's features, by cosine and by closeness, beforehand


@dataclass(frozen=True, eq=False)
class Views:
    """Similarities of genes to the basis, one matrix for each kind of knowledge.

    `alike` [K, N, S] is at most 1, `own` [K, N] is 1 where a gene is known in that view, else 0;
    `shares` [K] says how much of what genes have in common each view explains, by experience.
    """

    alike: np.ndarray
    own: np.ndarray
    shares: np.ndarray

    def first(self, chosen: np.ndarray) -> Views:
        """Return the views of some genes of the basis among themselves."""
        return Views(self.alike[:, chosen][:, :, chosen], self.own[:, chosen], self.shares)


@dataclass(frozen=True, eq=False)
class Priors:
    """What is known of any gene, on axes and in similarities to the genes measured alone.

    `table` is a user's features, None for none; `facts` is what the package knows, None where it
    knows none of the measured genes or was told to use nothing.
    """

    basis: tuple[str, ...]
    table: GeneFeatures | None
    facts: Knowledge | None

    def rows(self, genes: Sequence[str]) -> np.ndarray:
        """Return float64 [genes, F], rows of length at most 1, 0 where nothing is known.

        A user's features where there are any, else the gene sets.
        """
        found = self._found(genes)
        rows = np.zeros((len(genes), max(found.values.shape[1], 1)))
        position = {name: row for row, name in enumerate(genes)}
        for name, value in zip(found.names, found.values, strict=True):
            rows[position[name]] = value / self._length(value)
        return rows

    def views(self, genes: Sequence[str]) -> Views:
        """Return how alike each gene is to those of the basis, in every way that is known.

        Genes that were perturbed in different ways (CRISPRa, CRISPRi) have nothing in common.
        """
        alike, own = [np.zeros((0, len(genes), len(self.basis)))], [np.zeros((0, len(genes)))]
        shares: tuple[float, ...] = ()
        if self.table is not None and len(self.table.names):
            left, right = self.rows(genes), self.rows(self.basis)
            told = (left != 0).any(axis=1).astype(np.float64)
            there = np.outer(told, (right != 0).any(axis=1))
            cosine = left @ right.T
            alike.append(np.stack((cosine, there * np.exp((cosine - 1) / WIDTH))))
            own.append(np.stack((told, told)))
            shares += TABLE_SHARES
        if self.facts is not None:
            alike.append(self.facts.alike(genes, self.basis))
            own.append(self.facts.own(genes))
            shares += SHARES
        same = same_way(genes, self.basis)
        return Views(np.concatenate(alike) * same, np.concatenate(own), np.array(shares))

    def known(self, genes: Sequence[str]) -> tuple[str, ...]:
        """Return the genes of which something is known."""
        told = np.zeros(len(genes), dtype=bool)
        if self.table is not None:
            covered = set(self.table.select(genes).names)
            told |= np.array([gene in covered for gene in genes], dtype=bool)
        if self.facts is not None:
            told |= self.facts.knows(genes)
        return tuple(name for name, each in zip(genes, told, strict=True) if each)

    def notes(self) -> tuple[str, ...]:
        """Tell when few of the measured genes have features."""
        if self.table is None:
            found = self.known(self.basis)
        else:
            found = self.table.select(self.basis).names
        share = len(found) / max(len(self.basis), 1)
        if share >= LITTLE:
            return ()
        return (f"features cover {share:.0%} of the genes measured alone: relations are weak",)

    def _length(self, value: np.ndarray) -> float:
        """Return the length of a gene's own features, of which `value` are what is on the axes.

        Gene-set vectors have length 1; a gene not measured alone lies partly off the axes, and its
        row is shorter, so that inner products stay its similarity to the measured genes.
        """
        length = 1.0 if self.table is None else float(np.linalg.norm(value))
        return length if length > 0 else 1.0

    def _found(self, genes: Sequence[str]) -> GeneFeatures:
        if self.table is not None:
            return self.table.select(genes)
        sets = None if self.facts is None else self.facts.sets
        if sets is None or not any(row is not None for row in sets.rows(self.basis)):
            return GeneFeatures((), np.zeros((0, 1), dtype=np.float32))
        return local_features(genes, self.basis, max(len(self.basis), 1), matrix=sets)


def make_priors(basis: Sequence[str], features: GeneFeatures | None) -> Priors:
    """Return the priors of the measured genes and of any other gene that is covered.

    A user's features are centred and scaled per column over the measured genes, so that no
    column rules the inner products by its unit. What the package knows of human genes stands
    beside them; an empty table says that nothing is to be known.

    Raises `DataError` when features are not finite.
    """
    if features is None:
        return Priors(tuple(basis), None, _facts(basis))
    values = np.asarray(features.values, dtype=np.float64)
    if values.ndim != 2 or len(values) != len(features.names):
        raise DataError(
            f"features have shape {values.shape} for {len(features.names)} genes; expected one "
            "row per gene; pass [genes x features]"
        )
    if not np.isfinite(values).all():
        raise DataError(
            "features hold NaN or infinity; expected finite numbers; drop those genes or fill "
            "the missing values"
        )
    own = features.select(list(basis)).values.astype(np.float64)
    reference = own if len(own) > 1 else values
    if not len(values):
        return Priors(tuple(basis), GeneFeatures((), values.reshape(0, 1)), None)
    spread = reference.std(axis=0)
    scaled = (values - reference.mean(axis=0)) / np.where(spread > 0, spread, 1.0)
    return Priors(tuple(basis), GeneFeatures(features.names, scaled), _facts(basis))


def _facts(basis: Sequence[str]) -> Knowledge | None:
    """Return what the package knows, None if that is nothing of any gene of the basis."""
    found = knowledge()
    return found if found.knows(basis).any() else None
