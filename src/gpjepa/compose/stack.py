"""Weighing several ways to compose by how well each predicts doubles that it has not seen."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from gpjepa.compose.candidates import FEWEST_DOUBLES, Candidate, Recipe, fit_candidate
from gpjepa.compose.members import Alone
from gpjepa.compose.recall_fit import LeftOut, fit_recall
from gpjepa.evaluation.baselines_strong import (
    PRIOR_DOUBLES,
    leading_directions,
    median_distance,
)
from gpjepa.evaluation.effect_table import EffectTable
from gpjepa.model.recall import Recall, no_recall
from gpjepa.model.stacked import StackedComposition

RECIPES = (
    Recipe(1.0, "evidence"),
    Recipe(1.0, "evidence", pull=20.0),
    Recipe(0.75, "loo"),
    Recipe(0.75, None),
)
ADDITIVE, NO_CHANGE = "additive", "no change"
FOLDS = 5
STEPS, RATE = 400, 0.05


@dataclass(frozen=True, eq=False)
class HeldOut:
    """Doubles predicted by candidates that had not seen them."""

    labels: tuple[str, ...]
    truth: np.ndarray  # [N, G]
    predicted: np.ndarray  # [C, N, G]
    scale: np.ndarray  # [N], the additive model's error
    doubt: np.ndarray  # [C - 2, N], of the candidates alone


@dataclass(frozen=True, eq=False)
class Stack:
    """Fitted candidates and their weights, the last two of the sum and of no change.

    Their mean is drawn towards measured states by `recall`. `held_out` and `errors`, those of the
    whole stack on doubles left out, are None when there were too few doubles to compare anything.
    """

    candidates: tuple[Candidate, ...]
    weights: np.ndarray
    held_out: HeldOut | None
    basis: np.ndarray  # [D, G], all directions; each candidate uses the first of them
    recall: Recall
    errors: np.ndarray | None  # [N, G], rows as in `held_out`

    def module(self) -> StackedComposition:
        """Return what composes along the directions `basis`."""
        parts = [candidate.composition for candidate in self.candidates]
        return StackedComposition(parts, torch.from_numpy(self.weights), self.recall)

    def predict(self, alone: Alone, labels: Sequence[str]) -> np.ndarray:
        """Return effects [labels, G], the weighted mean of the candidates'."""
        composed = self.module()(alone.members(labels, self.basis))
        return np.asarray((composed.first_order + composed.second_order).numpy() @ self.basis)

    def alone(self, alone: Alone, labels: Sequence[str]) -> np.ndarray:
        """Return what the sum would be [labels, G]: the members' effects, denoised alike."""
        own = [candidate.alone(alone, labels) for candidate in self.candidates]
        own.append(alone.sums(labels))
        weights = self.weights[:-1] / max(self.weights[:-1].sum(), 1e-300)
        return np.tensordot(weights, np.stack(own), axes=1)

    def doubt(self, alone: Alone, labels: Sequence[str]) -> np.ndarray:
        """Return how far off each prediction may be [labels], up to a factor."""
        own = np.stack([each.doubt(alone, labels) for each in self.candidates])
        return self.mixed(own)

    def mixed(self, doubt: np.ndarray) -> np.ndarray:
        """Return the candidates' doubts [C - 2, N] averaged by their weights."""
        weights = self.weights[: len(self.candidates)] + 1e-9
        return np.tensordot(weights / weights.sum(), doubt, axes=1)

    @property
    def names(self) -> tuple[str, ...]:
        """Say what each weight belongs to."""
        told = [
            f"{len(each.basis)} directions, {each.recipe.objective or 'no'} kernel"
            + (", factors held together" if each.recipe.pull > PRIOR_DOUBLES else "")
            for each in self.candidates
        ]
        return (*told, ADDITIVE, NO_CHANGE)


def _each(candidates: Sequence[Candidate], alone: Alone, labels: Sequence[str]) -> np.ndarray:
    """Return the predictions [C, labels, G] of candidates, the sum and no change."""
    sums = alone.sums(labels)
    own = [candidate.predict(alone, labels) for candidate in candidates]
    return np.stack([*own, sums, np.zeros_like(sums)])


