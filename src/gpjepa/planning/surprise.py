"""How far observed cells are from those that a plan expected, in units of a replicate's noise."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from gpjepa.core.errors import ConfigError
from gpjepa.core.random import numpy_stream
from gpjepa.evaluation.distances import energy_distance, pairwise_distances

DRAWS = 20  # of cells that are compared
MOST = 200  # cells on either side of a draw
FEWEST = 4  # observed cells that can be dealt into two halves


@dataclass(frozen=True)
class Surprise:
    """Energy distances of latents, means over draws of as many cells on either side.

    `distance` is that of expected to observed cells, `replicate` that of two halves of the
    observed ones; `cells` are on either side.
    """

    distance: float
    replicate: float
    cells: int

    @property
    def ratio(self) -> float:
        """Return the distance in units of the replicate's: about 1 where nothing is off."""
        return self.distance / self.replicate


def surprise(expected: np.ndarray, observed: np.ndarray, seed: int) -> Surprise:
    """Compare latents [N, D] of cells that were expected with those of observed cells [M, D].

    Raises `ConfigError` for fewer than four observed cells or two expected ones.
    """
    if len(observed) < FEWEST or len(expected) < 2:
        raise ConfigError(
            f"{len(observed)} observed and {len(expected)} expected cells; expected at least "
            f"{FEWEST} and 2, to tell a difference from noise; observe more cells"
        )
    rng = numpy_stream(seed, "surprise")
    cells = min(len(observed) // 2, len(expected), MOST)
    apart, alike = [], []
    for _ in range(DRAWS):
        order = rng.permutation(len(observed))
        first, second = observed[order[:cells]], observed[order[cells : 2 * cells]]
        drawn = expected[rng.permutation(len(expected))[:cells]]
        apart.append(_distance(drawn, first))
        alike.append(_distance(second, first))
    return Surprise(float(np.mean(apart)), float(np.mean(alike)), cells)


def _distance(left: np.ndarray, right: np.ndarray) -> float:
    return energy_distance(pairwise_distances(np.concatenate((left, right))), len(left))
