"""How a double effect relates to its two single effects: robust fit and distance correlations.

Source: Norman et al. 2019, Science 365:786 (the measures from which the classes were drawn);
Roohani et al. 2024 (GEARS) for their use on predictions.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from gpjepa.core.errors import DataError
from gpjepa.core.random import numpy_stream
from gpjepa.evaluation.effect import pearson

MOST_SUBSETS = 100_000  # pairs of genes behind a fit; all of them up to 447 genes
STEPS = 100
PRECISION = 1e-9


@dataclass(frozen=True, eq=False)
class InteractionMeasures:
    """Measures of K pairs, arrays [K], NaN where an effect holds a NaN.

    `first` and `second` are c₁ and c₂ of δ_ab ≈ c₁ δ_a + c₂ δ_b; `magnitude` √(c₁² + c₂²);
    `fit_correlation` Pearson's r and `fit_distance_correlation` the distance correlation of δ_ab
    with the fit; `similarity` the distance correlation of (δ_a, δ_b) with δ_ab and
    `singles_similarity` that of δ_a with δ_b; `equality` the smaller over the larger distance
    correlation of a single with the double; `dominance` |log₁₀(|c₁|/|c₂|)|.
    """

    first: np.ndarray
    second: np.ndarray
    magnitude: np.ndarray
    fit_correlation: np.ndarray
    fit_distance_correlation: np.ndarray
    similarity: np.ndarray
    singles_similarity: np.ndarray
    equality: np.ndarray
    dominance: np.ndarray


def interaction_measures(
    singles: np.ndarray, doubles: np.ndarray, subsets: int = MOST_SUBSETS
) -> InteractionMeasures:
    """Measure pairs from effects of their singles [K, 2, G] and of the doubles [K, G].

    A double without any effect fits with c₁ = c₂ = 0: correlations 0, equal contributions (1),
    no dominance (0). `subsets` is the most pairs of genes that a fit looks at.

    Raises:
        DataError: fewer than three genes, or shapes that do not go together.
    """
    if singles.shape != (len(doubles), 2, doubles.shape[1]) or doubles.shape[1] < 3:
        raise DataError(
            f"singles have shape {singles.shape} and doubles {doubles.shape}; expected [pairs, 2, "
            "genes] and [pairs, genes] with at least 3 genes; pass effects on the same genes"
        )
    chosen = gene_pairs(doubles.shape[1], subsets)
    rows = [
        _measure(pair[0], pair[1], double, chosen)
        for pair, double in zip(singles, doubles, strict=True)
    ]
    columns = np.array(rows, dtype=np.float64).reshape(len(rows), 9).T
    return InteractionMeasures(*columns)


def gene_pairs(genes: int, most: int = MOST_SUBSETS) -> tuple[np.ndarray, np.ndarray]:
    """Return the pairs of genes of a fit: all, or at most `most` drawn always the same way.

    When there are too many, each shift of a fixed random circle of the genes adds one pair of
    every gene with another, so that every gene is in equally many.
    """
    if genes * (genes - 1) // 2 <= most:
        return np.triu_indices(genes, 1)
    circle = numpy_stream(0, "pairs of genes", genes).permutation(genes)
    shifts = range(1, max(1, most // genes) + 1)
    left = np.tile(circle, len(shifts))
    right = np.concatenate([np.roll(circle, -shift) for shift in shifts])
    return left, right


def theil_sen(
    first: np.ndarray,
    second: np.ndarray,
    double: np.ndarray,
    subsets: tuple[np.ndarray, np.ndarray],
) -> tuple[float, float]:
    """Return c₁, c₂ of δ_ab ≈ c₁ δ_a + c₂ δ_b without intercept, robustly.

    Every pair of genes solves for the two coefficients exactly; the fit is the spatial median
    of the solutions, the point with the smallest sum of distances to them. Pairs of genes on
    which the singles are proportional solve nothing and are left out; (0, 0) when all are.

    Source: Dang, Peng, Wang & Zhang 2008, "Theil-Sen estimators in a multiple linear
    regression model", as in scikit-learn's TheilSenRegressor.
    """
    i, j = subsets
    determinant = first[i] * second[j] - first[j] * second[i]
    scale = np.abs(first).max() * np.abs(second).max()
    keep = np.abs(determinant) > 1e-12 * scale
    i, j, determinant = i[keep], j[keep], determinant[keep]
    if not determinant.size:
        return 0.0, 0.0
    x = (double[i] * second[j] - double[j] * second[i]) / determinant
    y = (first[i] * double[j] - first[j] * double[i]) / determinant
    return spatial_median(x, y)


def spatial_median(x: np.ndarray, y: np.ndarray) -> tuple[float, float]:
    """Return the point with the smallest sum of distances to points in the plane.

    Newton steps on the convex sum; where one does not lessen it, Weiszfeld's step, which does.
    Starts at the medians of the coordinates.
    """
    point = np.array([np.median(x), np.median(y)])
    total = _total(x, y, point)
    for _ in range(STEPS):
        newton, weiszfeld = _steps(x, y, point)
        step, left = newton, _total(x, y, point + newton)
        if not left <= total:
            step, left = weiszfeld, _total(x, y, point + weiszfeld)
        if not left <= total:
            break
        point, total = point + step, left
        if np.abs(step).max() <= PRECISION * max(1.0, float(np.abs(point).max())):
            break
    return float(point[0]), float(point[1])


def _total(x: np.ndarray, y: np.ndarray, point: np.ndarray) -> float:
    return float(np.sqrt((x - point[0]) ** 2 + (y - point[1]) ** 2).sum())


def _steps(x: np.ndarray, y: np.ndarray, point: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return Newton's and Weiszfeld's step; points that are hit do not pull."""
    dx, dy = x - point[0], y - point[1]
    distance = np.sqrt(dx * dx + dy * dy)
    away = distance > 0
    weight = np.where(away, 1.0 / np.where(away, distance, 1.0), 0.0)
    ux, uy = dx * weight, dy * weight
    pull = np.array([ux.sum(), uy.sum()])
    xx, yy, xy = (uy * uy * weight).sum(), (ux * ux * weight).sum(), -(ux * uy * weight).sum()
    volume = xx * yy - xy * xy
    weiszfeld = pull / max(float(weight.sum()), 1e-300)
    if not volume > 0:
        return weiszfeld, weiszfeld
    return np.array([yy * pull[0] - xy * pull[1], xx * pull[1] - xy * pull[0]]) / volume, weiszfeld


