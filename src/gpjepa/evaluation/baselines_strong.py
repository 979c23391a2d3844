"""The strong baseline: denoised, rescaled sums plus a kernel on the pair of member effects."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations, product

import numpy as np

from gpjepa.data.labels import members_of
from gpjepa.evaluation.baselines_simple import NOT_FITTED, MatchingMean, fit_factor
from gpjepa.evaluation.effect_table import EffectTable

DIRECTIONS = (20, 50, 80, 120)
BANDWIDTHS = (0.5, 0.7, 1.0, 2.0)  # in units of the median distance between singles
RIDGES = (0.3, 1.0, 3.0)  # noise variance of the kernel's residual, prior variance 1
PRIOR_DOUBLES = 5.0  # doubles' worth of pull of each direction's factor towards the shared one
FOLDS = 5
FEWEST_DOUBLES = 8  # below this nothing is chosen and the defaults hold


@dataclass(frozen=True)
class StrongSettings:
    """What is chosen on validation doubles."""

    directions: int = 50
    bandwidth: float = 0.7
    ridge: float = 1.0


@dataclass(frozen=True, eq=False)
class StrongFit:
    """The parts of a fitted strong baseline, D directions, N training doubles, S singles."""

    basis: np.ndarray  # [D, G], orthonormal rows
    factors: np.ndarray  # [D]
    single_row: dict[str, int]
    singles: np.ndarray  # [S, D], effects of the singles along the directions
    anchors: np.ndarray  # int64 [N, 2], singles of the training doubles
    weights: np.ndarray  # [N, D], kernel weights of the residuals
    width: float  # bandwidth of the Gaussian, effect units

    def effects(self, labels: Sequence[str]) -> np.ndarray:
        """Return effects [labels, G] for labels whose members all have singles."""
        coordinates = np.zeros((len(labels), len(self.factors)))
        owners, queries = [], []
        for index, label in enumerate(labels):
            rows = [self.single_row[member] for member in members_of(label)]
            total = self.singles[rows].sum(axis=0)
            coordinates[index] = total * self.factors if len(rows) > 1 else total
            for pair in combinations(rows, 2):
                owners.append(index)
                queries.append(pair)
        if queries and len(self.anchors):
            kernel = pair_kernel(self.singles, np.asarray(queries), self.anchors, self.width)
            np.add.at(coordinates, owners, kernel @ self.weights)
        return coordinates @ self.basis


@dataclass(frozen=True, eq=False)
class Strong:
    """Predict combinations by factors and a kernel along the leading training directions.

    Labels with a member that has no single are left to the matching mean. A measured single is
    its own effect along the directions.
    """

    fallback: MatchingMean
    fit: StrongFit
    settings: StrongSettings
    name: str = "strong"
    fitted: bool = True
    notes: tuple[str, ...] = ()

    def effects(self, labels: Sequence[str]) -> np.ndarray:
        """Return effects [labels, G], never NaN."""
        result = self.fallback.effects(labels)
        known = [i for i, label in enumerate(labels) if self.fallback.table.single_rows(label)]
        if known:
            result[known] = self.fit.effects([labels[index] for index in known])
        return result


def pair_kernel(
    singles: np.ndarray, left: np.ndarray, right: np.ndarray, width: float
) -> np.ndarray:
    """Return the symmetric Gaussian kernel between pairs of members [left, right], 1 on itself.

    k({a,b},{c,d}) is g(a,c)g(b,d) + g(a,d)g(b,c), normalised by its own diagonal.
    """
    squares = (singles * singles).sum(axis=1)
    distance = squares[:, None] + squares[None] - 2 * singles @ singles.T
    gauss = np.exp(-np.maximum(distance, 0.0) / (2 * width**2))

    def norm(pairs: np.ndarray) -> np.ndarray:
        return np.sqrt(1 + gauss[pairs[:, 0], pairs[:, 1]] ** 2)

    straight = gauss[np.ix_(left[:, 0], right[:, 0])] * gauss[np.ix_(left[:, 1], right[:, 1])]
    crossed = gauss[np.ix_(left[:, 0], right[:, 1])] * gauss[np.ix_(left[:, 1], right[:, 0])]
    return (straight + crossed) / np.outer(norm(left), norm(right))


def leading_directions(effects: np.ndarray) -> np.ndarray:
    """Return the right singular vectors of the effects [rank, G], strongest first."""
    _, values, basis = np.linalg.svd(effects, full_matrices=False)
    return basis[values > 1e-9 * max(values[0], 1e-300)] if len(values) else basis


def fit_parts(table: EffectTable, basis: np.ndarray, settings: StrongSettings) -> StrongFit:
    """Fit factors and kernel weights along the first directions of `basis`."""
    basis = basis[: settings.directions]
    names = [label for label in table.labels if len(members_of(label)) == 1]
    rows = np.array([table.row[name] for name in names], dtype=np.int64)
    singles = table.effects[rows] @ basis.T
    position = np.full(len(table.labels), -1)
    position[rows] = np.arange(len(rows))
    pairs = table.pairs
    anchors = position[pairs.singles]
    sums = singles[anchors].sum(axis=1)
    doubles = table.effects[pairs.rows] @ basis.T
    factors = direction_factors(sums, doubles)
    width = settings.bandwidth * median_distance(singles)
    weights = np.zeros((len(anchors), len(basis)))
    if len(anchors):
        kernel = pair_kernel(singles, anchors, anchors, width)
        noisy = kernel + settings.ridge * np.eye(len(anchors))
        weights = np.linalg.solve(noisy, doubles - factors * sums)
    lookup = {name: index for index, name in enumerate(names)}
    return StrongFit(basis, factors, lookup, singles, anchors, weights, width)


def direction_factors(
    sums: np.ndarray, doubles: np.ndarray, prior_doubles: float = PRIOR_DOUBLES
) -> np.ndarray:
    """Return one factor per direction [D], pulled towards the factor that all would share.

    The pull is what `prior_doubles` doubles of average strength would exert, so a direction in
    which the sums hardly vary keeps the shared factor.
    """
    if not len(sums):
        return np.ones(sums.shape[1])
    shared = fit_factor(sums, doubles)
    strength = (sums * sums).sum(axis=0)
    pull = prior_doubles * strength.mean() / len(sums)
    if pull == 0:
        return np.ones(sums.shape[1])
    return ((sums * doubles).sum(axis=0) + pull * shared) / (strength + pull)


def fit_strong(
    table: EffectTable, validation: EffectTable | None = None, *, seed: int = 0
) -> Strong:
    """Fit the strong baseline on training singles and doubles.

    Settings are chosen on the validation doubles that have both singles in `table`, else by
    cross-validation inside the training doubles; with them chosen, validation doubles are fitted
    as well. Without any double it is the sum.
    """
    fallback = MatchingMean(table)
    usable = [] if validation is None else table.composed_in(validation)
    whole = table if validation is None else table.beside(validation, usable)
    basis = leading_directions(whole.effects)
    count, learned = len(table.pairs.rows), len(whole.pairs.rows)
    if not learned:
        settings = StrongSettings(directions=len(basis))
        parts = fit_parts(table, basis, settings)
        note = f"{NOT_FITTED}; the sum of the members"
        return Strong(fallback, parts, settings, fitted=False, notes=(note,))
    if count >= FEWEST_DOUBLES and usable and validation is not None:
        truth = validation.effects[[validation.row[label] for label in usable]]
        settings = _choose([(table, usable, truth)])
        how = f"chosen on {len(usable)} validation doubles"
    elif count >= FEWEST_DOUBLES:
        settings = _choose(_folds(table, seed))
        how = f"chosen by {FOLDS}-fold cross-validation of {count} training doubles"
    else:
        settings = StrongSettings()
        how = f"defaults: only {count} training doubles"
    if learned > count:
        how += f", fitted on all {learned} doubles"
    note = (
        f"{min(settings.directions, len(basis))} directions, bandwidth {settings.bandwidth:g}, "
        f"ridge {settings.ridge:g}, {how}; members without a single: matching mean"
    )
    return Strong(fallback, fit_parts(whole, basis, settings), settings, notes=(note,))


Task = tuple[EffectTable, list[str], np.ndarray]


def _choose(tasks: list[Task]) -> StrongSettings:
    """Return the settings with the smallest mean distance relative to the sum's."""
    grid = [StrongSettings(*values) for values in product(DIRECTIONS, BANDWIDTHS, RIDGES)]
    losses = np.zeros(len(grid))
    for table, labels, truth in tasks:
        basis = leading_directions(table.effects)
        scale = np.linalg.norm(table.sums(labels) - truth, axis=1)
        scale = np.where(scale > 0, scale, 1.0)
        for index, settings in enumerate(grid):
            predicted = fit_parts(table, basis, settings).effects(labels)
            losses[index] += (np.linalg.norm(predicted - truth, axis=1) / scale).sum()
    return grid[int(losses.argmin())]


def _folds(table: EffectTable, seed: int) -> list[Task]:
    """Split the training doubles into folds, each predicted from the rest of the table."""
    rows = np.random.default_rng(seed).permutation(table.pairs.rows)
    tasks = []
    for fold in np.array_split(rows, FOLDS):
        labels = [table.labels[row] for row in fold]
        tasks.append((table.without(fold), labels, table.effects[fold]))
    return tasks


def median_distance(points: np.ndarray) -> float:
    """Return the median distance between different points, 1 when there are fewer than two."""
    from scipy.spatial.distance import pdist

    distances = pdist(points)
    median = float(np.median(distances)) if len(distances) else 0.0
    return median if median > 0 else 1.0
