"""In-silico screening as planning: which perturbations bring cells to a goal."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from gpjepa.api.controls import from_anndata
from gpjepa.api.goal_cells import Cohort
from gpjepa.api.goals import Aim, AnyGoal, aim_of
from gpjepa.api.model import GPJEPA
from gpjepa.api.plan_search import Found, additive_best, search, shortlist
from gpjepa.api.plan_settings import Search
from gpjepa.api.plan_setup import Setup, set_up
from gpjepa.api.plan_space import Constraints
from gpjepa.api.plan_table import table_of
from gpjepa.api.plan_together import planned_together
from gpjepa.api.populations import Start
from gpjepa.core.errors import DataError, listed
from gpjepa.data.perturbseq import PerturbSeq, read
from gpjepa.inference.judgement import DO_NOT_TRUST

if TYPE_CHECKING:
    from anndata import AnnData
    from pandas import DataFrame


@dataclass(frozen=True, eq=False)
class ScreenResult:
    """What a search found.

    `table` ranks the sets; `trace` says where the search stood after each batch; `evaluations`
    are the sets scored through the world model, of `sets` that are allowed; `distance` is the
    energy of the cells that the plan starts from, None for a goal without an end; `additive` is
    the set that the sum of the members' own shifts would have chosen; `excluded` are sets whose
    energy was not finite; `notes` say what a reader should know.
    """

    table: DataFrame
    trace: DataFrame
    evaluations: int
    sets: int
    distance: float | None
    energy: str
    additive: dict[str, Any]
    excluded: tuple[str, ...]
    notes: tuple[str, ...]


# fmt: off
def virtual_screen_perturbations(
    model: GPJEPA, goal: AnyGoal, start: AnnData | None = None, max_size: int = 2,
    planner: str = "cem", budget: int = 2000, candidates: Sequence[str] | str | None = None,
    forbidden: Sequence[str] | str = (), cost: Mapping[str, float] | None = None, seed: int = 0,
    *,
    min_size: int = 1, required: Sequence[str] | str = (), most_cost: float = float("inf"),
    essential: Sequence[str] | str = (), share: int | None = None, energy: str = "auto",
    mode: str = "mean-shift", risk: float = 0.0, size_cost: float = 0.0, cost_weight: float = 0.01,
    cells: int = 256, top: int = 20, level: float = 0.9, context: str | None = None,
    dose: float | None = None, modality: str | None = None,
    data: PerturbSeq | AnnData | Path | str | None = None,
) -> ScreenResult:
    """Search for the sets of perturbations that bring cells to a goal; the best come first.

    `goal` is AnnData of target cells (raw counts, genes matched by name), the name of a condition
    or cell type, a signature (gene: weight, or lists "up" and "down"), a `Direction`, or a latent
    as `embed` returns it. Names are looked up in `data`, else in the data that the model was
    trained on, if in memory. `start` are the cells to start from, control cells when None. What
    may be proposed is in `Constraints`, the other settings are in `Search`. The same seed gives
    the same table. Processes that torchrun or srun started and that are joined share the work,
    and each returns the same.

    Raises `DataError` for cells without the model's genes or a goal where the cells start,
    `VocabularyError` for names that are not known, `ConfigError` for constraints or settings that
    cannot be kept, and `NumericError` where no energy is finite.
    """
    asked = Constraints(
        max_size, min_size, candidates, forbidden, required, cost, most_cost, essential
    )
    chosen = Search(
        planner=planner, budget=budget, energy=energy, mode=mode, risk=risk, size_cost=size_cost,
        cost_weight=cost_weight, cells=cells, top=top, share=share, level=level, seed=seed,
    )
    held = known_data(model, data)
    place = Departure(start, context, dose, modality)
    setup = prepared(model, goal, place, asked, chosen, held)
    measured = None if held is None else held.perturbations
    return planned_together(setup, lambda own: answer(own, search(own), measured))
# fmt: on


@dataclass(frozen=True, eq=False)
class Departure:
    """The cells that a plan starts from: those given, else control cells, of a context if named."""

    cells: AnnData | None = None
    context: str | None = None
    dose: float | None = None
    modality: str | None = None

    def towards(
        self, model: GPJEPA, goal: AnyGoal, data: PerturbSeq | None, seed: int
    ) -> tuple[Aim, Start]:
        """Return a goal in the model's terms, names looked up in `data`, and where to start."""
        aim = aim_of(goal, Cohort(model.bundle, model.controls, data, self.context), seed)
        return aim, self.of(model, aim)

    def of(self, model: GPJEPA, aim: Aim) -> Start:
        """Return the model bound to the cells; on the way to a cell type, to those of others.

        Raises `DataError` where control cells of no other type are left.
        """
        bundle, controls = model.bundle, model.controls
        if self.cells is not None:
            controls = from_anndata(self.cells, bundle.panel, bundle.vocabulary)
        controls = controls.within(self.context)
        if aim.kind == "cell type" and self.cells is None and self.context is None:
            other = np.flatnonzero(controls.levels["cell_type"] != aim.name)
            if not len(other):
                raise DataError(
                    f"all control cells are of the type {aim.name!r}, which is the goal: there is "
                    "nothing to reach; expected cells of another type; pass start="
                )
            controls = controls.take(other)
        return Start(bundle, controls, self.dose, self.modality)


