"""planning: how often planners find the best set, and with how many evaluations."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from time import perf_counter
from typing import TYPE_CHECKING

import numpy as np

from gpjepa.api.model import GPJEPA
from gpjepa.benchmark import semi_synthetic, truth
from gpjepa.benchmark.held_out import trained
from gpjepa.benchmark.planning_goals import Aimed, Landscape, World, goals_of, world_of
from gpjepa.benchmark.scores import COLUMNS, EACH
from gpjepa.benchmark.task import MODEL, Headline, Part, Task
from gpjepa.core.config import Config
from gpjepa.core.random import derive_seed
from gpjepa.data.partition import Split
from gpjepa.data.perturbseq import PerturbSeq
from gpjepa.planning.cem import CrossEntropy
from gpjepa.planning.greedy import Beam, Greedy
from gpjepa.planning.objective import Ledger, Objective, Scores
from gpjepa.planning.planner import Planner
from gpjepa.planning.planted import Planted, planted
from gpjepa.planning.random_search import RandomSearch
from gpjepa.planning.sets import keys, sizes

if TYPE_CHECKING:
    from pandas import DataFrame

ORACLE, TEXTBOOK = "oracle: exhaustive", "textbook CEM"
SUMS = "CEM, guesses from sums"  # guesses know no pair shift
PARTNERS = "CEM, partners screened"
GENES, LATENT, MEMBERS, BUDGET = 20_000, 32, 3, 100_000
RUNS, HARD_RUNS, STRONG = 50, 10, 6  # of each planted kind; strong candidates given partners
EASY, HARD = "planted, each member helps", "planted, one helps only with another"
FOUND, SAME, SPENT, SECONDS = "found", "same_set", "evaluations", "seconds"


@dataclass(frozen=True)
class Trial:
    """Sets of up to `size`, `goals` goals, and the share of all sets that a planner may score."""

    size: int
    goals: int
    share: float

    @property
    def group(self) -> str:
        """Return what the scores are called by."""
        return f"sizes ≤ {self.size}"


PAIRS, TRIPLES = Trial(2, 200, 0.1), Trial(3, 50, 0.01)


def planners() -> Mapping[str, Planner]:
    """Return the planners that are compared, all with the same budget."""
    return {
        MODEL: CrossEntropy(),
        TEXTBOOK: CrossEntropy(warm=False, guided=False),
        "beam": Beam(),
        "greedy": Greedy(),
        "random": RandomSearch(),
    }


class SumsOnly:
    """An objective whose guesses are sums of first-order shifts, whatever pairs were scored."""

    def __init__(self, world: World, aimed: Aimed) -> None:
        self.scored = world.objective(aimed.goal)
        self.guessed = world.objective(aimed.goal)

    def __call__(self, sets: np.ndarray) -> Scores:
        """Score sets [N, K]."""
        alone = sets[sizes(sets) == 1]
        if len(alone):
            self.guessed(alone)
        return self.scored(sets)

    def guess(self, sets: np.ndarray) -> np.ndarray | None:
        """Return energies [N] of sums."""
        return self.guessed.guess(sets)


def pairs(config: Config, seed: int, device: str) -> DataFrame:
    """Score planners on sets of up to two, with a tenth of the evaluations."""
    return score_trial(*_fitted(config, seed, device), PAIRS, seed)


def triples(config: Config, seed: int, device: str) -> DataFrame:
    """Score planners on sets of up to three, with a hundredth of the evaluations."""
    return score_trial(*_fitted(config, seed, device), TRIPLES, seed)


def _fitted(config: Config, seed: int, device: str) -> tuple[GPJEPA, PerturbSeq, Split]:
    """Return a cell model fitted to semi-synthetic cells, half of the doubles held out."""
    data, split, _ = truth.screen(semi_synthetic.simulation(seed), semi_synthetic.DOUBLES, seed)
    return trained(data, split, config, seed, device), data, split


def score_trial(
    model: GPJEPA, data: PerturbSeq, split: Split, trial: Trial, seed: int
) -> DataFrame:
    """Score all planners on the goals of a trial, against the best of all sets."""
    world = world_of(model, seed)
    aimed = goals_of(world, model, data, split.test, trial.goals, seed)
    landscape = world.landscape(trial.size)
    budget = int(trial.share * len(landscape.sets))
    rows: dict[tuple[str, str], list[Run]] = {}
    for at, each in enumerate(aimed):
        objective = world.objective(each.goal)
        best = landscape.best(objective)
        scored = objective(best.members[None])
        limit = float(scored.energy[0]) + float(scored.error[0])
        every = Run(True, True, len(landscape.sets), best.seconds)
        rows.setdefault((each.kind, ORACLE), []).append(every)
        asked: list[tuple[str, Planner, Objective]] = [
            (name, planner, world.objective(each.goal)) for name, planner in planners().items()
        ]
        asked.insert(1, (SUMS, CrossEntropy(), SumsOnly(world, each)))
        for name, planner, own in asked:
            run = plan(own, landscape, planner, budget, derive_seed(seed, at), best.members, limit)
            rows.setdefault((each.kind, name), []).append(run)
    return _frame(trial.group, rows)


@dataclass(frozen=True)
class Run:
    """One search: whether it found the best set or one as good, and what it took."""

    found: bool
    same: bool
    evaluations: int
    seconds: float


def plan(
    objective: Objective,
    landscape: Landscape,
    planner: Planner,
    budget: int,
    seed: int,
    best: np.ndarray,
    limit: float,
) -> Run:
    """Run a planner; its set is as good as the best one where its energy is at most `limit`."""
    ledger = Ledger(objective, landscape.space, budget)
    began = perf_counter()
    planner(ledger, seed)
    seconds = perf_counter() - began
    found = ledger.best
    same = keys(found.members[None]) == keys(best[None])
    return Run(same or found.energy <= limit, same, ledger.spent, seconds)


def _frame(group: str, rows: Mapping[tuple[str, str], list[Run]]) -> DataFrame:
    """Return a row per kind of goal, metric and planner, and one for all goals together."""
    import pandas

    kinds = list(dict.fromkeys(kind for kind, _ in rows))
    names = list(dict.fromkeys(name for _, name in rows))
    groups = {f"{group}, {kind}": [kind] for kind in kinds} if len(kinds) > 1 else {}
    groups[group] = kinds
    made = []
    for label, own in groups.items():
        for name in names:
            runs = [run for kind in own for run in rows[kind, name]]
            values = {
                FOUND: [float(run.found) for run in runs],
                SAME: [float(run.same) for run in runs],
                SPENT: [float(run.evaluations) for run in runs],
                SECONDS: [run.seconds for run in runs],
            }
            for metric, each in values.items():
                best = 1.0 if metric in (FOUND, SAME) else np.nan
                numbered = {f"goal {at}": value for at, value in enumerate(each)}
                row = (label, metric, name, float(np.mean(each)), np.nan, best, len(each), numbered)
                made.append(row)
    return pandas.DataFrame(made, columns=[*COLUMNS, EACH])


def each_helps(config: Config, seed: int, device: str) -> DataFrame:
    """Score planners on planted sets of three among 20,000 genes, each member of which helps."""
    return score_planted(EASY, seed, RUNS)


def one_hidden(config: Config, seed: int, device: str) -> DataFrame:
    """Score the same where the last member helps only together with the first, in fewer runs."""
    return score_planted(HARD, seed, HARD_RUNS)


def score_planted(
    group: str, seed: int, runs: int, genes: int = GENES, budget: int = BUDGET
) -> DataFrame:
    """Score planners on `runs` planted problems; evaluations are those until the set was found."""
    rows: dict[tuple[str, str], list[Run]] = {}
    for run in range(runs):
        problem = planted(genes, LATENT, MEMBERS, derive_seed(seed, run), hidden=group == HARD)
        asked = dict(planners())
        if group == HARD:
            asked[PARTNERS] = CrossEntropy(partners=STRONG)
        for name, planner in asked.items():
            rows.setdefault((group, name), []).append(search_planted(problem, planner, budget, run))
    return _frame(group, rows)


class Reached(Exception):
    """The planted set was scored: nothing better is to be found."""


class UntilReached:
    """A planted objective that ends the search once a set as good as the planted one is scored."""

    def __init__(self, problem: Planted) -> None:
        self.objective, self.limit = problem.objective(), problem.energy
        self.scored = 0

    def __call__(self, sets: np.ndarray) -> Scores:
        """Score sets; raises `Reached`, having counted the evaluations up to the set."""
        scores = self.objective(sets)
        good = np.flatnonzero(scores.energy <= self.limit)
        if len(good):
            self.scored += int(good[0]) + 1
            raise Reached
        self.scored += len(sets)
        return scores

    def guess(self, sets: np.ndarray) -> np.ndarray:
        """Return the guesses of the objective."""
        return self.objective.guess(sets)


def search_planted(problem: Planted, planner: Planner, budget: int, seed: int) -> Run:
    """Run a planner on a planted problem until it has scored the planted set, or has given up."""
    objective = UntilReached(problem)
    ledger = Ledger(objective, problem.space(MEMBERS), budget)
    began, found = perf_counter(), False
    try:
        planner(ledger, seed)
    except Reached:
        found = True
    return Run(found, found, objective.scored, perf_counter() - began)


FOUND_BEST = (FOUND, "best set found ↑", 1.0)
SCORED: tuple[tuple[str, Callable[[Config, int, str], DataFrame], str], ...] = (
    ("sets of two", pairs, PAIRS.group),
    ("sets of three", triples, TRIPLES.group),
    (EASY, each_helps, EASY),
    (HARD, one_hidden, HARD),
)

PLANNING = Task(
    "planning",
    "planners against the best of all sets: a cell model of semi-synthetic cells, 104 genes; "
    "planted sets among 20,000 genes (simulated)",
    ("norman-effects", "k562-baseline", "gene-sets"),
    tuple(Part(name, score) for name, score, _ in SCORED),
    tuple(Headline(group, *FOUND_BEST) for _, _, group in SCORED),
    simulated=True,
)
