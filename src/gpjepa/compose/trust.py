"""What to make of a prediction: use the model, use the sum, or do not trust it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from gpjepa.compose.line import Line, fit_line
from gpjepa.compose.members import Alone
from gpjepa.compose.spread import incidence
from gpjepa.compose.stack import Stack
from gpjepa.data.labels import members_of
from gpjepa.inference.judgement import DO_NOT_TRUST, FAR, USE_MODEL, USE_SUM

GAIN = 0.2  # of the sum's error that the model must save to be used
RELIABLE = 0.8  # expected error, relative to the predicted effect, beyond which none is trusted
LEAST = 1e-3
TINY = 1e-300


@dataclass(frozen=True, eq=False)
class Gain:
    """The model's error over that of the sum of the measured singles, as doubles left out told."""

    line: Line

    def ratio(self, alone: Alone, labels: Sequence[str], effects: np.ndarray) -> np.ndarray:
        """Return the expected ratio of the two errors [labels]; below 1 the model is closer."""
        return np.exp(self.line.at(_traits(alone, labels, effects), incidence(alone, labels)))


def fit_gain(stack: Stack, alone: Alone) -> Gain | None:
    """Fit the ratio of errors to the doubles left out; None where there were none."""
    held_out, errors = stack.held_out, stack.errors
    if held_out is None or errors is None:
        return None
    own, scale = np.linalg.norm(errors, axis=1), held_out.scale
    values = np.log(np.maximum(own, TINY) / np.maximum(scale, TINY))
    described = _traits(alone, held_out.labels, held_out.truth + errors)
    return Gain(fit_line(described, incidence(alone, held_out.labels), values)[0])


def verdicts(
    labels: Sequence[str], ratio: np.ndarray, relative: np.ndarray, novelty: np.ndarray
) -> tuple[str, ...]:
    """Return the verdict on each label.

    "use the model": it is expected to save `GAIN` of the error of the sum, whose error it is
    `ratio` times (NaN where nothing tells); a single gene has no sum. "use the sum": less than
    that. "do not trust": a member lies too far from what was measured, or the error is expected
    to be `RELIABLE` of the predicted effect or more (`relative`, NaN for a measured single).
    """
    found = []
    for label, saved, error, far in zip(labels, ratio, relative, novelty, strict=True):
        if far > FAR or error > RELIABLE or (far > 0 and np.isnan(error)):
            found.append(DO_NOT_TRUST)
        elif len(members_of(label)) == 1 or saved <= 1 - GAIN:
            found.append(USE_MODEL)
        else:
            found.append(USE_SUM)
    return tuple(found)


def _traits(alone: Alone, labels: Sequence[str], effects: np.ndarray) -> np.ndarray:
    """Return what the ratio depends on [labels, 3], logarithms.

    How far the prediction lies from the sum, relative to the sum; the sum's length; and that
    length over what it would be if the members' effects were at right angles.
    """
    sums = alone.sums(labels)
    length = np.linalg.norm(sums, axis=1) + TINY
    apart = np.linalg.norm(effects - sums, axis=1) / length
    size = np.linalg.norm(alone.effects, axis=1)
    across = np.array(
        [np.linalg.norm(size[[alone.row[name] for name in members_of(label)]]) for label in labels]
    )
    return np.log(np.stack([apart + LEAST, length, length / (across + TINY) + LEAST], axis=1))
