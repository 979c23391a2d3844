"""The cross-entropy method over sets, warmed by first-order effects and led by guesses."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from gpjepa.core.random import numpy_stream
from gpjepa.planning.guided import GuessSearch, first_order, neighbours
from gpjepa.planning.objective import Ledger
from gpjepa.planning.partners import evaluations, screen_partners
from gpjepa.planning.proposals import Proposal, even, warmed
from gpjepa.planning.sets import canonical

FEWEST, MOST = 8, 4096  # sets of a batch
SHARE = 0.1  # of the candidates that are probable at the start, when these were scored alone
NUMBERS = 4_000_000  # random numbers of a batch of guided draws, about
MORE = 5  # times the patience with guesses that promise something better
SCREENED = 0.9  # of what is left that partners may take
UNGUIDED = 2  # draws for each set that is scored, as some were scored before


@dataclass(frozen=True)
class CrossEntropy:
    """Draws sets, scores them, moves the probabilities towards the best, and begins again.

    The budget is split into about `batches`. The best `elite` of a batch, each once, with the best
    set so far are what probabilities move to; `smoothing` is the weight of the old ones, and none
    falls below `least` of an even one. With `warm` candidates are scored alone first. With
    `guided` a batch holds the sets with the best guesses among `screened` times as many draws and
    among what a search over guesses finds; the share `explore` of it is drawn as it comes. When
    `patience` batches brought nothing better, or nothing new is drawn, elites agree: the
    neighbours of the best set are scored and the probabilities begin afresh, until `restarts` in
    a row brought nothing better. With `partners` every candidate is scored beside so many strong
    ones, for at most nine tenths of what singles left, and the search goes on: a member that helps
    only with another is seen in no guess before.
    """

    batches: int = 30
    elite: float = 0.2
    smoothing: float = 0.3
    least: float = 0.05
    warm: bool = True
    guided: bool = True
    screened: int = 16
    explore: float = 0.2
    patience: int = 4
    restarts: int = 5
    partners: int = 0
    search: GuessSearch = field(default_factory=GuessSearch)

    def __call__(self, ledger: Ledger, seed: int) -> None:
        """Spend the budget, or less where restarts bring nothing better."""
        alone = first_order(ledger) if self.warm else None
        run = _Run(self, ledger, numpy_stream(seed, "planning", "cem"))
        start = even(ledger.space) if alone is None else warmed(ledger.space, alone, SHARE)
        run.search(start, kept=0 if alone is None else run.owed())
        if alone is not None and self.partners:
            screen_partners(ledger, alone, self.partners, run.owed(), run.rng)
            run.search(start)


class _Run:
    """One search: its settings, ledger and random stream, and the size of its batches."""

    def __init__(self, method: CrossEntropy, ledger: Ledger, rng: np.random.Generator) -> None:
        self.method, self.ledger, self.rng = method, ledger, rng
        self.size = min(MOST, max(FEWEST, -(-ledger.left // method.batches)))
        self.rounds, self.promise = 0, np.inf
        self.widened: set[tuple[int, ...]] = set()

    def search(self, start: Proposal, kept: int = 0) -> None:
        """Begin afresh until restarts bring nothing better or `kept` evaluations are left."""
        ledger, idle = self.ledger, 0
        while ledger.left > kept and idle <= self.method.restarts:
            before, spent = ledger.lowest, ledger.spent
            self.settle(start, kept)
            if ledger.spent == spent:
                return
            idle = 0 if ledger.lowest < before else idle + 1

    def owed(self) -> int:
        """Return the evaluations that partners take."""
        wanted = evaluations(self.ledger.space, self.method.partners)
        return min(wanted, int(SCREENED * self.ledger.left))

    def settle(self, proposal: Proposal, kept: int = 0) -> None:
        """Move the proposal until elites agree, then look at the best set's neighbours."""
        method, ledger = self.method, self.ledger
        stale, iteration = 0, 0
        while ledger.left > kept and not self.settled(stale):
            batch = self.batch(proposal)
            if not len(batch):
                break
            before = ledger.lowest
            energy = ledger.score(batch, f"round {self.rounds}", iteration).energy
            proposal = self.moved(proposal, batch, energy)
            stale = 0 if ledger.lowest < before else stale + 1
            iteration += 1
        if method.guided and np.isfinite(ledger.lowest):
            self.look_around(iteration)
        self.rounds += 1

    def settled(self, stale: int) -> bool:
        """Tell whether elites agree, `stale` batches having brought nothing better.

        A promise of the guesses that is better than all that was scored is given more time.
        """
        patience = self.method.patience
        promised = self.method.guided and self.promise < self.ledger.lowest
        return stale >= (MORE * patience if promised else patience)

    def look_around(self, iteration: int) -> None:
        """Score the sets one member from the best one, until none of them is better.

        It takes half of what is left at most.
        """
        ledger, size, at = self.ledger, self.size, 0
        near, least = neighbours(ledger), ledger.left // 2
        while ledger.left > least and at < len(near):
            before = ledger.lowest
            ledger.score(near[at : at + size], f"neighbours {self.rounds}", iteration)
            at, iteration = at + size, iteration + 1
            if ledger.lowest < before:
                near, at = neighbours(ledger), 0

    def moved(self, proposal: Proposal, batch: np.ndarray, energy: np.ndarray) -> Proposal:
        """Return the proposal drawn towards the best of a batch and the best set so far."""
        method = self.method
        order = np.argsort(energy, kind="stable")[: max(2, round(method.elite * self.size))]
        order = order[np.isfinite(energy[order])]
        if not len(order) and not np.isfinite(self.ledger.lowest):
            return proposal
        elites = canonical(np.concatenate((batch[order], self.ledger.best.members[None])))
        return proposal.moved(elites, method.smoothing, method.least)

    def batch(self, proposal: Proposal) -> np.ndarray:
        """Return the distinct sets to score next; empty where the draws bring nothing new."""
        method, ledger, size = self.method, self.ledger, self.size
        explored = max(1, round(method.explore * size))
        many = UNGUIDED * size
        if method.guided:
            affordable = NUMBERS // max(1, ledger.space.candidates)
            many = max(UNGUIDED * explored, min(method.screened * size, affordable))
        drawn = canonical(proposal.draw(many, self.rng))
        drawn = drawn[~ledger.known(drawn)]
        if not method.guided:
            return drawn[:size]
        sets, guess = method.search(ledger, drawn, self.widened)
        own = ledger.guess(drawn) if len(drawn) else np.zeros(0)
        if own is None:
            return drawn[:size]
        every, value = np.concatenate((sets, drawn)), np.concatenate((guess, own))
        self.promise = float(np.min(value, initial=np.inf))
        promising = every[np.argsort(value, kind="stable")][: 2 * size]
        return canonical(np.concatenate((drawn[:explored], promising)))[:size]
