"""What is known of each training perturbation: its observed effect and how well."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from gpjepa.data.disk_counts import Counts
from gpjepa.data.labels import CONTROL
from gpjepa.evaluation.pseudobulk import count_resolution, group_estimate, group_pseudobulk
from gpjepa.training.shrinkage import Posterior, empirical_bayes

ERROR_FLOOR = 0.02  # log1p units: no pseudobulk is trusted further
LEAST_DRAWN = 1e-8  # sampling variance of a control pseudobulk


@dataclass(frozen=True, eq=False)
class MeasuredEffects:
    """Observed effects [P, G] in log1p pseudobulk units with standard errors.

    `error` is of the perturbed pseudobulk alone; `control_error` [G] of the control's, which all
    rows share. Controls are matched to each perturbation's strata (cell type, batch).
    """

    labels: tuple[str, ...]
    effect: np.ndarray
    error: np.ndarray
    control_error: np.ndarray
    cells: np.ndarray

    @cached_property
    def posterior(self) -> Posterior:
        """Return the effects given their noisy measurements; estimated once.

        What all effects share is told from the control's sampling noise alone: the floor says
        how far a pseudobulk is trusted, not what many control cells still draw in common.
        """
        drawn = np.maximum(self.control_error**2 - ERROR_FLOOR**2, LEAST_DRAWN)
        return empirical_bayes(self.effect, self.error**2, drawn)

    def take(self, rows: np.ndarray) -> MeasuredEffects:
        """Return the perturbations at `rows`."""
        return MeasuredEffects(
            tuple(self.labels[row] for row in rows),
            self.effect[rows],
            self.error[rows],
            self.control_error,
            self.cells[rows],
        )

    def beside(self, other: MeasuredEffects) -> MeasuredEffects:
        """Return these perturbations and then others, measured against the same controls."""
        return MeasuredEffects(
            (*self.labels, *other.labels),
            np.concatenate((self.effect, other.effect)),
            np.concatenate((self.error, other.error)),
            self.control_error,
            np.concatenate((self.cells, other.cells)),
        )


def measure_effects(
    counts: Counts,
    library: np.ndarray,
    labels: np.ndarray,
    strata: np.ndarray,
    target: float,
    order: tuple[str, ...],
) -> MeasuredEffects:
    """Measure the effects of the perturbations in `order` against matched controls."""
    position = {label: index for index, label in enumerate(order)}
    codes = np.array([position.get(label, -1) for label in labels])
    controls = labels == CONTROL
    groups = len(order)
    perturbed, error = _estimate(counts, library, codes, groups, target)
    base, control_error = _estimate(counts, library, np.where(controls, 0, -1), 1, target)
    matched = _matched_controls(counts, library, codes, controls, strata, target, groups, base[0])
    size = np.bincount(codes[codes >= 0], minlength=groups)
    return MeasuredEffects(order, perturbed - matched, error, control_error[0], size)


def _estimate(
    counts: Counts, library: np.ndarray, codes: np.ndarray, groups: int, target: float
) -> tuple[np.ndarray, np.ndarray]:
    """Return pseudobulks and standard errors that never claim more than one count's resolution."""
    level, error = group_estimate(counts, library, codes, groups, target)
    total = np.bincount(codes[codes >= 0], weights=library[codes >= 0], minlength=groups)
    resolution = count_resolution(total[:, None], target, level)
    return level, np.sqrt(np.nan_to_num(error, nan=1.0) ** 2 + resolution**2 + ERROR_FLOOR**2)


def _matched_controls(
    counts: Counts,
    library: np.ndarray,
    codes: np.ndarray,
    controls: np.ndarray,
    strata: np.ndarray,
    target: float,
    groups: int,
    overall: np.ndarray,
) -> np.ndarray:
    """Return each perturbation's control pseudobulk, strata weighted as in its own cells."""
    names, stratum = np.unique(strata, return_inverse=True)
    if len(names) == 1:
        return np.repeat(overall[None, :], groups, axis=0)
    per_stratum = group_pseudobulk(
        counts, library, np.where(controls, stratum, -1), len(names), target
    )
    share = np.expm1(np.where(np.isnan(per_stratum), overall, per_stratum))
    weight = np.zeros((groups, len(names)))
    inside = codes >= 0
    np.add.at(weight, (codes[inside], stratum[inside]), library[inside])
    weight /= np.maximum(weight.sum(axis=1, keepdims=True), 1e-12)
    return np.log1p(weight @ share)
