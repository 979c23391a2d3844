"""Prior features of perturbations, one block a source: gene sets, tables, co-expression."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from gpjepa.core.config import PerturbationConfig
from gpjepa.core.errors import DataError, VocabularyError, listed
from gpjepa.core.threads import single_threaded
from gpjepa.data.feature_table import GeneFeatures, coverage
from gpjepa.data.gene_features import local_features, set_matrix
from gpjepa.data.references import COLLECTIONS
from gpjepa.inference.cells import CellTable
from gpjepa.training.cells import MOST_CELLS, log_expression

COEXPRESSION = "coexpression"


def collections_of(config: PerturbationConfig) -> tuple[str, ...]:
    """Return the gene-set collections among the sources of the settings."""
    return tuple(source for source in config.features if source in COLLECTIONS)


def refuse_useless(tables: Sequence[GeneFeatures], perturbed: Sequence[str]) -> None:
    """Raise `DataError` for a table that covers none of the perturbed genes."""
    for table in tables:
        if not coverage(table, perturbed).covered:
            raise DataError(
                f"a feature table of {len(table.names)} names ({listed(table.names)}) covers "
                f"none of the {len(perturbed)} perturbations ({listed(perturbed)}); expected rows "
                "named as they are; key the table by gene symbol or perturbation name"
            )


def placed_by_features(
    config: PerturbationConfig,
    measured: Sequence[str],
    tables: Sequence[GeneFeatures],
    loadings: GeneFeatures | None,
) -> set[str]:
    """Return the names that features alone can place among the `measured` perturbations.

    Gene sets and co-expression place nothing where no measured perturbation is in them.
    """
    placed = {name for table in tables for name in table.names}
    if sets := collections_of(config):
        known = set_matrix(sets)
        if any(row is not None for row in known.rows(list(measured))):
            placed |= set(known.position)
    if loadings is not None and coverage(loadings, measured).covered:
        placed |= set(loadings.names)
    return placed


def control_loadings(
    cells: CellTable, genes: Sequence[str], target: float, components: int
) -> GeneFeatures | None:
    """Return the correlation of genes with the main axes of control cells, [genes, components].

    Genes that do not vary among the controls (at most 5,000 of them are looked at) have none;
    None where fewer than three cells or genes are left.
    """
    from sklearn.decomposition import TruncatedSVD

    expression = log_expression(cells.take(np.arange(len(cells))[:MOST_CELLS]), target)
    dense = expression.toarray().astype(np.float64)
    deviation = dense.std(axis=0)
    varying = np.flatnonzero(deviation > 0)
    count = min(components, len(varying) - 1, dense.shape[0] - 1)
    if count < 2:
        return None
    standard = (dense[:, varying] - dense[:, varying].mean(axis=0)) / deviation[varying]
    with single_threaded():
        axes = TruncatedSVD(count, random_state=0).fit(standard)
    values = axes.components_.T * (axes.singular_values_ / np.sqrt(len(dense)))
    return GeneFeatures(tuple(genes[int(i)] for i in varying), values.astype(np.float32))


def feature_blocks(
    config: PerturbationConfig,
    names: Sequence[str],
    measured: int,
    tables: Sequence[GeneFeatures],
    loadings: GeneFeatures | None,
) -> list[GeneFeatures]:
    """Return the features of `names`, whose first `measured` were perturbed, block by block."""
    blocks = [table_axes(table, names, measured, config.components) for table in tables]
    if loadings is not None:
        blocks.append(table_axes(loadings, names, measured, config.components))
    if sets := collections_of(config):
        try:
            found = local_features(names, names[:measured], config.components, sets)
        except VocabularyError:
            return blocks  # none of the perturbed names is a gene
        blocks.insert(0, found)
    return blocks


def table_axes(
    table: GeneFeatures, names: Sequence[str], measured: int, components: int
) -> GeneFeatures:
    """Return the rows of `names` in a table, seen from the middle of the measured ones.

    A single one is no middle: all rows make it then. A table with more than `components` columns is
    turned onto its main axes there: what measured perturbations do not differ in cannot be learned
    from them.
    """
    chosen = table.select(names)
    values = chosen.values.astype(np.float64)
    basis = np.isin(np.array(chosen.names, dtype=object), np.array(names[:measured], dtype=object))
    values = values - (values[basis] if basis.sum() > 1 else values).mean(axis=0)
    if values.shape[1] > components:
        own = values[basis]
        power, vectors = np.linalg.eigh(own @ own.T)
        order = np.argsort(power)[::-1][:components]
        order = order[power[order] > 1e-9 * max(float(power.max(initial=0.0)), 1e-30)]
        axes = own.T @ (vectors[:, order] / np.sqrt(power[order]))
        axes = axes * np.sign(axes[np.abs(axes).argmax(axis=0), np.arange(len(order))])
        values = values @ axes
    return GeneFeatures(chosen.names, values.astype(np.float32))


def stacked(blocks: Sequence[GeneFeatures], names: Sequence[str], measured: int) -> np.ndarray:
    """Return the blocks side by side, float32 [names, F]; zeros where a name has no row.

    Each block has rows of mean square 1/√blocks over the measured names that it covers, so that
    none rules by its unit or its number of columns, and rows with all blocks have length 1.
    """
    position = {name: row for row, name in enumerate(names)}
    parts = []
    for block in blocks:
        values = np.zeros((len(names), block.values.shape[1]))
        rows = np.array([position[name] for name in block.names], dtype=np.int64)
        values[rows] = block.values
        own = block.values[rows < measured]
        size = _length(own) or _length(block.values) or 1.0
        parts.append(values / (size * np.sqrt(len(blocks))))
    empty = np.zeros((len(names), 0))
    return np.concatenate([empty, *parts], axis=1).astype(np.float32)


def _length(rows: np.ndarray) -> float:
    """Return the root mean square length of rows; 0 without any."""
    return (
        float(np.sqrt(np.square(rows, dtype=np.float64).sum(axis=1).mean())) if len(rows) else 0.0
    )
