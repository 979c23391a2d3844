"""Groups of options of `gpjepa plan`: the goal, the sets that may be proposed, the search."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

if TYPE_CHECKING:
    from gpjepa.api.plan_request import GoalRequest, SetRequest
    from gpjepa.api.plan_settings import Search

_GOAL = partial(typer.Option, rich_help_panel="Goal (one of these)")
_SETS = partial(typer.Option, rich_help_panel="Sets that may be proposed")
_SEARCH = partial(typer.Option, rich_help_panel="Search")


@dataclass(frozen=True)
class GoalOptions:
    """Where to; exactly one goal."""

    goal: Annotated[
        Path | None,
        _GOAL(metavar="FILE.h5ad", help="Target cells."),
    ] = None
    goal_condition: Annotated[
        str | None,
        _GOAL(metavar="LABEL", help="A condition of the data."),
    ] = None
    goal_cell_type: Annotated[
        str | None,
        _GOAL(metavar="NAME", help="A cell type of the data."),
    ] = None
    signature: Annotated[
        Path | None,
        _GOAL(metavar="FILE", help="CSV or JSON: genes, weights or up/down."),
    ] = None
    away_from: Annotated[
        str | None,
        _GOAL(metavar="NAME", help="With --towards."),
    ] = None
    towards: Annotated[
        str | None,
        _GOAL(metavar="NAME", help="With --away-from."),
    ] = None
    start: Annotated[
        Path | None,
        _GOAL(metavar="FILE.h5ad", help="Cells to start from, not the run's controls."),
    ] = None
    context: Annotated[
        str | None,
        _GOAL(metavar="NAME", help="Start from this cell type or batch."),
    ] = None
    data: Annotated[
        str | None,
        _GOAL(metavar="FILE", help="The training file, if it moved."),
    ] = None

    def request(self) -> GoalRequest:
        """Return the goal in the form of the API."""
        from gpjepa.api.plan_request import GoalRequest

        return GoalRequest(
            file=self.goal,
            condition=self.goal_condition,
            cell_type=self.goal_cell_type,
            signature=self.signature,
            away_from=self.away_from,
            towards=self.towards,
            start=self.start,
            context=self.context,
            data=self.data,
        )


@dataclass(frozen=True)
class SetOptions:
    """Which perturbations, how many together, at what cost."""

    max_size: Annotated[int, _SETS(min=1, metavar="K", help="Most members.")] = 2
    min_size: Annotated[int, _SETS(min=1, metavar="K", help="Fewest members.")] = 1
    candidates: Annotated[
        list[str] | None,
        _SETS(
            metavar="GENE|FILE",
            help="Genes to choose from, or a file with one a line; repeatable; 'all' for every "
            "gene with features. Those measured alone when left out.",
        ),
    ] = None
    forbid: Annotated[
        list[str] | None,
        _SETS(metavar="GENE|FILE", help="Never this gene; repeatable."),
    ] = None
    forbid_pair: Annotated[
        list[str] | None,
        _SETS(metavar="A+B", help="Never these two together; repeatable."),
    ] = None
    require: Annotated[
        list[str] | None,
        _SETS(metavar="GENE", help="Always this gene; repeatable."),
    ] = None
    cost: Annotated[
        Path | None,
        _SETS(metavar="FILE.csv", help="Genes and their costs; others cost 1."),
    ] = None
    most_cost: Annotated[
        float | None,
        _SETS(metavar="X", help="Largest total cost of a set."),
    ] = None
    essential: Annotated[
        list[str] | None,
        _SETS(metavar="GENE|FILE", help="Costs ten times as much; repeatable."),
    ] = None
    size_cost: Annotated[
        float,
        _SETS(metavar="X", help="Share of the distance that each member must bring."),
    ] = 0.0
    share: Annotated[
        int | None,
        _SETS(min=1, metavar="K", help="At most K sets of the list share a gene."),
    ] = None
    modality: Annotated[
        str | None,
        _SETS(metavar="NAME", help="CRISPRa, CRISPRi, …."),
    ] = None

    def request(self) -> SetRequest:
        """Return the constraints in the form of the API."""
        from gpjepa.api.plan_request import SetRequest

        return SetRequest(
            max_size=self.max_size,
            min_size=self.min_size,
            candidates=tuple(self.candidates or ()),
            forbidden=(*(self.forbid or ()), *(self.forbid_pair or ())),
            required=tuple(self.require or ()),
            cost=self.cost,
            most_cost=self.most_cost,
            essential=tuple(self.essential or ()),
            modality=self.modality,
        )


@dataclass(frozen=True)
class SearchOptions:
    """How the sets are searched and scored."""

    planner: Annotated[
        Literal["cem", "exhaustive", "greedy", "beam", "random"],
        _SEARCH(help="How sets are searched."),
    ] = "cem"
    budget: Annotated[
        int,
        _SEARCH(metavar="N", help="Sets that may be scored."),
    ] = 2000
    energy: Annotated[
        Literal["auto", "expression", "latent", "energy-distance"],
        _SEARCH(help="Distance to the goal; auto: expression where the goal has counts."),
    ] = "auto"
    mode: Annotated[
        Literal["mean-shift", "population"],
        _SEARCH(help="How sets are scored while searching."),
    ] = "mean-shift"
    risk: Annotated[
        float,
        _SEARCH(
            metavar="R", help="Error bars added to the energy: above 0 averse, below 0 exploring."
        ),
    ] = 0.0
    cells: Annotated[
        int,
        _SEARCH(min=1, metavar="N", help="Cells of a population."),
    ] = 256
    level: Annotated[float, _SEARCH(help="Level of the intervals, in 0…1.")] = 0.9
    top: Annotated[int, _SEARCH(min=1, metavar="N", help="Sets written.")] = 20
    next_experiments: Annotated[
        int,
        _SEARCH("--next", min=0, metavar="N", help="Also choose N experiments to make next."),
    ] = 0
    compare: Annotated[
        bool,
        _SEARCH("--compare", help="Run the other planners too, on the same budget."),
    ] = False

    def search(self, seed: int, sets: SetOptions) -> Search:
        """Return the settings in the form of the API."""
        from gpjepa.api.plan_settings import Search

        return Search(
            planner=self.planner,
            budget=self.budget,
            energy=self.energy,
            mode=self.mode,
            risk=self.risk,
            cells=self.cells,
            level=self.level,
            top=self.top,
            share=sets.share,
            size_cost=sets.size_cost,
            seed=seed,
        )
