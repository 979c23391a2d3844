"""Prior features of genes from gene sets: what is known before a gene is ever perturbed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.sparse import csr_matrix, diags_array
from scipy.sparse.linalg import svds

from gpjepa.core.errors import ConfigError, VocabularyError
from gpjepa.data.feature_table import Coverage, GeneFeatures, coverage, read_feature_table
from gpjepa.data.labels import symbol_of
from gpjepa.data.references import COLLECTIONS, aliases, gene_sets

__all__ = [
    "Coverage",
    "GeneFeatures",
    "SetMatrix",
    "coverage",
    "gene_set_features",
    "local_features",
    "read_feature_table",
    "set_matrix",
    "similarity",
]

SMALLEST, LARGEST = 5, 500  # genes of a set that is used; larger ones say little about a gene


@dataclass(frozen=True, eq=False)
class SetMatrix:
    """Genes of the sets and their idf-weighted membership, rows of unit length."""

    position: Mapping[str, int]  # gene, today's symbol -> row
    weights: csr_matrix  # float64 [genes, sets]

    def rows(self, genes: Sequence[str]) -> list[int | None]:
        """Return the row of each gene, other symbols resolved; None for a gene in no set.

        A modality, as in KLF1@CRISPRi, does not matter.
        """
        renamed = aliases()
        symbols = [symbol_of(gene) for gene in genes]
        return [self.position.get(renamed.get(symbol, symbol)) for symbol in symbols]


def set_matrix(sets: Sequence[str] = COLLECTIONS) -> SetMatrix:
    """Build the gene x set matrix of the named collections, from sets of 5 to 500 genes.

    A set weighs log(genes / size), its inverse document frequency; each gene's row then has
    unit length. Genes and sets are sorted by name, so that the matrix is always the same.
    Raises `VocabularyError` for an unknown collection, `ConfigError` when none is named.
    """
    if not sets:
        raise ConfigError(
            "no gene-set collection was named; expected at least one of "
            f"{', '.join(COLLECTIONS)}; name one"
        )
    renamed = aliases()
    members = [
        sorted({renamed.get(gene, gene) for gene in genes})
        for _, genes in sorted(gene_sets(*sets).items())
        if SMALLEST <= len(genes) <= LARGEST
    ]
    genes = sorted(set().union(*members))
    position = {gene: row for row, gene in enumerate(genes)}
    sizes = np.array([len(entry) for entry in members])
    rows = np.array([position[gene] for entry in members for gene in entry])
    columns = np.repeat(np.arange(len(sizes)), sizes)
    weights = np.log(len(genes) / sizes)[columns]
    matrix = csr_matrix((weights, (rows, columns)), shape=(len(genes), len(sizes)))
    lengths = np.sqrt(np.bincount(rows, weights**2, minlength=len(genes)))
    return SetMatrix(position, csr_matrix(diags_array(1 / lengths) @ matrix))


def gene_set_features(
    genes: Sequence[str], n_components: int = 64, sets: Sequence[str] = COLLECTIONS
) -> GeneFeatures:
    """Return features of `genes` from the gene sets that they belong to.

    Rows of U·S of the truncated singular value decomposition of the gene x set matrix over
    all genes of the sets, so a gene's features do not depend on which others are asked for.
    Components come by falling singular value, each with its largest entry positive.
    Genes in no set are left out of `names`; the others keep the symbol they were given by.
    Raises `VocabularyError` for a repeated gene, `ConfigError` for `n_components` out of range.
    """
    asked = _distinct(genes)
    matrix = set_matrix(sets)
    limit = min(matrix.weights.shape) - 1
    if not 1 <= n_components <= limit:
        raise ConfigError(
            f"n_components is {n_components}; expected 1 to {limit} for these gene sets; "
            "choose a number in that range"
        )
    scores = _principal_scores(matrix.weights, n_components)
    found = zip(asked, matrix.rows(asked), strict=True)
    kept = [(gene, row) for gene, row in found if row is not None]
    rows = np.array([row for _, row in kept], dtype=np.int64)
    return GeneFeatures(tuple(gene for gene, _ in kept), scores[rows].astype(np.float32))


def local_features(
    genes: Sequence[str],
    basis: Sequence[str],
    n_components: int = 64,
    sets: Sequence[str] = COLLECTIONS,
    matrix: SetMatrix | None = None,
) -> GeneFeatures:
    """Return features of `genes` on the main axes of the gene sets of `basis`.

    Over all genes the leading components go to large families such as olfactory receptors.
    Here they go to what tells the genes of the screen (`basis`, usually all perturbed genes)
    apart: inner products approximate `similarity` to basis genes as well as that many numbers
    can. Any gene with sets gets a row, in `basis` or not, that depends on no other of `genes`.
    At most `n_components` columns: no more than the independent set vectors of the basis.
    Raises `VocabularyError` for a repeated gene or a basis without any gene in the sets,
    `ConfigError` for `n_components` below 1. `matrix` is that of the sets where it is at hand.
    """
    asked = _distinct(genes)
    if n_components < 1:
        raise ConfigError(
            f"n_components is {n_components}; expected 1 or more; choose a larger number"
        )
    matrix = set_matrix(sets) if matrix is None else matrix
    kept = [gene for gene, row in zip(asked, matrix.rows(asked), strict=True) if row is not None]
    axes = _vectors(matrix, sorted(set(basis)))
    values, vectors = np.linalg.eigh((axes @ axes.T).toarray())
    order = np.argsort(values)[::-1][:n_components]
    order = order[values[order] > 1e-9]
    if not len(order):
        raise VocabularyError(
            f"none of the {len(basis)} basis genes is in a gene set; expected at least one; "
            "check that they are human gene symbols"
        )
    anchors = vectors[:, order]
    anchors = anchors * np.sign(anchors[np.abs(anchors).argmax(axis=0), np.arange(len(order))])
    shared = (_vectors(matrix, kept) @ axes.T).toarray()
    scores = shared @ (anchors / np.sqrt(values[order]))
    return GeneFeatures(tuple(kept), scores.astype(np.float32))


def _distinct(genes: Sequence[str]) -> list[str]:
    """Return the genes as a list; refuse one that is listed twice."""
    asked = [str(gene) for gene in genes]
    repeated = [gene for gene, count in Counter(asked).items() if count > 1]
    if repeated:
        raise VocabularyError(
            f"gene {repeated[0]!r} is listed more than once; expected distinct genes; "
            "remove the repetition"
        )
    return asked


def _principal_scores(weights: csr_matrix, n_components: int) -> np.ndarray:
    """Return U·S of the truncated SVD, in a fixed order and with fixed signs."""
    width = min(weights.shape)
    start = np.full(width, 1 / np.sqrt(width))  # ARPACK would start from a random vector
    left, singular, _ = svds(weights, k=n_components, v0=start, solver="arpack")
    order = np.argsort(singular)[::-1]
    scores: np.ndarray = left[:, order] * singular[order]
    largest = scores[np.abs(scores).argmax(axis=0), np.arange(n_components)]
    return scores * np.sign(largest)


def similarity(
    genes_a: Sequence[str], genes_b: Sequence[str], sets: Sequence[str] = COLLECTIONS
) -> np.ndarray:
    """Return the cosine of the idf-weighted gene sets of two lists of genes, float64 [A, B].

    0: no set in common, or a gene in no set; 1: the same sets.
    """
    matrix = set_matrix(sets)
    product = _vectors(matrix, genes_a) @ _vectors(matrix, genes_b).T
    return np.clip(product.toarray(), 0.0, 1.0)


def selection(matrix: SetMatrix, genes: Sequence[str]) -> csr_matrix:
    """Return what picks the rows of genes [genes, rows of the matrix], none for one in no set."""
    found = matrix.rows([str(gene) for gene in genes])
    lines = np.array([line for line, row in enumerate(found) if row is not None], dtype=np.int64)
    rows = np.array([row for row in found if row is not None], dtype=np.int64)
    shape = (len(found), len(matrix.position))
    return csr_matrix((np.ones(len(rows)), (lines, rows)), shape=shape)


def _vectors(matrix: SetMatrix, genes: Sequence[str]) -> csr_matrix:
    """Return the set vectors of genes, one row each; zeros for a gene in no set."""
    return csr_matrix(selection(matrix, genes) @ matrix.weights)
