"""planning-speed: sets scored per second, beside a loop that predicts populations of cells."""

from __future__ import annotations

from time import perf_counter
from typing import TYPE_CHECKING

import numpy as np
import torch

from gpjepa.api.model import GPJEPA
from gpjepa.benchmark import semi_synthetic, truth
from gpjepa.benchmark.held_out import trained
from gpjepa.benchmark.planning_goals import World, world_of
from gpjepa.benchmark.scores import COLUMNS
from gpjepa.benchmark.task import MODEL, Headline, Part, Task
from gpjepa.core.config import Config
from gpjepa.planning.goal import CellsGoal
from gpjepa.planning.objective import Objective
from gpjepa.planning.population import PopulationObjective
from gpjepa.planning.scoring import MeanShiftObjective
from gpjepa.planning.sets import padded
from gpjepa.planning.shifts import Shifts
from gpjepa.planning.space import Space

if TYPE_CHECKING:
    from pandas import DataFrame

CELLS = 128  # of a population, and control cells of a mean
STEPS = 200  # of training: speed does not depend on more
ENDS = ("min", "max")
TRIPLES, POPULATIONS, LOOP = 20_000, 512, 8  # sets timed of each mode, all pairs beside
UNREACHED = 1e6  # sets per second, that rates are held against
LOOPED = "loop over predict"
MEAN, WHOLE = "mean shift", "populations"
FIRST, KEPT, BOUND, TIMES = (
    "sets_per_second_first",
    "sets_per_second",
    "triples_per_second",
    "times_loop",
)
BOUND_FIRST = "triples_per_second_first"


def speed(config: Config, seed: int, device: str) -> DataFrame:
    """Time both objectives on the cells of `semi-synthetic`, after a short training."""
    limits = [f"{stage}.{end}_steps={STEPS}" for stage in ("pretrain", "fit") for end in ENDS]
    short = config.override(limits)
    data, split, _ = truth.screen(semi_synthetic.simulation(seed), semi_synthetic.DOUBLES, seed)
    return timed(trained(data, split, short, seed, device), seed)


def timed(model: GPJEPA, seed: int) -> DataFrame:
    """Return sets per second: when shifts are run, once they are kept, and the loop's.

    The three are timed one after the other, so that ratios are of one machine under one load.
    """
    import pandas

    world = world_of(model, seed)
    goal = _goal(world)
    space = Space(world.names, 2)
    pairs = np.concatenate(list(space.every()))
    rng = np.random.default_rng(seed)
    triples = Space(world.names, min(3, space.candidates)).draw(TRIPLES, rng)
    few = pairs[rng.permutation(len(pairs))[:POPULATIONS]]
    mean = MeanShiftObjective(Shifts(world.origin, world.members), goal)
    whole = PopulationObjective(Shifts(world.origin, world.members), goal)
    loop = _loop(model, space.labels(few[:LOOP]))
    found = [(MEAN, FIRST, _rate(mean, pairs)), (MEAN, KEPT, _rate(mean, pairs))]
    found += [(MEAN, BOUND_FIRST, _rate(mean, triples)), (MEAN, BOUND, _rate(mean, triples))]
    found += [(WHOLE, FIRST, _rate(whole, few)), (WHOLE, KEPT, _rate(whole, few))]
    found += [(mode, TIMES, rate / loop) for mode, metric, rate in found if metric == KEPT]
    rows = [(mode, metric, MODEL, value, np.nan, np.nan, 1) for mode, metric, value in found]
    rows += [(mode, KEPT, LOOPED, loop, np.nan, np.nan, 1) for mode in (MEAN, WHOLE)]
    return pandas.DataFrame(rows, columns=list(COLUMNS))


def _goal(world: World) -> CellsGoal:
    """Return the control cells under the first two candidates as the goal."""
    pair = padded([(0, 1)], 2)
    moved = world.shifts(pair).mean[0] - world.shifts.start
    return CellsGoal(torch.clone(world.origin.start + moved))


def _rate(objective: Objective, sets: np.ndarray) -> float:
    began = perf_counter()
    objective(sets)
    return len(sets) / (perf_counter() - began)


def _loop(model: GPJEPA, labels: list[str]) -> float:
    """Return how many populations of counts `predict` makes per second, one set at a time."""
    began = perf_counter()
    for label in labels:
        model.predict(label, cells=CELLS)
    return len(labels) / (perf_counter() - began)


PLANNING_SPEED = Task(
    "planning-speed",
    "sets scored per second by the world model, 104 genes, 128 cells (simulated)",
    ("norman-effects", "k562-baseline", "gene-sets"),
    (Part("sets per second", speed),),
    (
        Headline(MEAN, FIRST, "sets per second, shifts run ↑", UNREACHED),
        Headline(MEAN, KEPT, "sets per second, shifts kept ↑", UNREACHED),
        Headline(MEAN, BOUND, "sets of three per second ↑", UNREACHED),
        Headline(WHOLE, KEPT, "sets per second ↑", UNREACHED),
        Headline(WHOLE, TIMES, "times a loop over predict ↑", UNREACHED),
    ),
    simulated=True,
)
