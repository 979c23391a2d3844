"""What sequences cost and score: each step of a population once, within a budget."""

from __future__ import annotations

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from gpjepa.core.errors import ConfigError, NumericError
from gpjepa.planning.courses import Courses
from gpjepa.planning.energy import MeanEnergy
from gpjepa.planning.kept import MEMORY
from gpjepa.planning.numbers import numbers, standard_error
from gpjepa.planning.objective import Scores, TracePoint
from gpjepa.planning.population_energy import PopulationEnergy
from gpjepa.planning.sets import NONE
from gpjepa.planning.transition import Transition

STATES = 16_384  # states scored at once
GUESSED = 65_536  # guesses made at once
Key = tuple[int, ...]


class SequenceLedger:
    """Scores sequences of actions once each, and those that they begin with.

    An evaluation is one step of one population through the world model. States are kept while
    memory lasts, so a sequence whose beginning was scored costs one. `fixed` energies of cost and
    of steps are added where a sequence is the answer. Raises `ConfigError` for a budget that does
    not reach every action once.
    """

    def __init__(
        self,
        transition: Transition,
        energy: PopulationEnergy,
        guess: MeanEnergy,
        courses: Courses,
        budget: int,
        cost_weight: float = 0.0,
    ) -> None:
        if budget < courses.count:
            raise ConfigError(
                f"budget is {budget} evaluations; expected at least {courses.count}, one for each "
                "candidate; raise it or name fewer candidates"
            )
        self.transition, self.energy, self.courses = transition, energy, courses
        self.budget, self.spent, self.cost_weight = budget, 0, cost_weight
        self.trace: list[TracePoint] = []
        self._guess = guess
        self._row: dict[Key, int] = {}
        self._energy: list[float] = []
        self._error: list[float] = []
        self._answer: list[bool] = []
        self._means: list[Tensor] = []
        self._states: dict[Key, Tensor] = {}
        self._off: dict[int, tuple[Tensor, int]] = {}  # what guesses of a length were off in all

    @property
    def left(self) -> int:
        """Return the evaluations that are left."""
        return self.budget - self.spent

    @property
    def lowest(self) -> float:
        """Return the lowest energy of a sequence that may be the answer; inf without one."""
        usable = np.isfinite(self._energy) & np.isfinite(self._error) & np.array(self._answer, bool)
        return float(np.min(np.array(self._energy)[usable], initial=np.inf))

    def known(self, sequences: np.ndarray) -> np.ndarray:
        """Tell which sequences [S, H] were scored before."""
        return np.array([key in self._row for key in keys_of(sequences)], dtype=bool)

    def score(self, sequences: np.ndarray, phase: str, iteration: int = 0) -> np.ndarray:
        """Return the energies of sequences [S, H], inf for those that the budget left out.

        Beginnings that were not scored are scored first, shortest first.
        """
        keys = keys_of(sequences)
        for length in range(1, max(map(len, keys), default=0) + 1):
            wanted = dict.fromkeys(key[:length] for key in keys if len(key) >= length)
            new = [key for key in wanted if key not in self._row and self._reached(key[:-1])]
            self._enter(new)
        found = np.array([self._value(key) for key in keys])
        finite = found[np.isfinite(found)]
        spread = float(finite.std()) if len(finite) else np.nan
        self.trace.append(TracePoint(phase, iteration, self.spent, self.lowest, spread))
        return found

    def guess(self, sequences: np.ndarray) -> np.ndarray:
        """Return energies [S] expected without an evaluation, of sequences whose actions were.

        Every action after the longest beginning that was scored is taken to shift the mean state
        as it does from the start, plus what it does together with those before it where that is
        alike for all cells, corrected by what guesses of that length were off.
        """
        means = self._expected(np.asarray(sequences))
        with torch.no_grad():
            energy = torch.cat([self._guess(part) for part in means.split(GUESSED)])
        return np.asarray(numbers(energy) + self._fixed(sequences))

    def ranked(self) -> tuple[np.ndarray, Scores]:
        """Return all scored sequences that may be the answer [S, H], best first, with scores."""
        every = self._padded(list(self._row))
        energy, error = np.array(self._energy), np.array(self._error)
        if not len(every):
            return every, Scores(energy, error)
        sound = np.isfinite(energy) & np.isfinite(error) & np.array(self._answer)
        order = np.argsort(np.where(sound, energy, np.inf), kind="stable")[: int(sound.sum())]
        return every[order], Scores(energy[order], error[order])

    @property
    def excluded(self) -> np.ndarray:
        """Return the sequences whose energy was not finite [E, H]."""
        sound = np.isfinite(self._energy) & np.isfinite(self._error)
        return self._padded([key for key, good in zip(self._row, sound, strict=True) if not good])

    def require_answer(self) -> None:
        """Raise where nothing that was scored may be the answer, saying why."""
        if np.isfinite(self.lowest):
            return
        if not np.isfinite(self._energy).any():
            raise NumericError(
                f"the energy of all {len(self._energy)} sequences is not finite; expected finite "
                "energies; look at the goal, and at the model with gpjepa evaluate"
            )
        raise ConfigError(
            f"none of the {len(self._energy)} sequences scored is one that the constraints allow; "
            "expected one or more; raise the budget or plan more steps"
        )

    def _reached(self, key: Key) -> bool:
        return not key or np.isfinite(self._value(key))

    def _value(self, key: Key) -> float:
        row = self._row.get(key)
        if row is None or not np.isfinite(self._error[row]):
            return np.inf
        return self._energy[row] if np.isfinite(self._energy[row]) else np.inf

    def _enter(self, new: list[Key]) -> None:
        """Score sequences whose beginnings are known, as far as the budget goes."""
        size = max(1, STATES // self.transition.cells)
        for at in range(0, len(new), size):
            part = new[at : at + size][: max(self.left, 0)]
            if part:
                self._step(part)

    def _step(self, part: list[Key]) -> None:
        states = self._run(part)
        valued, sequences = self.energy(states), self._padded(part)
        means, length = states.mean(dim=1), len(part[0])
        if length > 1:
            total, count = self._off.get(length, (torch.zeros_like(means[0]), 0))
            off = (means - self._expected(sequences, corrected=False)).sum(dim=0)
            self._off[length] = (total + off, count + len(part))
        self._row.update({key: len(self._row) + at for at, key in enumerate(part)})
        self._energy += (numbers(valued.energy) + self._fixed(sequences)).tolist()
        self._error += standard_error(valued.influence).tolist()
        self._answer += self.courses.allows(sequences).tolist()
        self._means += list(means)

    def _run(self, part: list[Key]) -> Float[Tensor, "S N D"]:
        """Return the states after sequences of one length, their last step run; it is paid for."""
        length, cells = len(part[0]), self.transition.cells
        lost = [key for key in dict.fromkeys(key[:-1] for key in part) if not self._there(key)]
        if lost:
            self._run(lost)
        start = self.transition.origin.start
        before = torch.stack([self._states.get(key[:-1], start) for key in part])
        last = np.array([key[-1] for key in part])
        earlier = np.array([key[:-1] for key in part], dtype=np.int64).reshape(
            len(part), length - 1
        )
        states = self.transition(before, last, length - 1, earlier)
        self.spent += len(part)
        if (len(self._states) + len(part)) * cells * states.shape[2] > MEMORY:
            self._states = {key: each for key, each in self._states.items() if len(key) == 1}
        self._states.update(zip(part, states, strict=True))
        return states

    def _there(self, key: Key) -> bool:
        return not key or key in self._states

    def _expected(self, sequences: np.ndarray, corrected: bool = True) -> Float[Tensor, "S D"]:
        """Return the mean states [S, D] that sequences [S, H] are known or expected to lead to."""
        origin = self.transition.origin.start.mean(dim=0)
        means = origin.expand(len(sequences), -1).clone()
        known = torch.stack(self._means) if self._means else means[:0]
        for depth, chosen in enumerate(sequences.T):
            there = np.flatnonzero(chosen >= 0)
            keys = keys_of(sequences[there, : depth + 1])
            row = np.array([self._row.get(key, NONE) for key in keys], dtype=np.int64)
            means[there[row >= 0]] = known[row[row >= 0]]
            new, last = there[row < 0], chosen[there[row < 0]]
            alone = np.array([self._row.get((step,), NONE) for step in last.tolist()], np.int64)
            if depth and len(new):
                means[new] += known[alone] - origin + self._shared(sequences[new, :depth], last)
                total, count = self._off.get(depth + 1, (torch.zeros_like(origin), 1))
                means[new] += total / count if corrected else 0.0
        return means

    def _shared(self, before: np.ndarray, last: np.ndarray) -> Float[Tensor, "S D"] | float:
        """Return what last steps do together with those before, beyond what they do first."""
        carried = self.transition.carried
        if carried is None:
            return 0.0
        return carried.shared(before, last)[0] - carried.shared(before[:, :0], last)[0]

    def _fixed(self, sequences: np.ndarray) -> np.ndarray:
        if not self.cost_weight:
            return np.zeros(len(sequences))
        return self.cost_weight * self.courses.totals(sequences)

    def _padded(self, keys: list[Key]) -> np.ndarray:
        found = np.full((len(keys), self.courses.steps), NONE, dtype=np.int64)
        for row, key in enumerate(keys):
            found[row, : len(key)] = key
        return found


def keys_of(sequences: np.ndarray) -> list[Key]:
    """Return each sequence of [S, H] as the tuple of its actions."""
    return [tuple(step for step in row if step >= 0) for row in sequences.tolist()]
