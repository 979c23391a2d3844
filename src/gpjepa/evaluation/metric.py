"""What a metric is: a name, the value of a perfect prediction and which way is better."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np


@dataclass(frozen=True)
class Metric:
    """A metric's name, its best and worst values and the direction in which it improves.

    `kind` is "higher" or "lower" for metrics without an inner optimum and "target" where `best`
    can be missed on both sides, as a slope of 1 can. `what` says in a line what is measured.
    """

    name: str
    best: float
    worst: float
    kind: Literal["higher", "lower", "target"]
    what: str

    def loss(self, values: np.ndarray | float) -> np.ndarray:
        """Return the values as losses, smaller is better; a NaN costs as much as the worst."""
        array = np.asarray(values, dtype=np.float64)
        array = np.where(np.isnan(array), self.worst, array)
        if self.kind == "higher":
            return -array
        if self.kind == "lower":
            return array
        return np.abs(array - self.best)

    def better(self, first: np.ndarray, second: np.ndarray) -> np.ndarray:
        """Return, element by element, whichever of two values is the better one."""
        return np.where(self.loss(first) <= self.loss(second), first, second)
