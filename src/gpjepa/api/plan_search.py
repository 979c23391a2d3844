"""Running a planner, rescoring what it found, and what the sum of members would have found."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from gpjepa.api.plan_additive import AdditiveObjective
from gpjepa.api.plan_setup import POPULATION, Setup
from gpjepa.api.plan_table import Shortlist, diverse, require_finite
from gpjepa.planning.objective import Ledger
from gpjepa.planning.planner import planner_named
from gpjepa.planning.space import Space

if TYPE_CHECKING:
    from pandas import DataFrame

SPARE = 2  # times the sets that are shown are rescored, for those that move up


@dataclass(frozen=True, eq=False)
class Found:
    """A planner's ledger with its trace as a table."""

    planner: str
    ledger: Ledger

    @property
    def trace(self) -> DataFrame:
        """Return where the search stood after each batch."""
        import pandas

        rows = [{"planner": self.planner, **asdict(point)} for point in self.ledger.trace]
        columns = ["planner", "phase", "iteration", "evaluations", "energy", "spread"]
        return pandas.DataFrame(rows, columns=columns)


def search(setup: Setup) -> Found:
    """Run the planner of the settings on its budget."""
    chosen = setup.search
    ledger = Ledger(setup.searched, setup.space, chosen.budget)
    planner_named(chosen.planner)(ledger, chosen.seed)
    return Found(chosen.planner, ledger)


def shortlist(setup: Setup, found: Found) -> Shortlist:
    """Return the best sets, rescored with whole populations, at most `share` with one gene.

    Their order is that of the energy with its terms; the scores are without.
    """
    sets, searched = found.ledger.ranked()
    rows = diverse(sets, SPARE * setup.search.top, setup.search.share)
    sets, before = sets[rows], searched.energy[rows]
    ranking = setup.ranking(sets)
    sound = np.flatnonzero(require_finite(ranking, setup.space.labels(sets)))
    order = sound[np.argsort(ranking.energy[sound], kind="stable")][: setup.search.top]
    plain = setup.population(sets[order])
    distance = setup.distance(setup.population)
    return Shortlist(sets[order], plain, before[order], distance, POPULATION)


def additive_best(setup: Setup, found: Found) -> dict[str, Any]:
    """Return the set that the sum of the members' own shifts is nearest the goal with.

    Found by the same planner on the same budget; `energy` is what the model's mean says of the
    set, `additive_energy` what the sum said.
    """
    sums = AdditiveObjective(setup.mean, setup.searched.terms)
    ledger = Ledger(sums, setup.space, setup.search.budget)
    planner_named(setup.search.planner)(ledger, setup.search.seed)
    best = ledger.best
    rank = rank_of(found.ledger, best.members)
    return {
        "set": setup.space.labels(best.members[None])[0],
        "energy": float(setup.mean(best.members[None]).energy[0]),
        "additive_energy": float(AdditiveObjective(setup.mean)(best.members[None]).energy[0]),
        "rank": rank,
    }


def rank_of(ledger: Ledger, members: np.ndarray) -> int | None:
    """Return the place of a set among those scored; None where it was not."""
    sets, _ = ledger.ranked()
    rows = np.flatnonzero((sets == members).all(axis=1))
    return int(rows[0]) + 1 if len(rows) else None


def small(space: Space, most: int) -> bool:
    """Tell whether a space has so few sets that all of them can be scored."""
    return space.count() <= most