def fit_stack(table: EffectTable, alone: Alone, seed: int = 0) -> Stack:
    """Fit every candidate on the whole table and weigh them on doubles left out in turn.

    With fewer than `FEWEST_DOUBLES` doubles there is nothing to compare on: the rescaled sum
    along the leading directions stands alone.
    """
    rows = table.pairs.rows
    if len(rows) < FEWEST_DOUBLES:
        only = fit_candidate(table, alone, Recipe(share_of_signal(table), None))
        weight = np.array([1.0, 0.0, 0.0])
        return Stack((only,), weight, None, only.basis, no_recall(len(only.basis)), None)
    held_out = leave_out(table, alone, seed)
    weights = simplex_weights(held_out)
    fitted = tuple(fit_candidate(table, alone, recipe) for recipe in RECIPES)
    basis = leading_directions(table.effects)
    recall, errors = _recall(table, alone, held_out, weights, basis)
    return Stack(fitted, weights, held_out, basis, recall, errors)


def _recall(
    table: EffectTable, alone: Alone, held_out: HeldOut, weights: np.ndarray, basis: np.ndarray
) -> tuple[Recall, np.ndarray]:
    """Return the recall of measured states, and the errors of the doubles left out after it."""
    mixed = np.tensordot(weights, held_out.predicted, axes=1)
    inside = mixed @ basis.T
    rows = [table.row[label] for label in held_out.labels]
    left_out = LeftOut(
        torch.from_numpy(inside),
        torch.from_numpy(held_out.truth @ basis.T),
        torch.from_numpy(held_out.scale),
        torch.tensor(rows),
    )
    unit = median_distance(alone.effects[alone.measured] @ basis.T)
    recall, moved = fit_recall(left_out, torch.from_numpy(table.effects @ basis.T), unit)
    return recall, mixed + (moved.numpy() - inside) @ basis - held_out.truth


def leave_out(table: EffectTable, alone: Alone, seed: int) -> HeldOut:
    """Predict each training double from a table without it and a fifth of the others.

    Which are left out together depends on labels and seed, not on the order of rows.
    """
    ordered = sorted(table.pairs.rows, key=lambda row: table.labels[row])
    rows = np.random.default_rng(seed).permutation(ordered)
    labels: list[str] = []
    truths, predictions, doubts = [], [], []
    for fold in np.array_split(rows, min(FOLDS, len(rows))):
        rest = table.without(fold)
        names = [table.labels[row] for row in fold]
        fitted = [fit_candidate(rest, alone, recipe) for recipe in RECIPES]
        predictions.append(_each(fitted, alone, names))
        doubts.append(np.stack([each.doubt(alone, names) for each in fitted]))
        labels += names
        truths.append(table.effects[fold])
    truth = np.concatenate(truths)
    scale = np.linalg.norm(alone.sums(labels) - truth, axis=1)
    typical = np.median(scale) if len(scale) else 1.0
    scale = np.maximum(scale, 1e-6 * max(typical, 1e-300))
    predicted, doubt = np.concatenate(predictions, axis=1), np.concatenate(doubts, axis=1)
    return HeldOut(tuple(labels), truth, predicted, scale, doubt)


def simplex_weights(held_out: HeldOut) -> np.ndarray:
    """Return weights ≥ 0 that sum to 1 and minimise the mean relative error (convex)."""
    scale = held_out.scale[:, None]
    predicted = torch.from_numpy(held_out.predicted / scale)
    truth = torch.from_numpy(held_out.truth / scale)
    logits = torch.zeros(len(predicted), dtype=predicted.dtype, requires_grad=True)
    optimiser = torch.optim.Adam([logits], lr=RATE)
    for _ in range(STEPS):
        optimiser.zero_grad()
        mixed = torch.tensordot(torch.softmax(logits, 0), predicted, dims=1)
        loss = torch.linalg.vector_norm(mixed - truth, dim=1).mean()
        loss.backward()
        optimiser.step()
    return np.asarray(torch.softmax(logits.detach(), 0).numpy())


def share_of_signal(table: EffectTable) -> float:
    """Return the share of the directions that stand out of noise.

    Source: Gavish and Donoho 2014, optimal hard threshold for singular values, unknown noise.
    """
    values = np.linalg.svd(table.effects, compute_uv=False)
    values = values[values > 1e-9 * max(values[0], 1e-300)] if len(values) else values
    if not len(values):
        return 1.0
    shape = table.effects.shape
    ratio = min(shape) / max(shape)
    threshold = 0.56 * ratio**3 - 0.95 * ratio**2 + 1.82 * ratio + 1.43
    kept = int((values > threshold * np.median(values)).sum())
    return max(kept, 1) / len(values)
