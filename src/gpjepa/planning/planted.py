"""Planted problems: a made-up world of shifts whose best set is known."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from gpjepa.core.random import numpy_stream
from gpjepa.planning.objective import Scores
from gpjepa.planning.shift_guess import ShiftGuess
from gpjepa.planning.space import Space

RANK = 8  # of the pair shifts that all members have
PAIR_SHARE = 0.5  # their length, of a first-order shift's
NOISE = 0.2  # of the goal, in lengths of a first-order shift
TRIES = 1000
ROUNDING = 1e-9


@dataclass(frozen=True, eq=False)
class ShiftWorld:
    """Latent shifts of sets: Σ first [M, D] + Σ over pairs of (load_i ∘ load_j) mix + exceptions.

    `load` [M, R], `mix` [R, D]; `special` maps a pair (low, high) to a shift [D] of its own.
    """

    first: np.ndarray
    load: np.ndarray
    mix: np.ndarray
    special: dict[tuple[int, int], np.ndarray]

    def __call__(self, sets: np.ndarray) -> np.ndarray:
        """Return the shifts [N, D] of sets [N, K]."""
        there = (sets >= 0)[..., None]
        shown = np.maximum(sets, 0)
        total = (self.first[shown] * there).sum(axis=1)
        load = self.load[shown] * there
        both = (load.sum(axis=1) ** 2 - (load**2).sum(axis=1)) / 2  # Σ over pairs of products
        total += both @ self.mix
        for (one, other), shift in self.special.items():
            total[(sets == one).any(axis=1) & (sets == other).any(axis=1)] += shift
        return np.asarray(total)


@dataclass(frozen=True, eq=False)
class Planted:
    """A world, a goal [D] and the set that leads nearest to it."""

    world: ShiftWorld
    goal: np.ndarray
    members: tuple[int, ...]

    @property
    def energy(self) -> float:
        """Return the energy of the planted set, rounded up as sums come out in another order."""
        return float(self.objective()(np.array([self.members])).energy[0]) + ROUNDING

    def objective(self) -> PlantedObjective:
        """Return the objective of a fresh search."""
        return PlantedObjective(self.world, self.goal)

    def space(self, max_size: int) -> Space:
        """Return all sets up to a size."""
        return Space(tuple(f"gene-{at}" for at in range(len(self.world.first))), max_size)


class PlantedObjective:
    """Mean L1 distance from a goal, exact: no standard error."""

    def __init__(self, world: ShiftWorld, goal: np.ndarray) -> None:
        self.world, self.goal = world, goal
        self._guess = ShiftGuess(*world.first.shape)

    def __call__(self, sets: np.ndarray) -> Scores:
        """Score sets [N, K]."""
        shifts = self.world(sets)
        self._guess.learn(sets, shifts)
        return Scores(self.distance(shifts), np.zeros(len(sets)))

    def guess(self, sets: np.ndarray) -> np.ndarray:
        """Return the distances of expected shifts."""
        return self.distance(self._guess(sets))

    def distance(self, shifts: np.ndarray) -> np.ndarray:
        """Return the mean L1 distance of shifts [N, D] from the goal."""
        return np.asarray(np.abs(shifts - self.goal).mean(axis=1))


def random_world(candidates: int, latent: int, rng: np.random.Generator) -> ShiftWorld:
    """Return a world of Gaussian first-order shifts and pair shifts of rank 8, half as long."""
    load = rng.normal(size=(candidates, RANK))
    mix = rng.normal(size=(RANK, latent)) * PAIR_SHARE / np.sqrt(RANK)
    return ShiftWorld(rng.normal(size=(candidates, latent)), load, mix, {})


def planted(candidates: int, latent: int, size: int, seed: int, *, hidden: bool = False) -> Planted:
    """Plant a best set of `size`: the goal is where it leads, give or take a little noise.

    Every member brings the control state nearer to the goal alone. With `hidden` the last one
    does not: its own shift is turned away from the goal, and only with the first one does it do
    what the goal needs.
    """
    rng = numpy_stream(seed, "planning", "planted", int(hidden))
    for _ in range(TRIES):
        world = random_world(candidates, latent, rng)
        members = np.sort(rng.choice(candidates, size, replace=False))
        if hidden:
            world = _with_hidden(world, int(members[0]), int(members[-1]))
        goal = world(members[None])[0] + NOISE * rng.normal(size=latent)
        alone = np.abs(world(members[:, None]) - goal).mean(axis=1)
        helps = alone < np.abs(goal).mean()
        if helps[: size - hidden].all() and (not hidden or not helps[-1]):
            return Planted(world, goal, tuple(members.tolist()))
    raise AssertionError("a random set helps by every member in most draws")


def _with_hidden(world: ShiftWorld, partner: int, member: int) -> ShiftWorld:
    """Return the world with a member whose shift is undone and turned round by its partner."""
    shift = -2.0 * world.first[member] + world.first[member][::-1]
    return ShiftWorld(world.first, world.load, world.mix, {(partner, member): shift})