def distance_correlation(left: np.ndarray, right: np.ndarray) -> float:
    """Return the distance correlation of two samples [G] or [G, D], in 0…1; 0 if one is constant.

    √(dCov²(X, Y) / √(dVar²(X) dVar²(Y))) from doubly centred Euclidean distances (V-statistic).

    Source: Székely, Rizzo & Bakirov 2007, Annals of Statistics 35:2769.
    """
    return _correlate(_Away.of(distances(left)), _Away.of(distances(right)))


def distances(sample: np.ndarray) -> np.ndarray:
    """Return the Euclidean distances [G, G] between the rows of a sample [G] or [G, D]."""
    columns = sample.reshape(len(sample), -1).T
    if len(columns) == 1:
        return np.abs(columns[0][:, None] - columns[0])
    return np.sqrt(sum((column[:, None] - column) ** 2 for column in columns))


def _measure(
    first: np.ndarray,
    second: np.ndarray,
    double: np.ndarray,
    subsets: tuple[np.ndarray, np.ndarray],
) -> tuple[float, ...]:
    """Return the measures of one pair, in the order of `InteractionMeasures`."""
    if not np.isfinite([first, second, double]).all():
        return (float("nan"),) * 9
    c1, c2 = theil_sen(first, second, double, subsets)
    fit = c1 * first + c2 * second
    away = [distances(effect) for effect in (first, second)]
    one, two = (_Away.of(matrix) for matrix in away)
    both = _Away.of(np.sqrt(away[0] ** 2 + away[1] ** 2))
    whole, fitted = _Away.of(distances(double)), _Away.of(distances(fit))
    shares = sorted((_correlate(one, whole), _correlate(two, whole)))
    size = sorted((abs(c1), abs(c2)))
    with np.errstate(divide="ignore"):
        dominance = float(np.log10(size[1]) - np.log10(size[0])) if size[1] > 0 else 0.0
    return (
        c1,
        c2,
        float(np.hypot(c1, c2)),
        float(pearson(fit, double)),
        _correlate(fitted, whole),
        _correlate(both, whole),
        _correlate(one, two),
        shares[0] / shares[1] if shares[1] > 0 else 1.0,
        dominance,
    )


@dataclass(frozen=True, eq=False)
class _Away:
    """Distances [G, G] with the means of their rows [G]."""

    matrix: np.ndarray
    rows: np.ndarray

    @staticmethod
    def of(matrix: np.ndarray) -> _Away:
        """Summarise symmetric distances."""
        return _Away(matrix, matrix.mean(axis=0))

    @cached_property
    def square(self) -> float:
        """Return the product with itself."""
        return max(self.times(self), 0.0)

    def times(self, other: _Away) -> float:
        """Return Σ AB of both as if doubly centred.

        Σ AB − 2G Σ āb̄ + G² m(a) m(b), with row means ā, b̄ and their means m, needs no centred
        copies. einsum, as a threaded BLAS waits for other processes' cores.
        """
        size = len(self.rows)
        plain = float(np.einsum("ij,ij->", self.matrix, other.matrix))
        by_row = float(np.einsum("i,i->", self.rows, other.rows))
        return plain - 2.0 * size * by_row + size**2 * float(self.rows.mean() * other.rows.mean())


def _correlate(left: _Away, right: _Away) -> float:
    """Return the distance correlation of two samples."""
    spread = np.sqrt(left.square * right.square)
    return float(np.sqrt(max(left.times(right), 0.0) / spread)) if spread > 0 else 0.0
