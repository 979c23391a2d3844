"""Search over sequences: each perturbation acts on the states that the one before left.

A beam whose extensions are chosen by a guess that costs no evaluation: the mean shift of an action
is taken to be what it was from the start, and corrected by what the first extensions were off.
Up to `KEPT` sequences of a length are extended; below
that, and where the budget reaches every sequence, every one is scored.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from gpjepa.core.errors import ConfigError, NumericError
from gpjepa.planning.energy import MeanEnergy
from gpjepa.planning.numbers import numbers, standard_error
from gpjepa.planning.objective import Scores, TracePoint
from gpjepa.planning.population_energy import PopulationEnergy, Valued
from gpjepa.planning.transition import Transition

KEPT = 256  # sequences of a length whose states are kept, to be extended
TRIED = 0.25  # of the extensions of a length, that correct the guess for the others
GUESSED = 65_536  # guesses made at once
STATES = 16_384  # states scored at once
NONE = -1


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


class Beam(NamedTuple):
    """Sequences of one length [W, T], their states [W, N, D] and energies [W], best first."""

    sequences: np.ndarray
    states: Float[Tensor, "W N D"]
    energy: np.ndarray


def plan_sequences(
    transition: Transition,
    energy: PopulationEnergy,
    guess: MeanEnergy,
    steps: int,
    budget: int,
) -> SequencePlan:
    """Search sequences of 1 to `steps` actions without a member in common.

    `guess` is the energy of a mean state, that extensions are chosen by before they are scored.

    Raises `ConfigError` for fewer than one step, no actions, more steps than actions, or a budget
    that does not reach every action once; `NumericError` where no energy is finite.
    """
    _require(transition, steps, budget)
    search = _Search(transition, energy, guess, budget)
    beam = search.first()
    for depth in range(1, steps):
        if len(beam.sequences):
            beam = search.longer(beam, depth, search.left // (steps - depth))
    return search.plan(steps)


def roll(transition: Transition, sequences: np.ndarray) -> Float[Tensor, "S N D"]:
    """Return the states [S, N, D] that sequences of actions [S, H] lead to, −1 after the last."""
    start = transition.origin.start
    states = start.expand(len(sequences), *start.shape).clone()
    for depth, chosen in enumerate(np.asarray(sequences, dtype=np.int64).T):
        there = np.flatnonzero(chosen != NONE)
        states[there] = transition(states[there], chosen[there], depth)
    return states


def scored(valued: Valued) -> Scores:
    """Return energies with their standard errors over the cells."""
    return Scores(numbers(valued.energy), standard_error(valued.influence))


def _require(transition: Transition, steps: int, budget: int) -> None:
    count = len(transition.actions)
    if steps < 1:
        raise ConfigError(f"steps is {steps}; expected 1 or more; plan one step at least")
    if not count:
        raise ConfigError(
            "there are no candidates; expected one or more; allow some perturbations that were "
            "not applied yet"
        )
    if steps > count:
        raise ConfigError(
            f"steps is {steps} with {count} candidates, each used once; expected at most {count}; "
            "plan fewer steps or allow more candidates"
        )
    if budget < count:
        raise ConfigError(
            f"budget is {budget} evaluations; expected at least {count}, one for each candidate; "
            "raise it or name fewer candidates"
        )


class _Search:
    """What was scored so far, and what is left of the budget."""

    def __init__(
        self, transition: Transition, energy: PopulationEnergy, guess: MeanEnergy, budget: int
    ) -> None:
        self.transition, self.energy, self.guess = transition, energy, guess
        self.budget = budget
        self.spent = 0
        self.trace: list[TracePoint] = []
        self.sequences: list[tuple[int, ...]] = []
        self.found: list[float] = []
        self.error: list[float] = []
        self.means: list[Tensor] = []  # of the states that were scored last

    @property
    def left(self) -> int:
        """Return the evaluations that are left."""
        return self.budget - self.spent

    def first(self) -> Beam:
        """Score every action on its own."""
        start = self.transition.origin.start
        none = Beam(np.zeros((1, 0), dtype=np.int64), start[None], np.zeros(1))
        actions = np.arange(len(self.transition.actions))
        beam = self._extend(none, np.zeros_like(actions), actions, 0)
        self.shifts = torch.cat(self.means) - start.mean(dim=0)
        return beam

    def longer(self, beam: Beam, depth: int, share: int) -> Beam:
        """Score up to `share` extensions of a beam by one action, those of the lowest guess."""
        means = beam.states.mean(dim=1)[:, None] + self.shifts
        free = self._apart(beam)
        kept, off = _nothing(beam, depth), torch.zeros_like(self.shifts[0])
        for part in (math.ceil(TRIED * share), share - math.ceil(TRIED * share)):
            rows, actions = self._lowest(means + off, free, part)
            free[rows, actions] = False
            self.means.clear()
            kept = _best(kept, self._extend(beam, rows, actions, depth))
            if len(rows):
                off = (torch.cat(self.means) - means[rows, actions]).mean(dim=0)
        return kept

    def plan(self, steps: int) -> SequencePlan:
        """Return all that was scored, best first."""
        padded = np.full((len(self.sequences), steps), NONE, dtype=np.int64)
        for row, sequence in enumerate(self.sequences):
            padded[row, : len(sequence)] = sequence
        energy, error = np.array(self.found), np.array(self.error)
        sound = np.isfinite(energy) & np.isfinite(error)
        if not sound.any():
            raise NumericError(
                f"the energy of all {len(energy)} sequences is not finite; expected finite "
                "energies; look at the goal, and at the model with gpjepa evaluate"
            )
        order = np.argsort(np.where(sound, energy, np.inf), kind="stable")[: int(sound.sum())]
        scores = Scores(energy[order], error[order])
        return SequencePlan(padded[order], scores, self.spent, tuple(self.trace), padded[~sound])

    def _extend(self, beam: Beam, rows: np.ndarray, actions: np.ndarray, depth: int) -> Beam:
        """Score one more action for each of `rows` of the beam and keep the best."""
        kept = _nothing(beam, depth)
        for chunk in _chunks(len(rows), self.transition.cells):
            states = self.transition(beam.states[rows[chunk]], actions[chunk], depth)
            scores = scored(self.energy(states))
            sequences = np.concatenate((beam.sequences[rows[chunk]], actions[chunk, None]), axis=1)
            self._record(sequences, scores, depth)
            self.means.append(states.mean(dim=1))
            kept = _best(kept, Beam(sequences, states, scores.energy))
        return kept

    def _record(self, sequences: np.ndarray, scores: Scores, depth: int) -> None:
        self.spent += len(sequences)
        self.sequences += [tuple(row) for row in sequences.tolist()]
        self.found += scores.energy.tolist()
        self.error += scores.error.tolist()
        finite = scores.energy[np.isfinite(scores.energy)]
        lowest = min((value for value in self.found if np.isfinite(value)), default=np.inf)
        spread = float(finite.std()) if len(finite) else np.nan
        self.trace.append(TracePoint(f"step {depth + 1}", depth, self.spent, lowest, spread))

    def _lowest(
        self, means: Float[Tensor, "W M D"], free: np.ndarray, most: int
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return rows and actions of up to `most` free extensions, of lowest energy by guess."""
        parts = means.reshape(-1, means.shape[-1]).split(GUESSED)
        with torch.no_grad():
            energy = torch.cat([self.guess(part) for part in parts])
        guess = np.where(free.ravel(), numbers(energy), np.inf)
        order = np.argsort(guess, kind="stable")[:most]
        rows, actions = np.divmod(order[np.isfinite(guess[order])], means.shape[1])
        return rows, actions

    def _apart(self, beam: Beam) -> np.ndarray:
        """Tell [W, M] which actions have no member that a sequence already applied."""
        sets = self.transition.actions.cpu().numpy()
        applied = sets[beam.sequences].reshape(len(beam.sequences), -1)
        free = [~(np.isin(sets, row) & (sets >= 0)).any(axis=1) for row in applied]
        return np.array(free, dtype=bool).reshape(len(applied), len(sets))


def _nothing(beam: Beam, depth: int) -> Beam:
    return Beam(np.zeros((0, depth + 1), dtype=np.int64), beam.states[:0], np.zeros(0))


def _chunks(count: int, cells: int) -> list[slice]:
    size = max(1, STATES // cells)
    return [slice(at, min(at + size, count)) for at in range(0, count, size)]


def _best(one: Beam, other: Beam) -> Beam:
    """Return the `KEPT` sequences of finite and lowest energy of two beams of equal length."""
    energy = np.concatenate((one.energy, other.energy))
    order = np.argsort(energy, kind="stable")[:KEPT]
    order = order[np.isfinite(energy[order])]
    states = torch.cat((one.states, other.states))[torch.from_numpy(order)]
    return Beam(np.concatenate((one.sequences, other.sequences))[order], states, energy[order])
