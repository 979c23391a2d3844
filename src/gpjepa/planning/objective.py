"""What planners minimise, and the ledger through which they pay for every evaluation."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple, Protocol

import numpy as np

from gpjepa.core.errors import ConfigError, NumericError, listed
from gpjepa.planning.sets import as_bytes, canonical, ordered, sizes
from gpjepa.planning.space import Space


class Scores(NamedTuple):
    """Energy of each set [N], lower is better, and its standard error [N].

    The error is over control cells and latent samples. Both float64.
    """

    energy: np.ndarray
    error: np.ndarray


class Objective(Protocol):
    """Scores sets of candidates [N, K] by how near they bring cells to the goal."""

    def __call__(self, sets: np.ndarray) -> Scores:
        """Score sets through the world model: an evaluation each."""

    def guess(self, sets: np.ndarray) -> np.ndarray | None:
        """Return energies [N] from what was scored before, without running the world model.

        Sums of the members' first-order shifts and of the pair shifts known; NaN where a member
        was never scored, None when no set can be guessed.
        """


class Best(NamedTuple):
    """The best set that was evaluated [K], with its energy and the energy's standard error."""

    members: np.ndarray
    energy: float
    error: float


@dataclass(frozen=True)
class TracePoint:
    """Where a search stood after a batch: evaluations spent and the best energy so far.

    `energy` is inf before anything is scored; `spread` is the standard deviation of the elites'
    energies, or of the batch's.
    """

    phase: str
    iteration: int
    evaluations: int
    energy: float
    spread: float