def prepared(
    model: GPJEPA,
    goal: AnyGoal,
    place: Departure,
    asked: Constraints,
    chosen: Search,
    data: PerturbSeq | None,
) -> Setup:
    """Return what a search needs; see `virtual_screen_perturbations`."""
    aim, start = place.towards(model, goal, data, chosen.seed)
    return set_up(start, aim, asked, chosen)


def known_data(model: GPJEPA, data: PerturbSeq | AnnData | Path | str | None) -> PerturbSeq | None:
    """Return the data that names are looked up in: those given, else those of the training."""
    if data is None:
        trainee = model._trainee
        return None if trainee is None else trainee.data
    return data if isinstance(data, PerturbSeq) else read(data, announce=False)


def answer(setup: Setup, found: Found, measured: Collection[str] | None) -> ScreenResult:
    """Return the result of a search; `measured` are the perturbations of the data, if known."""
    listed = shortlist(setup, found)
    table = table_of(setup, listed, measured)
    return ScreenResult(
        table=table,
        trace=found.trace,
        evaluations=found.ledger.spent,
        sets=setup.space.count(),
        distance=None if setup.one_way else listed.distance,
        energy=setup.energy,
        additive=additive_best(setup, found),
        excluded=found.ledger.excluded,
        notes=(*setup.notes, *notes_of(found, table)),
    )


def notes_of(found: Found, table: DataFrame) -> tuple[str, ...]:
    """Return what a reader should know of the sets found."""
    notes = []
    excluded = found.ledger.excluded
    if excluded:
        notes.append(
            f"left out: {len(excluded)} sets whose energy is not finite ({listed(excluded)})"
        )
    ledger, best = found.ledger, table.iloc[0]
    if ledger.spent == ledger.budget < len(ledger.space.names):
        notes.append(
            f"the budget of {ledger.budget} is smaller than the {len(ledger.space.names)} "
            "candidates: not every one of them was scored by itself; raise it"
        )
    if best["verdict"] == DO_NOT_TRUST:
        sound = table[table["verdict"] != DO_NOT_TRUST]
        first = f"{sound.iloc[0]['set']}, rank {sound.iloc[0]['rank']}" if len(sound) else "none"
        notes.append(
            f"the best set carries the verdict {DO_NOT_TRUST!r}: read it as a hypothesis; the "
            f"first that does not: {first}"
        )
    if best["closed"] <= 0:
        notes.append("no set is predicted to come nearer the goal than doing nothing")
    ties = table["set"][table["as_good"] & (table["rank"] > 1)].tolist()
    if ties:
        notes.append(
            f"as good as the first within the error of the difference: {listed(ties)}; take what "
            "else speaks for one of them"
        )
    rivals = table[(table["rank"] > 1) & (table["low"] < best["energy"])]
    if len(rivals):
        notes.append(
            f"{len(rivals)} of the other {len(table) - 1} sets listed may be as near: their "
            "intervals hold the energy of the best"
        )
    return tuple(notes)
