"""Every effect-size score of a set of predicted states, computed for all perturbations at once."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial

import numpy as np

from gpjepa.evaluation import differential, effect
from gpjepa.evaluation.metric import Metric

EXPRESSED = 1000
DIFFERENTIAL = (20, 50, 100)
ROUNDING = 1e-9  # log1p units: what is closer than this is the same state

_GENES: Mapping[str, str] = {
    "": "scored genes",
    "_expressed": f"the {EXPRESSED} scored genes highest in control",
    **{f"_de{size}": f"the {size} most differential genes" for size in DIFFERENTIAL},
}
_REFERENCES: Mapping[str, str] = {
    "delta": "control",
    "perturbed": "the mean of the training perturbations",
}


def _metrics() -> Iterator[Metric]:
    for reference, what in _REFERENCES.items():
        for genes, where in _GENES.items():
            told = f"of differences from {what}, on {where}"
            yield Metric(f"pearson_{reference}{genes}", 1.0, -1.0, "higher", f"Pearson r {told}")
            yield Metric(f"r2_{reference}{genes}", 1.0, -np.inf, "higher", f"R² {told}")
    yield Metric("slope", 1.0, -np.inf, "target", "slope of true on predicted effects")
    yield Metric("norm_ratio", 1.0, np.inf, "target", "size of predicted over true effect")
    yield Metric("normalised_mae", 0.0, np.inf, "lower", "absolute error over absolute effect")
    yield Metric("l2", 0.0, np.inf, "lower", "distance of the effects, log1p units")
    yield Metric("mse_de20_ratio", 0.0, np.inf, "lower", "squared error over no change's, top 20")
    yield Metric("discrimination", 1.0, 0.0, "higher", "rank of the own truth by cosine")
    yield Metric("centroid_accuracy", 1.0, 0.0, "higher", "rank of the own truth by distance")
    for size in DIFFERENTIAL:
        yield Metric(f"overlap_{size}", 1.0, 0.0, "higher", f"shared part of the top {size} genes")
    yield Metric("direction_agreement", 1.0, 0.0, "higher", "right sign of significant genes")
    yield Metric("de_precision", 1.0, 0.0, "higher", "called genes that are significant")
    yield Metric("de_recall", 1.0, 0.0, "higher", "significant genes that are called")


EFFECT_METRICS = tuple(_metrics())


@dataclass(frozen=True, eq=False)
class EffectTruth:
    """What predicted states are compared with, on the scored genes.

    `state` [P, G] are the observed pseudobulks, `control` [G] that of the truth's own control
    cells, `reference` [G] the mean state of the training perturbations, `noise` [G] the standard
    error of the control's pseudobulk, `expressed` the genes highest in control, and
    `significant` [P, G] the observed differential genes, None where they were not tested.
    """

    state: np.ndarray
    control: np.ndarray
    reference: np.ndarray
    noise: np.ndarray
    expressed: np.ndarray
    significant: np.ndarray | None


def list_size(genes: int, size: int) -> int:
    """Return how many genes a list of `size` has when `genes` are scored: at most a fifth."""
    return max(1, min(size, genes // 5))


def highest(expression: np.ndarray, count: int = EXPRESSED) -> np.ndarray:
    """Return the ascending indices of the `count` highest values."""
    return np.sort(np.argsort(-expression, kind="stable")[:count])


def score_effects(
    state: np.ndarray, control: np.ndarray, calls: np.ndarray | None, truth: EffectTruth
) -> np.ndarray:
    """Score predicted states [P, G] on every metric of `EFFECT_METRICS`, [M, P].

    `control` [G] is the pseudobulk that the prediction is referred to; `calls` [P, G] marks the
    genes that differ significantly in the predicted cells, None without cells. Undefined scores
    are NaN, among them those of calls that are None.
    """
    predicted, observed = _difference(state, control), truth.state - truth.control
    ranks = np.abs(observed) / truth.noise
    top = {size: _top(ranks, size) for size in DIFFERENTIAL}
    scores: list[np.ndarray] = []
    pairs = (
        (predicted, observed),
        (_difference(state, truth.reference), truth.state - truth.reference),
    )
    for first, second in pairs:
        for select in _selections(top, truth.expressed):
            scores += [effect.pearson(select(first), select(second))]
            scores += [effect.r2(select(first), select(second))]
    for formula in (effect.slope, effect.norm_ratio, effect.normalised_mae, effect.l2):
        scores.append(formula(predicted, observed))
    first_list = top[DIFFERENTIAL[0]]
    scores.append(effect.mse_ratio(_take(predicted, first_list), _take(observed, first_list)))
    scores.append(effect.discrimination(predicted, observed))
    scores.append(effect.centroid_accuracy(state, truth.state))
    for size in DIFFERENTIAL:
        count = list_size(ranks.shape[1], size)
        scores.append(effect.overlap(predicted / truth.noise, ranks, count))
    scores += _calls(predicted, observed, calls, truth.significant)
    return np.stack(scores)


def _difference(state: np.ndarray, reference: np.ndarray) -> np.ndarray:
    """Subtract; what only rounding tells apart is 0, or a constant would be correlated."""
    difference = state - reference
    return np.where(np.abs(difference) < ROUNDING, 0.0, difference)


def _selections(
    top: Mapping[int, np.ndarray], expressed: np.ndarray
) -> Iterator[Callable[[np.ndarray], np.ndarray]]:
    yield lambda values: values
    yield lambda values: values[:, expressed]
    for size in DIFFERENTIAL:
        yield partial(_take, columns=top[size])


def _top(ranks: np.ndarray, size: int) -> np.ndarray:
    count = list_size(ranks.shape[1], size)
    return np.argpartition(-ranks, count - 1, axis=1)[:, :count]


def _take(values: np.ndarray, columns: np.ndarray) -> np.ndarray:
    return np.take_along_axis(values, columns, axis=1)


def _calls(
    predicted: np.ndarray,
    observed: np.ndarray,
    calls: np.ndarray | None,
    significant: np.ndarray | None,
) -> list[np.ndarray]:
    nothing = np.full(len(observed), np.nan)
    if significant is None:
        return [nothing] * 3
    agreement = differential.direction_agreement(predicted, observed, significant)
    if calls is None:
        return [agreement, nothing, nothing]
    return [
        agreement,
        differential.precision(calls, significant),
        differential.recall(calls, significant),
    ]
