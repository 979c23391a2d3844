"""The generative axis: how like the observed cells the predicted population is."""

from __future__ import annotations

import numpy as np
from scipy import sparse

from gpjepa.evaluation.distances import (
    count_distances,
    energy_distance,
    mmd,
    pairwise_distances,
)
from gpjepa.evaluation.equalise import Entries, depth_shares, equal_cells, log_normalise, thin
from gpjepa.evaluation.metric import Metric

WORST = float("inf")
CORRELATED_GENES = 200  # the most expressed in control, on which correlations are compared
RESPONDS = 3.0  # times the replicate's energy distance that the control's must exceed

GENERATIVE_METRICS = (
    Metric(
        "energy_distance", 0.0, WORST, "lower", "unsquared energy distance, log1p normalised counts"
    ),
    Metric("mmd", 0.0, float(np.sqrt(2)), "lower", "maximum mean discrepancy, median bandwidth"),
    Metric("wasserstein", 0.0, WORST, "lower", "1-Wasserstein of log1p counts, mean over genes"),
    Metric("log_variance_ratio", 0.0, WORST, "lower", "median over genes of |log variance ratio|"),
    Metric("zero_fraction_error", 0.0, 1.0, "lower", "mean over genes of |difference of zeros|"),
    Metric("correlation_agreement", 1.0, -1.0, "higher", "Pearson r of gene-gene correlations"),
    Metric("pit_distance", 0.0, 1.0, "lower", "Kolmogorov distance of the PIT, mean over genes"),
)


def score_population(
    predicted: sparse.csr_matrix,
    predicted_library: np.ndarray,
    observed: sparse.csr_matrix,
    observed_library: np.ndarray,
    control: sparse.csr_matrix,
    control_library: np.ndarray,
    target: float,
    rng: np.random.Generator,
) -> np.ndarray:
    """Return the values of `GENERATIVE_METRICS` for one perturbation, float64 [M].

    Columns are the gated genes. Both sides get as many cells (the larger is subsampled) and the
    same mean library (the deeper is thinned), so that neither number of cells nor depth counts.
    Distances between cells are taken on log1p(target · counts / library), everything else on
    counts. `control` only says which genes are expressed most. NaN with fewer than two cells.
    """
    sides = _equalised(predicted, predicted_library, observed, observed_library, target, rng)
    if sides is None:
        return np.full(len(GENERATIVE_METRICS), np.nan)
    first, second, cells = sides
    count = first.cells
    distance = pairwise_distances(cells)
    kolmogorov, wasserstein = count_distances(first, second)
    totals = np.bincount(control.indices, weights=control.data, minlength=control.shape[1])
    rate = totals / max(float(np.sum(control_library)), 1.0)
    leading = np.sort(np.argsort(-rate, kind="stable")[:CORRELATED_GENES])
    return np.array(
        [
            energy_distance(distance, count),
            mmd(distance, count),
            wasserstein.mean(),
            float(np.median(np.abs(log_variance_ratio(first, second)))),
            zero_fraction_error(first, second),
            correlation_agreement(cells[:count, leading], cells[count:, leading]),
            kolmogorov.mean(),
        ]
    )


def population_energy(
    predicted: sparse.csr_matrix,
    predicted_library: np.ndarray,
    observed: sparse.csr_matrix,
    observed_library: np.ndarray,
    target: float,
    rng: np.random.Generator,
) -> float:
    """Return the energy distance alone, exactly as `score_population` measures it."""
    sides = _equalised(predicted, predicted_library, observed, observed_library, target, rng)
    if sides is None:
        return float("nan")
    return energy_distance(pairwise_distances(sides[2]), sides[0].cells)


