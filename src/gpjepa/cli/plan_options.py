"""Groups of options of `gpjepa plan`: the goal, the sets that may be proposed, the search."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

if TYPE_CHECKING:
    from gpjepa.api.plan_request import GoalRequest, SetRequest
    from gpjepa.api.plan_settings import Search

_GOAL = "Goal (one of these)"
_SETS = "Sets that may be proposed"
_SEARCH = "Search"


@dataclass(frozen=True)
class GoalOptions:
    """Where to; exactly one goal."""

    goal: Annotated[
        Path | None,
        typer.Option(metavar="FILE.h5ad", help="Target cells.", rich_help_panel=_GOAL),
    ] = None
    goal_condition: Annotated[
        str | None,
        typer.Option(metavar="LABEL", help="A condition of the data.", rich_help_panel=_GOAL),
    ] = None
    goal_cell_type: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="A cell type of the data.", rich_help_panel=_GOAL),
    ] = None
    signature: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="CSV or JSON: genes, weights or up/down.", rich_help_panel=_GOAL
        ),
    ] = None
    away_from: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="With --towards.", rich_help_panel=_GOAL),
    ] = None
    towards: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="With --away-from.", rich_help_panel=_GOAL),
    ] = None
    start: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE.h5ad", help="Cells to start from, not the run's controls.",
            rich_help_panel=_GOAL,
        ),
    ] = None  # fmt: skip
    context: Annotated[
        str | None,
        typer.Option(
            metavar="NAME", help="Start from this cell type or batch.", rich_help_panel=_GOAL
        ),
    ] = None
    data: Annotated[
        str | None,
        typer.Option(metavar="FILE", help="The training file, if it moved.", rich_help_panel=_GOAL),
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

    max_size: Annotated[
        int, typer.Option(min=1, metavar="K", help="Most members.", rich_help_panel=_SETS)
    ] = 2
    min_size: Annotated[
        int, typer.Option(min=1, metavar="K", help="Fewest members.", rich_help_panel=_SETS)
    ] = 1
    candidates: Annotated[
        list[str] | None,
        typer.Option(
            metavar="GENE|FILE",
            help="Genes to choose from, or a file with one a line; repeatable; 'all' for every "
            "gene with features. Those measured alone when left out.",
            rich_help_panel=_SETS,
        ),
    ] = None
    forbid: Annotated[
        list[str] | None,
        typer.Option(
            metavar="GENE|FILE", help="Never this gene; repeatable.", rich_help_panel=_SETS
        ),
    ] = None
    forbid_pair: Annotated[
        list[str] | None,
        typer.Option(
            metavar="A+B", help="Never these two together; repeatable.", rich_help_panel=_SETS
        ),
    ] = None
    require: Annotated[
        list[str] | None,
        typer.Option(metavar="GENE", help="Always this gene; repeatable.", rich_help_panel=_SETS),
    ] = None
    cost: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE.csv", help="Genes and their costs; others cost 1.", rich_help_panel=_SETS
        ),
    ] = None
    most_cost: Annotated[
        float | None,
        typer.Option(metavar="X", help="Largest total cost of a set.", rich_help_panel=_SETS),
    ] = None
    essential: Annotated[
        list[str] | None,
        typer.Option(
            metavar="GENE|FILE", help="Costs ten times as much; repeatable.", rich_help_panel=_SETS
        ),
    ] = None
    size_cost: Annotated[
        float,
        typer.Option(
            metavar="X",
            help="Share of the distance that each member must bring.",
            rich_help_panel=_SETS,
        ),
    ] = 0.0
    share: Annotated[
        int | None,
        typer.Option(
            min=1,
            metavar="K",
            help="At most K sets of the list share a gene.",
            rich_help_panel=_SETS,
        ),
    ] = None
    modality: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="CRISPRa, CRISPRi, ….", rich_help_panel=_SETS),
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
        typer.Option(help="How sets are searched.", rich_help_panel=_SEARCH),
    ] = "cem"
    budget: Annotated[
        int,
        typer.Option(metavar="N", help="Sets that may be scored.", rich_help_panel=_SEARCH),
    ] = 2000
    energy: Annotated[
        Literal["auto", "expression", "latent", "energy-distance"],
        typer.Option(
            help="Distance to the goal; auto: expression where the goal has counts.",
            rich_help_panel=_SEARCH,
        ),
    ] = "auto"
    mode: Annotated[
        Literal["mean-shift", "population"],
        typer.Option(help="How sets are scored while searching.", rich_help_panel=_SEARCH),
    ] = "mean-shift"
    risk: Annotated[
        float,
        typer.Option(
            metavar="R",
            help="Error bars added to the energy: above 0 averse, below 0 exploring.",
            rich_help_panel=_SEARCH,
        ),
    ] = 0.0
    cells: Annotated[
        int,
        typer.Option(min=1, metavar="N", help="Cells of a population.", rich_help_panel=_SEARCH),
    ] = 256
    level: Annotated[
        float, typer.Option(help="Level of the intervals, in 0…1.", rich_help_panel=_SEARCH)
    ] = 0.9
    top: Annotated[
        int, typer.Option(min=1, metavar="N", help="Sets written.", rich_help_panel=_SEARCH)
    ] = 20
    compare: Annotated[
        bool,
        typer.Option(
            "--compare", help="Run the other planners too, on the same budget.",
            rich_help_panel=_SEARCH,
        ),
    ] = False  # fmt: skip

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
