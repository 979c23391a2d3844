"""Plans in the section on what to try next: the ranked sets, the search, cells near the goal."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from markupsafe import Markup

from gpjepa.report.numbers import finite, interval, number, whole
from gpjepa.report.plan_figures import PLANNERS, cells_to_the_goal, convergence, legend_of
from gpjepa.report.plan_file import Plan
from gpjepa.report.points import Points
from gpjepa.report.run import Run
from gpjepa.report.screen import VERDICTS

SHOWN = 10  # sets of a plan that the page shows


@dataclass(frozen=True)
class PlanRow:
    """One proposed set, in words and numbers as they are shown."""

    rank: str
    label: str
    energy: str
    error: str
    closed: str
    additive: str
    interaction: str
    novelty: str
    nearest: str
    tied: bool
    verdict: str
    css: str


@dataclass(frozen=True)
class Contest:
    """What one planner found: its best set, the energy, and how many sets it scored."""

    planner: str
    label: str
    energy: str
    evaluations: str


@dataclass(frozen=True)
class NextRow:
    """One experiment to make next, for the goal or for the model."""

    label: str
    purpose: str
    deviation: str
    told: str
    energy: str
    verdict: str
    css: str


@dataclass(frozen=True, eq=False)
class PlanView:
    """A plan as the page shows it. `points` is what the map's tooltip says."""

    key: str
    goal: str
    kind: str
    lead: str
    facts: tuple[str, ...]
    notes: tuple[str, ...]
    rows: tuple[PlanRow, ...]
    more: int
    has_closed: bool
    has_ties: bool
    contests: tuple[Contest, ...]
    following: tuple[NextRow, ...]
    search: Markup
    legend: tuple[tuple[str, str], ...]
    cells: Markup
    points: Points | None


def plan_views(run: Run) -> list[PlanView]:
    """Return the plans of a run, in the order of their names."""
    return [_view(plan) for plan in run.plans]


def _view(plan: Plan) -> PlanView:
    rows = [_row(row) for row in plan.rows]
    cells, points = cells_to_the_goal(plan)
    return PlanView(
        key=f"plan {plan.name}",
        goal=plan.goal,
        kind=plan.kind,
        lead=_lead(plan),
        facts=_facts(plan),
        notes=tuple(str(note) for note in plan.document.get("notes") or ()),
        rows=tuple(rows[:SHOWN]),
        more=max(len(rows) - SHOWN, 0),
        has_closed=any(row.closed for row in rows),
        has_ties=any(row.tied for row in rows[:SHOWN]),
        contests=_contests(plan),
        following=tuple(_next(row) for row in plan.document.get("next") or ()),
        search=convergence(plan),
        legend=legend_of(plan),
        cells=cells,
        points=points,
    )


def _row(row: dict[str, Any]) -> PlanRow:
    closed, nearest = finite(row.get("closed")), str(row.get("nearest") or "")
    verdict = str(row.get("verdict") or "")
    return PlanRow(
        rank=whole(row.get("rank")),
        label=str(row.get("set", "")),
        energy=number(row.get("energy")),
        error=interval(row.get("low"), row.get("high")),
        closed="" if closed is None else f"{closed:.0%}",
        additive=number(row.get("additive_energy")),
        interaction=number(row.get("interaction")),
        novelty=number(row.get("novelty")),
        nearest="itself" if row.get("measured") else nearest,
        tied=bool(row.get("as_good")) and row.get("rank") != 1,
        verdict=verdict,
        css=VERDICTS.get(verdict, ("other", ""))[0],
    )


def _next(row: dict[str, Any]) -> NextRow:
    share, verdict = finite(row.get("told")), str(row.get("verdict") or "")
    return NextRow(
        label=str(row.get("perturbation", "")),
        purpose=str(row.get("purpose", "")),
        deviation=number(row.get("deviation")),
        told="" if share is None else f"{share:.1%}",
        energy=number(row.get("energy")),
        verdict=verdict,
        css=VERDICTS.get(verdict, ("other", ""))[0],
    )


def _lead(plan: Plan) -> str:
    """Say in a sentence what came out, and what the sum of singles would have chosen."""
    if not plan.rows:
        return "No set was found."
    best = plan.rows[0]
    closed = finite(best.get("closed"))
    share = "" if closed is None else f", which is predicted to close {closed:.0%} of the distance"
    said = f"Best of the sets scored: {best['set']}{share}."
    sums = plan.document.get("additive") or {}
    if not sums.get("set"):
        return said
    if sums["set"] == best["set"]:
        return f"{said} The sum of the members' effects alone would have chosen the same."
    return f"{said} The sum of the members' effects alone would have chosen {sums['set']}."


def _facts(plan: Plan) -> tuple[str, ...]:
    document = plan.document
    planner = str(document["planner"])
    found = [
        f"planner: {PLANNERS.get(planner, planner)}",
        f"{whole(document['evaluations'])} of {whole(document.get('sets'))} possible sets scored",
        f"energy: {document.get('energy', 'latent')}",
    ]
    rescored = document.get("rescored")
    if rescored:
        found.append(f"the first {whole(rescored)} rescored with whole populations")
    return tuple(found)


def _contests(plan: Plan) -> tuple[Contest, ...]:
    found = plan.document.get("comparison") or []
    return tuple(
        Contest(
            PLANNERS.get(str(row.get("planner")), str(row.get("planner"))),
            str(row.get("set", "")),
            number(row.get("energy")),
            whole(row.get("evaluations")),
        )
        for row in found
    )
