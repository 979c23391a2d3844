"""What a search needs, made once: encoded control cells, the goal, the sets that are allowed."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import torch

from gpjepa.api.answers import averaged_over
from gpjepa.api.goal_check import refuse_the_start
from gpjepa.api.goals import Aim, encoded, planning_goal
from gpjepa.api.plan_settings import Search
from gpjepa.api.plan_space import Constraints, Names, space_of
from gpjepa.api.populations import Start
from gpjepa.core.errors import ConfigError
from gpjepa.planning.goal import DirectionGoal, Goal, LatentGoal, SignatureGoal, one_way
from gpjepa.planning.origin import Origin
from gpjepa.planning.population import PopulationObjective
from gpjepa.planning.risk import Doubt
from gpjepa.planning.scoring import MeanShiftObjective, Terms
from gpjepa.planning.shifts import Shifts
from gpjepa.planning.space import Space

MEAN, POPULATION = "mean-shift", "population"
AUTO, LATENT, EXPRESSION, DISTANCE = "auto", "latent", "expression", "energy-distance"


@dataclass(frozen=True, eq=False)
class Setup:
    """A goal, an origin and a space, with the objectives that score sets.

    `shifts` are run once for all objectives, those of other planners too.
    """

    start: Start
    aim: Aim
    goal: Goal
    shifts: Shifts
    space: Space
    search: Search
    notes: tuple[str, ...]

    @property
    def origin(self) -> Origin:
        """Return the encoded control cells."""
        return self.shifts.origin

    @property
    def one_way(self) -> bool:
        """Tell whether the goal has no end, see `planning.goal.one_way`."""
        return one_way(self.goal)

    @cached_property
    def doubt(self) -> Doubt:
        """Return how far off energies may be because the model's mean effects are."""
        return Doubt(self.origin, self.start.bundle, self.space.names)

    @cached_property
    def mean(self) -> MeanShiftObjective:
        """Return the distance of the mean of the control cells' latents, nothing added."""
        return self._mean(Terms())

    @cached_property
    def population(self) -> PopulationObjective:
        """Return the distance of populations of sampled latents, nothing added."""
        return self._population(Terms())

    @cached_property
    def searched(self) -> MeanShiftObjective | PopulationObjective:
        """Return what the planner makes small: a distance with risk, size and cost."""
        if self.search.mode == MEAN:
            return self._mean(self._terms(self.distance(self.mean)))
        return self.ranking

    @cached_property
    def ranking(self) -> PopulationObjective:
        """Return what the sets found are put in order by: populations, with risk, size and cost."""
        return self._population(self._terms(self.distance(self.population)))

    def _mean(self, terms: Terms) -> MeanShiftObjective:
        kind = EXPRESSION if self.search.energy == EXPRESSION else LATENT
        return MeanShiftObjective(self.shifts, self.goal, kind=kind, terms=terms, doubt=self.doubt)

    def _population(self, terms: Terms) -> PopulationObjective:
        return PopulationObjective(
            self.shifts,
            self.goal,
            kind=self.search.energy,
            terms=terms,
            doubt=self.doubt,
            seed=self.search.seed,
        )

    @property
    def energy(self) -> str:
        """Say what the energy is."""
        if isinstance(self.goal, SignatureGoal):
            return "minus the signature, log1p units"
        if isinstance(self.goal, DirectionGoal):
            unit = "effect" if self.search.energy == EXPRESSION else "latent"
            return f"minus the way along the direction, {unit}"
        return {
            LATENT: "mean absolute difference of the mean latents",
            EXPRESSION: "root mean squared difference of effects, log1p units",
            DISTANCE: "energy distance of the cells' latents",
        }[self.search.energy]

    def distance(self, objective: MeanShiftObjective | PopulationObjective) -> float:
        """Return the energy of the control cells themselves; 0 for a goal without an end."""
        if self.one_way:
            return 0.0
        state = self.origin.start
        with torch.no_grad():
            if isinstance(objective, PopulationObjective):
                return float(objective.energy(state[None]).energy[0])
            return float(objective.energy(state.mean(dim=0)[None])[0])

    def _terms(self, distance: float) -> Terms:
        """Return what is added to the distance, in shares of that from start to goal."""
        search, cost = self.search, self.space.cost
        unit = 1.0 if self.one_way else distance
        return Terms(
            risk=search.risk,
            size=search.size_cost * unit,
            cost=cost,
            cost_weight=search.cost_weight * unit if cost is not None else 0.0,
        )


def set_up(start: Start, aim: Aim, asked: Constraints, search: Search) -> Setup:
    """Encode the control cells and bring goal and constraints into the planner's terms.

    Raises `DataError` where the goal is where the cells start, `ConfigError` and `VocabularyError`
    for constraints that cannot be kept.
    """
    names = Names(start.bundle.vocabulary, start.modality)
    space = space_of(asked, names)
    way = course_of(start, aim, search.cells, search.seed)
    goal = way.goal
    search = replace(search, energy=kind_of(search.energy, goal))
    if search.energy == EXPRESSION and not has_counts(goal):
        raise ConfigError(
            "the energy 'expression' needs cells with counts; expected a goal of cells, a "
            "condition or a cell type; use the energy 'latent' for one cell or for latents"
        )
    index = start.bundle.vocabulary.index_of
    members = np.array([index(name) for name in space.names], dtype=np.int64)
    notes = (*names.notes, *way.notes)
    return Setup(way.few, aim, goal, Shifts(way.origin, members), space, search, notes)


@dataclass(frozen=True, eq=False)
class Course:
    """From encoded control cells `few` to a goal, both as planners take them."""

    few: Start
    origin: Origin
    goal: Goal
    notes: tuple[str, ...]


def course_of(start: Start, aim: Aim, cells: int, seed: int) -> Course:
    """Encode at most `cells` of the cells of `start`, and the goal beside them.

    Raises `DataError` where the goal is where the cells start.
    """
    few = averaged_over(start, seed, cells)
    taught = encoded(start.bundle, few.cells.table, seed)
    notes = (*aim.notes, *refuse_the_start(aim, taught, seed))
    origin = origin_of(start, few)
    return Course(few, origin, planning_goal(aim, origin, few.cells.table, taught), notes)


def kind_of(energy: str, goal: Goal) -> str:
    """Return the energy that was asked for; "auto" is expression where the goal has counts."""
    if energy != AUTO:
        return energy
    return EXPRESSION if has_counts(goal) else LATENT


def has_counts(goal: Goal) -> bool:
    """Tell whether a goal can be compared in expression."""
    if isinstance(goal, SignatureGoal):
        return True
    return not isinstance(goal, LatentGoal) and goal.effect is not None


def origin_of(start: Start, few: Start) -> Origin:
    """Return the cells of `few` as planners depart from them, anchored as all cells of `start`."""
    dose = None
    if start.bundle.vocabulary.dose:
        value = 1.0 if start.dose is None else float(start.dose)
        dose = torch.full((len(few.cells),), value)
    covariates = torch.from_numpy(few.cells.covariates(start.bundle.vocabulary))
    model = start.bundle.model
    return Origin(
        model, few.controls, covariates.to(model.device()), dose, start.offset, start.target
    )
