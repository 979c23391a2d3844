"""Planning of sequences: one perturbation after the other, planned anew from observed cells."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from gpjepa.api.answers import canonical, sequence
from gpjepa.api.controls import from_anndata
from gpjepa.api.goals import AnyGoal, encoded
from gpjepa.api.model import GPJEPA
from gpjepa.api.plan import Departure, known_data
from gpjepa.api.sequence_setup import (
    FEWEST,
    Choices,
    SequenceSetup,
    Stepping,
    from_observed,
    set_up,
)
from gpjepa.api.sequence_table import names_of, table_of, trace_of
from gpjepa.core.errors import ConfigError, DataError, listed
from gpjepa.data.perturbseq import PerturbSeq
from gpjepa.planning.sequences import plan_sequences
from gpjepa.planning.surprise import Surprise, surprise

if TYPE_CHECKING:
    from anndata import AnnData
    from pandas import DataFrame

LARGE = 3.0  # surprise from which a note says that the model was wrong
EXTRAPOLATED = (
    "sequences are what the model makes of states that it was not trained on: no data say what one "
    "perturbation does after another; see the set at once beside each"
)


@dataclass(frozen=True, eq=False)
class SequenceResult:
    """What a search of sequences found.

    `table` ranks them: energy, its standard error, the share of the distance that is closed, the
    same perturbations at once (`set`), the sequence beyond that, and the effect of the order.
    `evaluations` are steps of one population through the world model in the search, `compared`
    those that the comparisons of the table took; `distance` is the energy of the cells at the
    start. `excluded` are sequences whose energy was not finite.
    """

    table: DataFrame
    trace: DataFrame
    evaluations: int
    compared: int
    distance: float
    excluded: tuple[str, ...]
    notes: tuple[str, ...]

    @property
    def best(self) -> tuple[str, ...]:
        """Return the steps of the best sequence."""
        return tuple(str(self.table["sequence"].iloc[0]).split(" > "))


@dataclass(frozen=True, eq=False)
class Replan:
    """The next step from observed cells; None where no step is expected to come nearer.

    `energy` is what the best plan from here is expected to reach, `distance` that of the observed
    cells as they are; `surprise` says how far they are from those that the steps applied so far
    were expected to give, None without such steps.
    """

    next: str | None
    energy: float
    energy_se: float
    distance: float
    surprise: Surprise | None
    plan: SequenceResult


# fmt: off
def plan_sequence(
    model: GPJEPA, goal: AnyGoal, steps: int = 2, start: AnnData | None = None, budget: int = 2000,
    candidates: Sequence[str] | str | None = None, seed: int = 0,
    *,
    forbidden: Sequence[str] | str = (), required: Sequence[str] | str = (),
    cost: Mapping[str, float] | None = None, most_cost: float = float("inf"),
    essential: Sequence[str] | str = (), cost_weight: float = 0.01, planner: str = "beam",
    carry: bool = False, energy: str = "auto", cells: int = 256, top: int = 20,
    context: str | None = None, dose: float | None = None, modality: str | None = None,
    data: PerturbSeq | AnnData | Path | str | None = None,
) -> SequenceResult:
    """Search for up to `steps` perturbations, one after the other, that bring cells to a goal.

    Each acts on the states that the one before left, as in `GPJEPA.rollout`. `goal`, `start` and
    `data` are those of `virtual_screen_perturbations`; `energy` is "latent", "energy-distance" or
    "expression", "auto" being the latter where the goal has counts. `candidates` may be
    combinations, each one step; no perturbation is applied twice. `forbidden` names genes, and
    pairs that no sequence holds, `required` what some step applies; costs are those of sets, of
    all that a sequence applies. `planner` is "beam", "cem", "greedy", "random" or "exhaustive".
    With `carry` each step adds what it and the perturbations in place do together, Δ₂, which a step
    that sees the state alone cannot know. `budget` counts steps of one population of `cells` cells
    through the world model. The same seed gives the same table.

    Raises `ConfigError` for fewer than one step, a budget that does not reach every candidate once,
    no candidates or a model that does not look at the state; `VocabularyError` where no candidate
    is known; `DataError` for cells without the model's genes or a goal where the cells start;
    `NumericError` where no energy is finite.
    """
    place = Departure(start, context, dose, modality)
    choices = Choices(candidates, forbidden, (), required, cost, most_cost, essential)
    stepping = Stepping(steps, energy, cells, carry, cost_weight)
    setup = set_up(model, goal, place, choices, stepping, seed, known_data(model, data))
    return _searched(setup, planner, budget, top)


def replan(
    model: GPJEPA, observed: AnnData, goal: AnyGoal, steps: int = 1, applied: Sequence[str] = (),
    start: AnnData | None = None, budget: int = 2000,
    candidates: Sequence[str] | str | None = None, seed: int = 0,
    *,
    forbidden: Sequence[str] | str = (), required: Sequence[str] | str = (),
    cost: Mapping[str, float] | None = None, most_cost: float = float("inf"),
    essential: Sequence[str] | str = (), cost_weight: float = 0.01, planner: str = "beam",
    carry: bool = False, energy: str = "auto", cells: int = 256, top: int = 20,
    context: str | None = None, dose: float | None = None, modality: str | None = None,
    data: PerturbSeq | AnnData | Path | str | None = None,
) -> Replan:
    """Plan the `steps` that are left from cells that were observed after those `applied`.

    Model-predictive control: carry out the next step only, observe, and plan anew. `start` are the
    cells that the steps applied so far began with, control cells when None. What was applied is in
    place and not proposed again. Raises what `plan_sequence` does, and `DataError` for observed
    cells without the model's genes.
    """
    place = Departure(start, context, dose, modality)
    applied = [applied] if isinstance(applied, str) else list(applied)
    choices = Choices(candidates, forbidden, applied, required, cost, most_cost, essential)
    if observed.n_obs < FEWEST:
        raise DataError(
            f"{observed.n_obs} cells were observed; expected {FEWEST} or more; observe more cells"
        )
    number = min(cells, observed.n_obs)
    stepping = Stepping(steps, energy, number, carry, cost_weight)
    before = set_up(model, goal, place, choices, stepping, seed, known_data(model, data))
    here = from_observed(before, observed, seed)
    off = _surprised(before, observed, applied, seed) if applied else None
    plan = _searched(here, planner, budget, top, _said(off))
    best = plan.table.iloc[0]
    nearer = bool(best["energy"] < here.distance)
    return Replan(
        plan.best[0] if nearer else None,
        float(best["energy"]), float(best["energy_se"]), here.distance, off, plan,
    )
# fmt: on


def _searched(
    setup: SequenceSetup, planner: str, budget: int, top: int, said: Sequence[str] = ()
) -> SequenceResult:
    if top < 1:
        raise ConfigError(f"top is {top}; expected 1 or more; raise it")
    plan = plan_sequences(
        setup.transition,
        setup.energy,
        setup.guess,
        setup.courses.steps,
        budget,
        planner=planner,
        courses=setup.courses,
        cost_weight=setup.cost_weight,
    )
    compared = table_of(setup, plan, top)
    excluded = tuple(names_of(setup, plan.excluded))
    notes = [*setup.notes, *said]
    if (compared.table["steps"] > 1).any():
        notes.append(EXTRAPOLATED)
    if excluded:
        notes.append(
            f"left out: {len(excluded)} sequences whose energy is not finite ({listed(excluded)})"
        )
    if not setup.one_way and compared.table["closed"].iloc[0] <= 0:
        notes.append("no sequence is predicted to come nearer the goal than doing nothing")
    return SequenceResult(
        table=compared.table,
        trace=trace_of(plan),
        evaluations=plan.evaluations,
        compared=compared.evaluations,
        distance=setup.distance,
        excluded=excluded,
        notes=tuple(notes),
    )


def _surprised(
    before: SequenceSetup, observed: AnnData, applied: Sequence[str], seed: int
) -> Surprise:
    """Compare observed cells with those that the steps were expected to give, both as counts."""
    bundle, start = before.start.bundle, before.start
    done = [canonical(label, start)[0] for label in applied]
    predicted = sequence(start, done, len(start.cells), seed)
    expected, found = (
        encoded(bundle, from_anndata(each, bundle.panel, bundle.vocabulary).table, seed)
        for each in (predicted, observed)
    )
    return surprise(expected, found, seed)


def _said(off: Surprise | None) -> tuple[str, ...]:
    if off is None or off.ratio < LARGE:
        return ()
    return (
        f"the observed cells are {off.ratio:.1f} times as far from those expected as a replicate "
        "would be: the model does not know these cells well",
    )
