"""What is known of genes before any measurement, as rows of length at most 1."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from gpjepa.core.errors import DataError
from gpjepa.data.feature_table import GeneFeatures
from gpjepa.data.gene_features import local_features, set_matrix

LITTLE = 0.5  # a share of genes with features below this is told


@dataclass(frozen=True, eq=False)
class Priors:
    """Features of genes on axes fixed by the genes measured alone.

    `table` is a user's features, None for the embedded gene sets.
    """

    basis: tuple[str, ...]
    table: GeneFeatures | None

    def rows(self, genes: Sequence[str]) -> np.ndarray:
        """Return float64 [genes, F], rows of length at most 1, 0 where nothing is known."""
        found = self._found(genes)
        width = found.values.shape[1] if len(found.names) else 1
        rows = np.zeros((len(genes), max(width, 1)))
        position = {name: row for row, name in enumerate(genes)}
        for name, value in zip(found.names, found.values, strict=True):
            rows[position[name]] = value / self._length(value)
        return rows

    def known(self, genes: Sequence[str]) -> tuple[str, ...]:
        """Return the genes of which something is known."""
        told = self.rows(genes)
        return tuple(name for name, row in zip(genes, told, strict=True) if row.any())

    def notes(self) -> tuple[str, ...]:
        """Tell when few of the measured genes have features."""
        share = len(self.known(self.basis)) / max(len(self.basis), 1)
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
        if self.table is None:
            return local_features(genes, self.basis, n_components=max(len(self.basis), 1))
        return self.table.select(genes)


def make_priors(basis: Sequence[str], features: GeneFeatures | None) -> Priors:
    """Return the priors of the measured genes and of any other gene that is covered.

    A user's features are centred and scaled per column over the measured genes, so that no
    column rules the inner products by its unit. Without features the embedded gene sets are
    used; where they know none of the genes, nothing is known of any.

    Raises `DataError` when features are not finite.
    """
    if features is None:
        if not any(row is not None for row in set_matrix().rows(list(basis))):
            return Priors(tuple(basis), GeneFeatures((), np.zeros((0, 1), dtype=np.float32)))
        return Priors(tuple(basis), None)
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
    spread = reference.std(axis=0)
    scaled = (values - reference.mean(axis=0)) / np.where(spread > 0, spread, 1.0)
    return Priors(tuple(basis), GeneFeatures(features.names, scaled))
