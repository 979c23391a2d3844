"""Rounds of experiments: Norman's doubles measured ten at a time, in search of the best for a goal.

All singles are known at the start. A policy sees the doubles it has measured, never the others.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from gpjepa.benchmark import norman_effects
from gpjepa.benchmark.scores import COLUMNS
from gpjepa.benchmark.task import MODEL, Headline, Part, Task
from gpjepa.compose.belief import Kernel, believe
from gpjepa.compose.members import Alone
from gpjepa.compose.priors import make_priors
from gpjepa.core.config import Config
from gpjepa.core.random import numpy_stream
from gpjepa.data.labels import members_of
from gpjepa.evaluation.baselines_strong import median_distance
from gpjepa.evaluation.effect_table import EffectTable
from gpjepa.model.composition import PairKernel
from gpjepa.planning.experiments import Belief, closeness, most_promising

if TYPE_CHECKING:
    from pandas import DataFrame

BATCH, ROUNDS = 10, 6
GOALS = 50  # half of them states, half directions
BEST = 0.05  # share of the pool that is to be found
NOISE = 0.25  # of the kernel between pairs, in its unit; its parts weigh the same
STATES, DIRECTIONS, BOTH = "states", "directions", "all goals"


@dataclass(frozen=True, eq=False)
class Aim:
    """A state [G] that effects should come close to, or a direction [G] to go far along."""

    vector: np.ndarray
    is_state: bool

    def worth(
        self, effects: np.ndarray, basis: np.ndarray | None = None
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return what effects [N, D] are worth, minus the distance or the length along; its slope.

        They are along orthonormal directions `basis` [D, G], genes for None.
        """
        inside = self.vector if basis is None else basis @ self.vector
        if not self.is_state:
            return effects @ inside, np.tile(inside, (len(effects), 1))
        return closeness(effects, inside, float(self.vector @ self.vector - inside @ inside))


@dataclass(frozen=True, eq=False)
class Pool:
    """Doubles that can be measured, and the singles that are known."""

    alone: Alone
    labels: tuple[str, ...]
    effects: np.ndarray  # [N, G], shown to a policy once measured

    @cached_property
    def unit(self) -> float:
        """Return the distance between typical singles."""
        return median_distance(self.alone.effects)

    def without(self, row: int) -> Pool:
        """Return the pool without one double."""
        kept = np.delete(np.arange(len(self.labels)), row)
        return Pool(self.alone, tuple(self.labels[i] for i in kept), self.effects[kept])


@dataclass(eq=False)
class Notebook:
    """What one replay knows so far: the measured rows of the pool."""

    pool: Pool
    aim: Aim
    measured: list[int] = field(default_factory=list)

    @property
    def left(self) -> np.ndarray:
        """Return the rows that are not measured yet, ascending."""
        return np.setdiff1d(np.arange(len(self.pool.labels)), self.measured)

    def believe(self) -> tuple[Belief, np.ndarray]:
        """Return the belief about what is left and the directions that it is along."""
        pool = self.pool
        kernel = Kernel(PairKernel(pool.unit).double().requires_grad_(False), NOISE)
        seen, asked = ([pool.labels[row] for row in rows] for rows in (self.measured, self.left))
        belief, basis, _ = believe(pool.alone, seen, pool.effects[self.measured], asked, kernel)
        return belief, basis


Policy = Callable[[Notebook], np.ndarray]


def additive(book: Notebook) -> np.ndarray:
    """Choose by the sum of the members' effects, which no measurement changes."""
    sums = book.pool.alone.sums([book.pool.labels[row] for row in book.left])
    return _first(book.left, book.aim.worth(sums)[0])


def greedy(book: Notebook) -> np.ndarray:
    """Choose by the mean effect of the model, which learns from what was measured each round."""
    belief, basis = book.believe()
    return _first(book.left, book.aim.worth(belief.mean, basis)[0])


def ours(book: Notebook) -> np.ndarray:
    """Choose by what effects may be worth, as `most_promising` does, from the same model."""
    belief, basis = book.believe()
    worth, slope = book.aim.worth(belief.mean, basis)
    return book.left[most_promising(belief, worth, slope, min(BATCH, len(book.left)))]


POLICIES: tuple[tuple[str, Policy], ...] = (
    (MODEL, ours),
    ("greedy by mean", greedy),
    ("additive", additive),
)