class Ledger:
    """Scores sets once each, inside a space and within a budget of evaluations.

    An evaluation is one distinct set scored through the world model, single candidates included.
    Raises `ConfigError` for a budget below 1.
    """

    def __init__(self, objective: Objective, space: Space, budget: int) -> None:
        if budget < 1:
            raise ConfigError(f"budget is {budget}; expected 1 evaluation or more; raise it")
        self.objective, self.space, self.budget = objective, space, int(budget)
        self.trace: list[TracePoint] = []
        self._row: dict[bytes, int] = {}
        self._sets: list[np.ndarray] = []
        self._energy, self._error, self._answer = np.zeros(0), np.zeros(0), np.zeros(0, dtype=bool)

    @property
    def spent(self) -> int:
        """Return the evaluations so far."""
        return len(self._row)

    @property
    def left(self) -> int:
        """Return the evaluations that are left."""
        return self.budget - self.spent

    def score(
        self, sets: np.ndarray, phase: str = "", iteration: int = 0, spread: float | None = None
    ) -> Scores:
        """Return the scores of sets [N, K], those known for free, new ones while budget is left.

        Energy and error are inf where a set was not scored or left the finite numbers. Raises
        `ConfigError` for a set outside the space.
        """
        sets = self._wide(sets)
        outside = ~self.space.allows(sets)
        if outside.any():
            names = listed(self.space.labels(sets[outside][:5]))
            raise ConfigError(
                f"{int(outside.sum())} sets are outside the space ({names}); expected sets of "
                f"{self.space.min_size} to {self.space.max_size} that keep to its constraints"
            )
        return self._score(sets, phase, iteration, spread, answers=True)

    def probe(self, sets: np.ndarray, phase: str = "probe", iteration: int = 0) -> Scores:
        """Return the scores of sets that need not be in the space, to learn from.

        They cost an evaluation each; the answer is among them only where the space allows it.
        """
        return self._score(self._wide(sets), phase, iteration, None, answers=False)

    def known(self, sets: np.ndarray) -> np.ndarray:
        """Tell which sets [N, K] were scored before."""
        marks = as_bytes(self._wide(sets)).tolist()
        return np.fromiter((mark in self._row for mark in marks), dtype=bool, count=len(marks))

    def guess(self, sets: np.ndarray) -> np.ndarray | None:
        """Return what the objective expects of sets without an evaluation; see `Objective`."""
        return self.objective.guess(self._wide(sets))

    def ranked(self, n: int | None = None) -> tuple[np.ndarray, Scores]:
        """Return the best `n` sets evaluated [n, K], all without `n`, and their scores.

        Sets of equal energy are in the order of their evaluation. Raises `NumericError` where no
        energy is finite, and `ConfigError` where nothing was scored.
        """
        usable = np.flatnonzero(self._answer & np.isfinite(self._energy))
        if not len(usable):
            self._refuse()
        order = usable[np.argsort(self._energy[usable], kind="stable")][:n]
        return self.evaluated[order], Scores(self._energy[order], self._error[order])

    @property
    def best(self) -> Best:
        """Return the best set evaluated; raises as `ranked` does."""
        sets, scores = self.ranked(1)
        return Best(sets[0], float(scores.energy[0]), float(scores.error[0]))

    @property
    def lowest(self) -> float:
        """Return the lowest energy of a set that may be the answer; inf before there is one."""
        return float(self._energy[self._answer].min(initial=np.inf))

    @property
    def evaluated(self) -> np.ndarray:
        """Return all sets scored [spent, K], in the order of their evaluation."""
        if len(self._sets) > 1:
            self._sets = [np.concatenate(self._sets)]
        return self._sets[0] if self._sets else np.zeros((0, self.space.max_size), dtype=np.int64)

    @property
    def energies(self) -> np.ndarray:
        """Return the energy of each set of `evaluated` [spent]; inf where it was not finite."""
        return self._energy.copy()

    @property
    def excluded(self) -> tuple[str, ...]:
        """Return the names of the sets whose energy or its error was not finite."""
        return tuple(self.space.labels(self.evaluated[~np.isfinite(self._energy)]))

    def _wide(self, sets: np.ndarray) -> np.ndarray:
        """Return sets in order and as wide as the space's largest, where they are narrower."""
        sets = ordered(sets)
        width = self.space.max_size
        if sets.shape[1] < width:
            filler = np.full((len(sets), width - sets.shape[1]), -1, dtype=np.int64)
            return np.concatenate((sets, filler), axis=1)
        if sets.shape[1] > width and (sets[:, width:] < 0).all():
            return np.ascontiguousarray(sets[:, :width])
        return sets

    def _score(
        self, sets: np.ndarray, phase: str, iteration: int, spread: float | None, answers: bool
    ) -> Scores:
        fresh = canonical(sets[~self.known(sets)])[: self.left]
        if len(fresh):
            self._enter(fresh, self.space.allows(fresh) if not answers else None)
        rows = [self._row.get(mark, -1) for mark in as_bytes(sets).tolist()]
        at = np.array(rows, dtype=np.int64)
        energy = np.where(at >= 0, np.append(self._energy, np.inf)[at], np.inf)
        error = np.where(at >= 0, np.append(self._error, np.inf)[at], np.inf)
        finite = energy[np.isfinite(energy)]
        spread = (float(finite.std()) if len(finite) else np.nan) if spread is None else spread
        self.trace.append(TracePoint(phase, iteration, self.spent, self.lowest, spread))
        return Scores(energy, error)

    def _enter(self, fresh: np.ndarray, answer: np.ndarray | None) -> None:
        """Score sets that are new and within the budget."""
        scores = self.objective(fresh)
        energy = np.asarray(scores.energy, dtype=np.float64).reshape(len(fresh))
        error = np.asarray(scores.error, dtype=np.float64).reshape(len(fresh))
        sound = np.isfinite(energy) & np.isfinite(error)
        for mark in as_bytes(fresh).tolist():
            self._row[mark] = len(self._row)
        self._sets.append(fresh)
        self._energy = np.append(self._energy, np.where(sound, energy, np.inf))
        self._error = np.append(self._error, np.where(sound, error, np.inf))
        answer = np.ones(len(fresh), dtype=bool) if answer is None else answer
        self._answer = np.append(self._answer, answer)

    def _refuse(self) -> None:
        names = self.excluded
        if names:
            raise NumericError(
                f"the energy of all {len(names)} sets scored is not finite ({listed(names)}); "
                "expected finite energies; check the goal and the model with `gpjepa evaluate`"
            )
        largest = int(sizes(self.evaluated).max(initial=0))
        raise ConfigError(
            f"none of the {self.spent} sets scored (up to {largest} members) is one that the "
            "constraints allow; expected one or more; raise the budget"
        )
