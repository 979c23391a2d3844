"""Choosing how far predictions are drawn towards measured states, on doubles left out."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from gpjepa.model.recall import Recall, gaussian, no_recall

WIDTHS = (0.25, 0.35, 0.5, 0.7, 1.0, 1.4, 2.0, 3.0)  # in units of the distance between singles
RIDGES = (0.01, 0.03, 0.1, 0.3, 1.0)
SHARES = (0.05, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0)


@dataclass(frozen=True)
class LeftOut:
    """N doubles that were predicted blind, along D directions."""

    predicted: Tensor  # [N, D]
    truth: Tensor  # [N, D]
    scale: Tensor  # [N], the additive model's error
    rows: Tensor  # int64 [N], their own rows among the measured states

    def losses(self, predicted: Tensor) -> Tensor:
        """Return the error of each double relative to the sum's [N]."""
        return torch.linalg.vector_norm(predicted - self.truth, dim=1) / self.scale


def fit_recall(left_out: LeftOut, states: Tensor, unit: float) -> tuple[Recall, Tensor]:
    """Choose width, ridge and share by the error on doubles left out, states [P, D] being measured.

    A double's own state is withheld when it is recalled. The share is then shrunk by what the mean
    gain is in its standard errors, to nothing where it is not above one: no threshold at which two
    nearly equal tables would part. Returns the recall, and the left-out predictions after it.
    Deterministic; `unit` is the distance between typical singles.
    """
    before = left_out.losses(left_out.predicted)
    best, chosen, kept = before.mean(), no_recall(states.shape[1]), left_out.predicted
    eye = torch.eye(len(states), dtype=states.dtype)
    for width in (torch.tensor(each * unit, dtype=states.dtype) for each in WIDTHS):
        kernel = gaussian(states, states, width)
        near = gaussian(left_out.predicted, states, width)
        for ridge in RIDGES:
            precision = torch.linalg.inv(kernel + ridge * eye)
            way = _way(near, precision, states, left_out)
            for share in SHARES:
                moved = left_out.predicted + share * way
                loss = left_out.losses(moved).mean()
                if loss < best:
                    best, kept = loss, moved
                    chosen = Recall(states, precision, float(width), share)
    certain = _certainty(before - left_out.losses(kept))
    if certain == 0:
        return no_recall(states.shape[1]), left_out.predicted
    chosen.share *= certain
    return chosen, left_out.predicted + certain * (kept - left_out.predicted)


def _certainty(gain: Tensor) -> float:
    """Return how much of a chosen share to keep, 1 − 1 / t² of the gains [N], 0 at t = 1."""
    mean, error = float(gain.mean()), float(gain.std()) / np.sqrt(len(gain))
    return max(0.0, 1.0 - (error / mean) ** 2) if mean > 0 else 0.0


def _way(near: Tensor, precision: Tensor, states: Tensor, left_out: LeftOut) -> Tensor:
    """Return how far each prediction would move [N, D] if its own state had not been measured.

    Leaving out a row of a kernel regression needs no refit (Rasmussen and Williams 2006, 5.4.2).
    """
    rows = left_out.rows
    weighed = near @ precision
    own = weighed[torch.arange(len(rows)), rows] / precision[rows, rows]
    weighed = weighed - own[:, None] * precision[rows]
    support = (weighed * near).sum(dim=1, keepdim=True)
    return support * (weighed @ states - left_out.predicted)