def _first(rows: np.ndarray, worth: np.ndarray) -> np.ndarray:
    return np.asarray(rows[np.argsort(-worth, kind="stable")[:BATCH]])


def replay(pool: Pool, aim: Aim, policy: Policy) -> np.ndarray:
    """Return the share of the best doubles that is found after each round [ROUNDS]."""
    worth, _ = aim.worth(pool.effects)
    best = np.argsort(-worth, kind="stable")[: best_of(len(pool.labels))]
    book = Notebook(pool, aim)
    curve = np.zeros(ROUNDS)
    for step in range(ROUNDS):
        book.measured += [int(row) for row in policy(book)]
        curve[step] = np.isin(best, book.measured).mean()
    return curve


def best_of(size: int) -> int:
    """Return how many of a pool are its best."""
    return max(1, round(BEST * size))


def goals(pool: Pool, count: int, rng: np.random.Generator) -> list[tuple[Aim, Pool]]:
    """Return goals, states and directions in turn, each with the pool that is searched for it.

    A state is the measured effect of a double, which then leaves the pool; a direction is a
    normal mixture of the singles' effects, at length 1.
    """
    found = []
    states = rng.permutation(len(pool.labels))
    for index in range(count):
        if index % 2 == 0:
            row = int(states[index // 2 % len(states)])
            found.append((Aim(pool.effects[row], True), pool.without(row)))
        else:
            mixed = rng.standard_normal(len(pool.alone.names)) @ pool.alone.effects
            found.append((Aim(mixed / np.linalg.norm(mixed), False), pool))
    return found


def pool_of(table: EffectTable) -> Pool:
    """Return the doubles of a table whose singles are both measured."""
    names = tuple(label for label in table.labels if len(members_of(label)) == 1)
    effects = table.effects[[table.row[name] for name in names]]
    priors = make_priors(names, None).rows(names)
    alone = Alone(names, effects, priors, np.ones(len(names), dtype=bool))
    rows = table.pairs.rows
    return Pool(alone, tuple(table.labels[row] for row in rows), table.effects[rows])


def rounds_rows(
    table: EffectTable, seed: int, count: int, policies: Sequence[tuple[str, Policy]] = POLICIES
) -> DataFrame:
    """Replay the doubles of a table for `count` goals; score everyone's discovery curves.

    `area` is the mean share found after each round; `found_20` that after 20 doubles. Choosing at
    random finds, on average, the share that it has measured.
    """
    import pandas

    rng = numpy_stream(seed, "benchmark", "rounds")
    drawn = goals(pool_of(table), count, rng)
    blind = [BATCH * np.arange(1, ROUNDS + 1) / len(pool.labels) for _, pool in drawn]
    curves = {"random": np.minimum(blind, 1.0)}
    for name, policy in policies:
        curves[name] = np.stack([replay(pool, aim, policy) for aim, pool in drawn])
    states = np.array([aim.is_state for aim, _ in drawn])
    rows = []
    for group, chosen in ((BOTH, states | True), (STATES, states), (DIRECTIONS, ~states)):
        floor = _scores(curves["random"][chosen])
        for name, found in curves.items():
            for metric, value in _scores(found[chosen]).items():
                rows.append((group, metric, name, value, floor[metric], np.nan, chosen.sum()))
    return pandas.DataFrame(rows, columns=list(COLUMNS))


def _scores(curves: np.ndarray) -> dict[str, float]:
    """Return the scores of curves [goals, ROUNDS]."""
    after = curves.mean(axis=0)
    steps = {f"found_{BATCH * (step + 1)}": float(after[step]) for step in range(ROUNDS)}
    return {"area": float(after.mean()), **steps}


def effects(config: Config, seed: int, device: str) -> DataFrame:
    """Replay the doubles of norman-effects."""
    return rounds_rows(norman_effects.load_table(), seed, GOALS)


ROUNDS_TASK = Task(
    "rounds",
    "Norman 2019 replayed in six rounds of ten doubles: the best 5 % for 50 goals",
    ("norman-effects", "k562-baseline", "gene-sets"),
    (Part("norman-effects", effects),),
    (Headline(BOTH, "area", "area under the discovery curve ↑", 1.0),),
)