def _equalised(
    predicted: sparse.csr_matrix,
    predicted_library: np.ndarray,
    observed: sparse.csr_matrix,
    observed_library: np.ndarray,
    target: float,
    rng: np.random.Generator,
) -> tuple[Entries, Entries, np.ndarray] | None:
    """Return counts of both sides at equal cells and depth, and all cells log-normalised.

    Counts that thinning brings to nothing are dropped.
    """
    rows, columns = equal_cells(predicted, observed, rng)
    if len(rows) < 2:
        return None
    libraries = (
        np.asarray(predicted_library, dtype=np.float64)[rows],
        np.asarray(observed_library, dtype=np.float64)[columns],
    )
    shares = depth_shares(*libraries)
    first = _thinned(predicted, rows, shares[0], rng)
    second = _thinned(observed, columns, shares[1], rng)
    cells = [
        log_normalise(counts, share * library, target)
        for counts, share, library in zip((first, second), shares, libraries, strict=True)
    ]
    return first, second, np.vstack(cells)


def _thinned(
    counts: sparse.csr_matrix, rows: np.ndarray, share: float, rng: np.random.Generator
) -> Entries:
    chosen = Entries.of(counts if len(rows) == counts.shape[0] else counts[rows])
    return chosen.kept(thin(chosen.count, share, rng))


def log_variance_ratio(
    predicted: sparse.csr_matrix | np.ndarray | Entries,
    observed: sparse.csr_matrix | np.ndarray | Entries,
) -> np.ndarray:
    """Return log(predicted variance / observed variance) per gene, counts [cells, G].

    A variance below that of a single count in one cell is raised to it (1/n), so a silent gene
    has a finite ratio.
    """
    variances = []
    for side in map(Entries.of, (predicted, observed)):
        values = side.count.astype(np.float64)
        spread = side.per_gene(values * values) - side.per_gene(values) ** 2 / side.cells
        variances.append(np.maximum(spread / (side.cells - 1), 1.0 / side.cells))
    return np.log(variances[0] / variances[1])


def zero_fraction_error(
    predicted: sparse.csr_matrix | np.ndarray | Entries,
    observed: sparse.csr_matrix | np.ndarray | Entries,
) -> float:
    """Return the mean over genes of the absolute difference of the shares of zeros."""
    shares = [side.per_gene() / side.cells for side in map(Entries.of, (predicted, observed))]
    return float(np.abs(shares[0] - shares[1]).mean())


def correlation_agreement(predicted: np.ndarray, observed: np.ndarray) -> float:
    """Return the Pearson correlation of the gene-gene correlations of both sides.

    Genes that vary on neither side are left out, a gene that is constant on one side correlates
    0 with every other there; 0 with fewer than three genes or when one side has no correlation.
    """
    varies = (np.ptp(predicted, axis=0) > 0) | (np.ptp(observed, axis=0) > 0)
    if varies.sum() < 3:
        return 0.0
    first, second = (
        _off_diagonal(_correlations(side[:, varies])) for side in (predicted, observed)
    )
    scale = float(np.sqrt(np.vdot(first, first) * np.vdot(second, second)))
    return float(np.vdot(first, second)) / scale if scale > 0 else 0.0


def _off_diagonal(matrix: np.ndarray) -> np.ndarray:
    """Return the matrix less the mean of its off-diagonal entries, its diagonal 0."""
    np.fill_diagonal(matrix, 0.0)
    matrix -= matrix.sum() / (matrix.size - len(matrix))
    np.fill_diagonal(matrix, 0.0)
    return matrix


def _correlations(cells: np.ndarray) -> np.ndarray:
    """Return the correlation matrix of the columns, 0 for constant ones."""
    centred = cells - cells.mean(axis=0, dtype=np.float64)
    length = np.sqrt((centred * centred).sum(axis=0))
    unit = centred / np.where(length > 0, length, 1.0)
    return unit.T @ unit


def responders(control: np.ndarray, replicate: np.ndarray) -> np.ndarray:
    """Return which perturbations respond [P], from energy distances to the observed cells.

    Those whose control cells are more than `RESPONDS` times as far as a replicate; a NaN does
    not respond.
    """
    with np.errstate(invalid="ignore"):
        return np.asarray(control) > RESPONDS * np.asarray(replicate)
