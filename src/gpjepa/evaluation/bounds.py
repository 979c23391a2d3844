"""Floor and ceiling of every score: what knowing nothing and what a second measurement gets."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from gpjepa.core.random import numpy_stream
from gpjepa.evaluation.metric import Metric
from gpjepa.evaluation.population import Population
from gpjepa.evaluation.pseudobulk import group_pseudobulk

SPLITS = 10
TAIL = 0.025


@dataclass(frozen=True, eq=False)
class Replicate:
    """Two halves of the observed cells, each with its own half of the control cells.

    States are pseudobulks [P, G], controls [G]; a perturbation of one cell is NaN. `cells` and
    `control_cells` give every cell's half, 0 or 1, and -1 for cells in none.
    """

    first: np.ndarray
    second: np.ndarray
    first_control: np.ndarray
    second_control: np.ndarray
    cells: np.ndarray
    control_cells: np.ndarray


@dataclass(frozen=True, eq=False)
class ReplicateEffects:
    """Effects [R, P, G] of both halves over R random splits, log1p units."""

    first: np.ndarray
    second: np.ndarray


@dataclass(frozen=True, eq=False)
class Bounds:
    """Floor and ceiling per metric and perturbation, arrays [M, P].

    `low` and `high` hold the middle 95 % of the ceiling over random half-samples; `worst` the
    end of that interval on which the metric is worse, as a loss.
    """

    floor: np.ndarray
    ceiling: np.ndarray
    low: np.ndarray
    high: np.ndarray
    worst: np.ndarray


def replicate_halves(codes: np.ndarray, groups: int, rng: np.random.Generator) -> np.ndarray:
    """Deal the cells of every group at random into halves 0 and 1 whose sizes differ by ≤ 1.

    Cells of a group of one, and cells with code -1, are in neither: -1.
    """
    codes = np.asarray(codes, dtype=np.int64)
    order = np.lexsort((rng.random(codes.size), codes))
    ordered = codes[order]
    place = np.arange(codes.size) - np.searchsorted(ordered, ordered)
    halves = np.full(codes.size, -1, dtype=np.int64)
    halves[order] = (place + rng.integers(0, 2, size=groups + 1)[ordered]) % 2
    sizes = np.bincount(codes[codes >= 0], minlength=groups)
    lone = (codes < 0) | (sizes[np.maximum(codes, 0)] < 2)
    halves[lone] = -1
    return halves


def replicates(
    perturbed: Population,
    controls: Population,
    perturbations: Sequence[str],
    target: float,
    splits: int = SPLITS,
    seed: int = 0,
) -> Iterator[Replicate]:
    """Yield random splits of the observed cells into halves with disjoint control halves."""
    codes, groups = perturbed.codes(perturbations), len(perturbations)
    rng = numpy_stream(seed, "replicates")
    for _ in range(splits):
        cells = replicate_halves(codes, groups, rng)
        control_cells = replicate_halves(np.zeros(controls.n_cells, dtype=np.int64), 1, rng)
        states = _both(perturbed, np.where(cells < 0, -1, codes + groups * cells), groups, target)
        control = _both(controls, control_cells, 1, target)
        yield Replicate(*states, control[0][0], control[1][0], cells, control_cells)


def replicate_effects(
    perturbed: Population,
    controls: Population,
    perturbations: Sequence[str],
    target: float,
    splits: int = SPLITS,
    seed: int = 0,
) -> ReplicateEffects:
    """Return the effects of both halves over all splits; NaN where a perturbation has one cell."""
    halves = list(replicates(perturbed, controls, perturbations, target, splits, seed))
    return ReplicateEffects(
        np.stack([half.first - half.first_control for half in halves]),
        np.stack([half.second - half.second_control for half in halves]),
    )


def make_bounds(
    metrics: Sequence[Metric], floors: Sequence[np.ndarray], replicate: np.ndarray
) -> Bounds:
    """Combine floors, arrays [M, P], and replicate scores [R, M, P].

    The floor is the one of the given floors that is better on average, per metric: the better one
    of each perturbation would be chosen by looking at the truth, and no predictor could reach it.
    """
    floor = np.array(floors[0], dtype=np.float64)
    worst = np.full(floor.shape, np.nan)
    for row, metric in enumerate(metrics):
        floor[row] = _better_on_average(metric, [each[row] for each in floors])
        scores = replicate[:, row]
        losses = np.where(np.isnan(scores), np.nan, metric.loss(scores))
        worst[row] = _quantile(losses, 1.0 - TAIL)
    low, high = _quantile(replicate, TAIL), _quantile(replicate, 1.0 - TAIL)
    return Bounds(floor, mean_known(replicate), low, high, worst)


def _better_on_average(metric: Metric, floors: Sequence[np.ndarray]) -> np.ndarray:
    """Return the floor [P] with the smallest mean loss over what all of them define."""
    known = ~np.isnan(np.stack(floors)).any(0)
    losses = [float(metric.loss(floor[known]).mean()) if known.any() else 0.0 for floor in floors]
    return floors[int(np.argmin(losses))]


def mean_known(values: np.ndarray) -> np.ndarray:
    """Return the mean over the first axis of what is not NaN; NaN where nothing is."""
    known = (~np.isnan(values)).sum(0)
    with np.errstate(invalid="ignore"):
        total = np.nansum(values, axis=0)
    return np.where(known > 0, total / np.maximum(known, 1), np.nan)


def skill(metrics: Sequence[Metric], values: np.ndarray, bounds: Bounds) -> np.ndarray:
    """Return (value − floor) / (replicate − floor) per metric and perturbation, [M, P].

    0 is the better of no change and training mean, 1 a second measurement of half the cells;
    nothing is clipped. All three must have been scored against the same truth. For metrics with
    an inner optimum the distances from it are compared.
    NaN, undefined, where the ceiling's interval reaches the floor or a score is not defined.
    """
    result = np.full(values.shape, np.nan)
    for row, metric in enumerate(metrics):
        floor, ceiling = metric.loss(bounds.floor[row]), metric.loss(bounds.ceiling[row])
        undefined = np.isnan(values[row]) | np.isnan(bounds.floor[row])
        undefined |= ~(bounds.worst[row] < floor) | ~(ceiling < floor) | ~np.isfinite(floor)
        with np.errstate(invalid="ignore"):
            room = np.where(undefined, 1.0, floor - ceiling)
            gained = (floor - metric.loss(values[row])) / room
        result[row] = np.where(undefined, np.nan, gained)
    return result


def _both(
    cells: Population, codes: np.ndarray, groups: int, target: float
) -> tuple[np.ndarray, np.ndarray]:
    states = group_pseudobulk(cells.counts, cells.library, codes, 2 * groups, target)
    return states[:groups], states[groups:]


def _quantile(values: np.ndarray, level: float) -> np.ndarray:
    """Return the quantile over the first axis; NaN where nothing but NaN is there."""
    known = ~np.isnan(values)
    whole, some = known.all(0), known.any(0)
    result = np.full(values.shape[1:], np.nan)
    result[whole] = np.quantile(values[:, whole], level, axis=0)
    result[some & ~whole] = np.nanquantile(values[:, some & ~whole], level, axis=0)
    return result
