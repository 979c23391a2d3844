"""Whether a goal is another state than the one that a plan starts from."""

from __future__ import annotations

import numpy as np

from gpjepa.api.goals import Aim
from gpjepa.core.errors import DataError
from gpjepa.core.random import numpy_stream
from gpjepa.evaluation.distances import energy_distance, pairwise_distances

ALIKE = 0.5  # share of random deals above which goal and start are one state
DOUBTFUL = 0.05  # share above which that is said
COMPARED = 256  # cells of each


def refuse_the_start(aim: Aim, start: np.ndarray, seed: int) -> tuple[str, ...]:
    """Raise `DataError` when the goal is no other state than the start [N, D] under the teacher.

    The energy distance of target and start cells is held against the same of cells dealt at
    random: where that is as large in more than half of the deals there is nothing to reach;
    returns a note where it is in more than one of twenty.
    """
    if aim.latents is None:
        return ()
    advice = "expected a state that differs from it; name another goal, or pass start="
    if len(aim.latents) == 1:
        if np.allclose(aim.latents[0], start.mean(axis=0), rtol=1e-4, atol=1e-6):
            raise DataError(
                f"the goal is where the cells start: there is nothing to reach; {advice}"
            )
        return ()
    chance = chance_of_same(aim.latents, start, seed)
    if chance > ALIKE:
        raise DataError(
            f"the goal ({aim.name}) does not differ from the cells that the plan starts from (as "
            f"far apart in {chance:.0%} of random deals): there is nothing to reach; {advice}"
        )
    if chance > DOUBTFUL:
        return (
            f"the goal hardly differs from the start (as far apart in {chance:.0%} of random "
            "deals): the order of the sets is mostly noise",
        )
    return ()


def chance_of_same(goal: np.ndarray, start: np.ndarray, seed: int, deals: int = 200) -> float:
    """Return the share of random deals in which both groups of cells [N, D] lie as far apart.

    Of the energy distance (Székely and Rizzo 2013), on at most 256 cells of each.
    """
    rng = numpy_stream(seed, "goal and start")
    first, second = (cells[rng.permutation(len(cells))[:COMPARED]] for cells in (goal, start))
    distance = pairwise_distances(np.concatenate((first, second)))
    observed = energy_distance(distance, len(first))
    hits = 0
    for _ in range(deals):
        order = rng.permutation(len(distance))
        hits += energy_distance(distance[np.ix_(order, order)], len(first)) >= observed - 1e-12
    return (hits + 1) / (deals + 1)
