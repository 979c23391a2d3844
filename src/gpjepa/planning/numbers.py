"""From tensors to the float64 arrays that planners compare."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float
from torch import Tensor


def numbers(values: Tensor) -> np.ndarray:
    """Return a tensor as float64 in memory."""
    return np.asarray(values.detach().double().cpu().numpy())


def standard_error(influence: Float[Tensor, "S N"]) -> np.ndarray:
    """Return the standard error [S] of statistics from the influences of N cells, float64."""
    return numbers(influence.std(dim=1) / influence.shape[1] ** 0.5)
