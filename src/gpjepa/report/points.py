"""The points of a figure as data, so that the page can name the one under the pointer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from gpjepa.report.numbers import rounded_all


@dataclass(frozen=True, eq=False)
class Points:
    """Pixels `x`, `y` [n] of a figure's points, their labels and named columns of values.

    A column is numbers, or texts (such as an interval) that are shown as they are.
    """

    x: np.ndarray
    y: np.ndarray
    labels: Sequence[str]
    columns: dict[str, np.ndarray | list[str]]

    def document(self) -> dict[str, Any]:
        """Return the points for embedding."""
        return {
            "x": rounded_all(np.round(self.x, 1)),
            "y": rounded_all(np.round(self.y, 1)),
            "label": list(self.labels),
            "columns": {
                name: values if isinstance(values, list) else rounded_all(values, 4)
                for name, values in self.columns.items()
            },
        }


def thinned(importance: np.ndarray, limit: int) -> np.ndarray:
    """Return sorted indices of at most `limit` points: half the most important, half spread.

    The second half is an even walk through the rest in order of importance, so that the bulk
    keeps its shape. Deterministic; NaN counts as unimportant.
    """
    count = len(importance)
    if count <= limit:
        return np.arange(count)
    order = np.argsort(-np.nan_to_num(np.abs(importance)), kind="stable")
    head, tail = order[: limit // 2], order[limit // 2 :]
    walk = np.linspace(0, len(tail) - 1, limit - limit // 2).astype(np.int64)
    return np.sort(np.concatenate([head, tail[walk]]))
