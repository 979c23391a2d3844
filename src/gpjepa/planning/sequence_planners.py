"""Planners of sequences: all of them, a beam, the best step each time, or at random."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from gpjepa.core.errors import ConfigError, unknown
from gpjepa.core.random import numpy_stream
from gpjepa.planning.courses import Courses
from gpjepa.planning.sequence_ledger import SequenceLedger

NAMES = ("cem", "exhaustive", "greedy", "beam", "random")
KEPT = 256  # sequences of a length that are extended
TRIED = 0.25  # of the extensions of a length, that correct the guess for the others
CHUNK = 4096  # sequences scored or guessed at once
SPARE = 4  # draws for each sequence that is scored


class SequencePlanner(Protocol):
    """Searches sequences by spending a ledger's evaluations; the answer is read from the ledger."""

    def __call__(self, ledger: SequenceLedger, seed: int) -> None:
        """Score sequences until the budget is spent or nothing is left to gain."""


@dataclass(frozen=True)
class SequenceBeam:
    """Extends the best sequences of each length, `width` of them or `KEPT` for None.

    Where the budget does not reach all extensions, those with the best guesses are scored, a
    quarter of them first, to correct the guess for the others.
    """

    width: int | None = None

    def __call__(self, ledger: SequenceLedger, seed: int) -> None:
        """Score every action, then longer sequences."""
        steps, width = ledger.courses.steps, self.width or KEPT
        kept, energy = first(ledger)
        for length in range(2, steps + 1):
            kept = kept[np.argsort(energy, kind="stable")[:width]][
                np.isfinite(np.sort(energy)[:width])
            ]
            if not len(kept) or not ledger.left:
                return
            every = ledger.courses.longer(kept)
            share = ledger.left // (steps - length + 1)
            tried = math.ceil(TRIED * share)
            parts, values = [], []
            for most in (tried, share - tried):
                every = every[np.argsort(guesses(ledger, every), kind="stable")]
                parts.append(every[:most])
                values.append(ledger.score(every[:most], f"step {length}", length - 1))
                every = every[most:]
            kept, energy = np.concatenate(parts), np.concatenate(values)


@dataclass(frozen=True)
class SequenceExhaustive:
    """Scores every sequence that the constraints allow; the oracle."""

    def __call__(self, ledger: SequenceLedger, seed: int) -> None:
        """Score all; raises `ConfigError` where the budget is too small."""
        courses, at = ledger.courses, np.zeros((1, 0), dtype=np.int64)
        if courses.most > ledger.left:
            raise ConfigError(
                f"there are up to {courses.most:,} sequences and the budget is {ledger.left:,}; an "
                f"exhaustive search needs {courses.most:,}; raise the budget, plan fewer steps, or "
                "use the planner beam"
            )
        for length in range(1, courses.steps + 1):
            at = courses.longer(at)
            for start in range(0, len(at), CHUNK):
                ledger.score(at[start : start + CHUNK], f"step {length}", length - 1)


@dataclass(frozen=True)
class SequenceRandom:
    """Scores sequences drawn evenly: a length, then a step at a time; the floor."""

    def __call__(self, ledger: SequenceLedger, seed: int) -> None:
        """Draw until the budget is spent or draws bring nothing new."""
        courses, rng = ledger.courses, numpy_stream(seed, "planning", "random sequences")
        weight = np.ones((courses.steps, courses.count))
        length = np.full(courses.steps, 1.0 / courses.steps)
        while ledger.left:
            drawn = fresh(ledger, drawn_by(courses, weight, length, SPARE * ledger.left, rng))
            if not len(drawn):
                return
            ledger.score(drawn[: max(1, ledger.left // courses.steps)], "random")


def first(ledger: SequenceLedger) -> tuple[np.ndarray, np.ndarray]:
    """Score every action on its own; return them [M, 1] with their energies."""
    alone = ledger.courses.longer(np.zeros((1, 0), dtype=np.int64))
    return alone, ledger.score(alone, "step 1")


def guesses(ledger: SequenceLedger, sequences: np.ndarray) -> np.ndarray:
    """Return what the ledger expects of many sequences [S]."""
    parts = [
        ledger.guess(sequences[at : at + 16 * CHUNK]) for at in range(0, len(sequences), 16 * CHUNK)
    ]
    return np.concatenate(parts) if parts else np.zeros(0)


def fresh(ledger: SequenceLedger, sequences: np.ndarray) -> np.ndarray:
    """Return the distinct sequences that were not scored, in their order."""
    if not len(sequences):
        return sequences
    _, at = np.unique(sequences, axis=0, return_index=True)
    sequences = sequences[np.sort(at)]
    return sequences[~ledger.known(sequences)]


def drawn_by(
    courses: Courses, weight: np.ndarray, length: np.ndarray, n: int, rng: np.random.Generator
) -> np.ndarray:
    """Return up to `n` sequences [n, steps] that may be answers, repetitions among them.

    `weight` [steps, M] are those of the actions of each step, `length` [steps] the probability of
    each length. A step is the action with the largest log weight plus Gumbel noise among those
    that the steps before leave.
    """
    found = np.full((n, courses.steps), -1, dtype=np.int64)
    wanted = 1 + rng.choice(courses.steps, n, p=length)
    for step in range(courses.steps):
        rows = np.flatnonzero(wanted > step)
        noise = rng.gumbel(size=(len(rows), courses.count)) + np.log(weight[step])
        order = np.argsort(-noise, axis=1, kind="stable")
        open_rows = np.arange(len(rows))
        for place in range(min(courses.count, SPARE)):
            trial = found[rows[open_rows], : step + 1].copy()
            trial[:, step] = order[open_rows, place]
            good = courses.grows(trial)
            found[rows[open_rows[good]], step] = trial[good, step]
            open_rows = open_rows[~good]
        wanted[rows[open_rows]] = step
    found = found[wanted > 0]
    return found[courses.allows(found)]


def sequence_planner(name: str) -> SequencePlanner:
    """Return the planner of a name; raise `ConfigError` for an unknown one."""
    from gpjepa.planning.sequence_cem import SequenceCrossEntropy

    made: Mapping[str, SequencePlanner] = {
        "cem": SequenceCrossEntropy(),
        "exhaustive": SequenceExhaustive(),
        "greedy": SequenceBeam(1),
        "beam": SequenceBeam(),
        "random": SequenceRandom(),
    }
    if name not in made:
        raise ConfigError(unknown("planner", name, NAMES, f"use one of {', '.join(NAMES)}"))
    return made[name]
