"""Search over sequences: each perturbation acts on the states that the one before left."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from torch import Tensor

from gpjepa.planning.courses import Courses, free
from gpjepa.planning.energy import MeanEnergy
from gpjepa.planning.numbers import numbers, standard_error
from gpjepa.planning.objective import Scores, TracePoint
from gpjepa.planning.population_energy import PopulationEnergy, Valued
from gpjepa.planning.sequence_ledger import SequenceLedger
from gpjepa.planning.sequence_planners import sequence_planner
from gpjepa.planning.sets import NONE
from gpjepa.planning.transition import Transition


@dataclass(frozen=True, eq=False)
class SequencePlan:
    """Sequences scored, best first: actions in their order [S, H], −1 after the last.

    An evaluation is one step of one population through the world model. `excluded` [E, H] are
    sequences whose energy was not finite.
    """

    sequences: np.ndarray
    scores: Scores
    evaluations: int
    trace: tuple[TracePoint, ...]
    excluded: np.ndarray


def plan_sequences(
    transition: Transition,
    energy: PopulationEnergy,
    guess: MeanEnergy,
    steps: int,
    budget: int,
    *,
    planner: str = "beam",
    courses: Courses | None = None,
    cost_weight: float = 0.0,
) -> SequencePlan:
    """Search sequences of 1 to `steps` actions without a member in common.

    `guess` is the energy of a mean state, that sequences are chosen by before they are scored;
    `courses` the sequences that are allowed, all for None; `cost_weight` the energy of a unit of
    cost. Raises `ConfigError` for fewer than one step, no actions, more steps than actions, a
    budget that does not reach every action once, or an unknown planner; `NumericError` where no
    energy is finite.
    """
    courses = free(transition.actions.cpu().numpy(), steps) if courses is None else courses
    search = sequence_planner(planner)
    ledger = SequenceLedger(transition, energy, guess, courses, budget, cost_weight)
    search(ledger, transition.seed)
    ledger.require_answer()
    sequences, scores = ledger.ranked()
    return SequencePlan(sequences, scores, ledger.spent, tuple(ledger.trace), ledger.excluded)


def roll(transition: Transition, sequences: np.ndarray) -> Float[Tensor, "S N D"]:
    """Return the states [S, N, D] that sequences of actions [S, H] lead to, −1 after the last."""
    start = transition.origin.start
    sequences = np.asarray(sequences, dtype=np.int64)
    states = start.expand(len(sequences), *start.shape).clone()
    for depth, chosen in enumerate(sequences.T):
        there = np.flatnonzero(chosen != NONE)
        before = sequences[there, :depth]
        states[there] = transition(states[there], chosen[there], depth, before)
    return states


def scored(valued: Valued) -> Scores:
    """Return energies with their standard errors over the cells."""
    return Scores(numbers(valued.energy), standard_error(valued.influence))
