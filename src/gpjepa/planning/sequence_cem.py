"""The cross-entropy method over ordered sequences, led by guesses."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from gpjepa.core.random import numpy_stream
from gpjepa.planning.sequence_ledger import SequenceLedger
from gpjepa.planning.sequence_planners import drawn_by, first, fresh, guesses

FEWEST = 8  # sequences of a batch
LEAST = 0.05  # weight of an action, relative to an even one
SHARE = 0.1  # of the actions that are probable at the start


@dataclass(frozen=True)
class SequenceCrossEntropy:
    """Draws an action for each place of a sequence and moves the odds towards the best.

    Every action is scored alone first, which orders the odds of all places. Batches are a
    `batches`-th of the budget: `explore` of one is as it was drawn, the rest has the best guesses
    among `screened` times as many draws. When `patience` batches brought nothing better the odds
    begin afresh, until `restarts` in a row brought nothing better.
    """

    batches: int = 30
    elite: float = 0.2
    smoothing: float = 0.3
    screened: int = 16
    explore: float = 0.2
    patience: int = 4
    restarts: int = 5

    def __call__(self, ledger: SequenceLedger, seed: int) -> None:
        """Spend the budget, or less where restarts bring nothing better."""
        courses, rng = ledger.courses, numpy_stream(seed, "planning", "sequence cem")
        alone, energy = first(ledger)
        score = np.full(courses.count, np.inf)
        score[alone[:, 0]] = energy
        rank = np.argsort(np.argsort(score, kind="stable"))
        warm = np.exp(-rank / max(1.0, SHARE * courses.count)) + 1.0 / courses.count
        warm = np.tile(warm / warm.sum(), (courses.steps, 1))
        even = np.full(courses.steps, 1.0 / courses.steps)
        size, idle, run = max(FEWEST, -(-ledger.left // self.batches)), 0, 0
        while ledger.left and idle <= self.restarts:
            before, spent = ledger.lowest, ledger.spent
            self._settle(ledger, warm, even, size, rng, run)
            if ledger.spent == spent:
                return
            idle, run = (0 if ledger.lowest < before else idle + 1), run + 1

    def _settle(
        self,
        ledger: SequenceLedger,
        weight: np.ndarray,
        length: np.ndarray,
        size: int,
        rng: np.random.Generator,
        run: int,
    ) -> None:
        """Move the odds until batches bring nothing better."""
        stale, iteration = 0, 0
        while ledger.left and stale < self.patience:
            drawn = drawn_by(ledger.courses, weight, length, self.screened * size, rng)
            drawn = fresh(ledger, drawn)
            if not len(drawn):
                return
            explored = max(1, round(self.explore * size))
            order = np.argsort(guesses(ledger, drawn[explored:]), kind="stable")
            batch = np.concatenate((drawn[:explored], drawn[explored:][order]))[:size]
            before = ledger.lowest
            energy = ledger.score(batch, f"round {run}", iteration)
            stale = 0 if ledger.lowest < before else stale + 1
            weight, length = self._moved(ledger, weight, length, batch, energy)
            iteration += 1

    def _moved(
        self,
        ledger: SequenceLedger,
        weight: np.ndarray,
        length: np.ndarray,
        batch: np.ndarray,
        energy: np.ndarray,
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return the odds drawn towards the best of a batch and the best sequence so far."""
        order = np.argsort(energy, kind="stable")[: max(2, round(self.elite * len(batch)))]
        elites = np.concatenate((batch[order[np.isfinite(energy[order])]], ledger.ranked()[0][:1]))
        if not len(elites):
            return weight, length
        steps, count = weight.shape
        for place in range(steps):
            here = elites[:, place][elites[:, place] >= 0]
            if len(here):
                seen = np.bincount(here, minlength=count) / len(here)
                weight = weight.copy()
                weight[place] = _mixed(weight[place], seen, self.smoothing)
        lengths = np.bincount((elites >= 0).sum(axis=1) - 1, minlength=steps) / len(elites)
        return weight, _mixed(length, lengths, self.smoothing)


def _mixed(old: np.ndarray, new: np.ndarray, smoothing: float) -> np.ndarray:
    mixed = np.maximum(smoothing * old + (1 - smoothing) * new, LEAST / len(old))
    return np.asarray(mixed / mixed.sum())
