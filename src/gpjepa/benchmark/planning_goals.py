"""What the benchmark of planners plans with: a fitted model, goals, and the best set of each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from time import perf_counter
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from gpjepa.api.answers import averaged_over
from gpjepa.api.goals import Aim, encoded, planning_goal
from gpjepa.api.model import GPJEPA
from gpjepa.api.plan_setup import origin_of
from gpjepa.api.populations import Start
from gpjepa.core.random import numpy_stream
from gpjepa.data.labels import members_of
from gpjepa.data.perturbseq import PerturbSeq
from gpjepa.inference.cells import CellTable
from gpjepa.planning.goal import Goal, LatentGoal
from gpjepa.planning.numbers import numbers
from gpjepa.planning.origin import Origin
from gpjepa.planning.scoring import MeanShiftObjective
from gpjepa.planning.shifts import Shifts
from gpjepa.planning.space import Space

CELLS = 128  # control cells that states are averaged over
DOUBLES, RANDOM = "cells of held-out doubles", "random latents"
CHUNK = 8192


class Aimed(NamedTuple):
    """A goal and the kind of goal it is."""

    kind: str
    goal: Goal


class Optimum(NamedTuple):
    """The best set of a space for a goal, its energy, and the seconds that finding it took."""

    members: np.ndarray
    energy: float
    seconds: float


@dataclass(frozen=True, eq=False)
class World:
    """A fitted model, its measured single perturbations as candidates, and control cells.

    `shifts` are run once and shared by all objectives; planners pay for evaluations all the same.
    """

    origin: Origin
    names: tuple[str, ...]
    members: np.ndarray
    controls: CellTable
    shifts: Shifts

    def objective(self, goal: Goal) -> MeanShiftObjective:
        """Return the objective of a fresh search, which has no guess of anything yet."""
        return MeanShiftObjective(self.shifts, goal)

    def landscape(self, max_size: int) -> Landscape:
        """Return all sets up to a size with their mean latents."""
        space = Space(self.names, max_size)
        sets = np.concatenate(list(space.every()))
        latents = [self.shifts(sets[at : at + CHUNK]).mean for at in range(0, len(sets), CHUNK)]
        return Landscape(space, sets, torch.cat(latents))


@dataclass(frozen=True, eq=False)
class Landscape:
    """All sets [N, K] of a space and the mean latents [N, D] that they lead to."""

    space: Space
    sets: np.ndarray
    latents: Tensor

    def best(self, objective: MeanShiftObjective) -> Optimum:
        """Return the best of all sets."""
        began = perf_counter()
        with torch.no_grad():
            energy = torch.cat([objective.energy(each) for each in self.latents.split(CHUNK)])
        at = int(energy.argmin())
        return Optimum(self.sets[at], float(energy[at]), perf_counter() - began)


def world_of(model: GPJEPA, seed: int) -> World:
    """Return what planners see of a model: the singles it was trained on, and control cells."""
    start = Start(model.bundle, model.controls, None)
    few = averaged_over(start, seed, CELLS)
    origin = origin_of(start, few)
    vocabulary = model.bundle.vocabulary
    names = tuple(sorted(str(name) for name in vocabulary.members[: vocabulary.measured]))
    members = np.array([vocabulary.index_of(name) for name in names], dtype=np.int64)
    return World(origin, names, members, few.cells.table, Shifts(origin, members))


def goals_of(
    world: World, model: GPJEPA, data: PerturbSeq, held_out: Sequence[str], count: int, seed: int
) -> list[Aimed]:
    """Return `count` goals, half of each kind.

    The first are cells of held-out doubles, a random half of a double's so that it can be used
    twice. The others are drawn from a Gaussian with the mean and
    covariance of the states that sets of one and two lead to.
    """
    rng = numpy_stream(seed, "benchmark", "planning goals")
    doubles = [label for label in held_out if len(members_of(label)) == 2]
    order = np.concatenate([rng.permutation(len(doubles)) for _ in range(count)])[: count // 2]
    goals = [Aimed(DOUBLES, _half(world, model, data, doubles[at], rng)) for at in order]
    states = numbers(world.landscape(2).latents)
    drawn = rng.multivariate_normal(states.mean(axis=0), np.cov(states.T), count - len(goals))
    like = world.origin.start
    return [*goals, *(Aimed(RANDOM, LatentGoal(torch.from_numpy(each).to(like))) for each in drawn)]


def _half(
    world: World, model: GPJEPA, data: PerturbSeq, label: str, rng: np.random.Generator
) -> Goal:
    """Return a random half of a label's cells as the goal that a user's cells would be."""
    panel = data.select_genes(model.bundle.panel.names)
    rows = rng.permutation(np.flatnonzero(panel.labels == label))
    rows = rows[: max(1, len(rows) // 2)]
    table = CellTable(panel.counts[rows], panel.library[rows])
    aim = Aim("condition", label, encoded(model.bundle, table, 0), cells=(table,))
    taught = encoded(model.bundle, world.controls, 0)
    return planning_goal(aim, world.origin, world.controls, taught)
