"""`gpjepa plan`: which perturbations, alone or together, bring cells to a goal."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from gpjepa.cli.options import Common, Run
from gpjepa.cli.output import print_json, print_note, print_summary, print_table
from gpjepa.cli.plan_options import GoalOptions, SearchOptions, SetOptions

SHOWN = 10  # sets printed; all of them are in the file and in --json
COLUMNS = ("rank", "set", "closed", "energy", "energy_se", "as_good", "additive_energy", "novelty",
           "measured", "verdict")  # fmt: skip
NEXT = ("rank", "purpose", "perturbation", "deviation", "told", "energy", "energy_sd", "verdict")


def plan(
    run: Run,
    out: Annotated[Path, typer.Option(metavar="FILE.csv", help="The file to write.")],
    common: Common,
    goal: GoalOptions,
    sets: SetOptions,
    search: SearchOptions,
    name: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Name in the report; the goal's when left out."),
    ] = None,
    report: Annotated[
        bool,
        typer.Option(
            "--report/--no-report", help="Keep the plan in RUN/plans, where the report finds it."
        ),
    ] = True,
) -> None:
    """Search the sets of perturbations that bring cells to a goal.

    FILE.csv ranks them; FILE.trace.csv beside it has the search, FILE.next.csv what to measure
    next with --next, FILE.json everything.
    """
    from gpjepa.api.plan_run import plan_file

    summary = plan_file(
        run,
        out,
        goal.request(),
        sets.request(),
        search.search(common.seed, sets),
        common.run_options(),
        compare=search.compare,
        more=search.next_experiments,
        keep=report,
        name=name,
    )
    if common.json:
        print_json(summary)
        return
    _print(summary, common.quiet)


def _print(summary: dict[str, Any], quiet: bool) -> None:
    """Print the best sets, what the sum of singles would have picked, and where the files are."""
    rows = summary["table"]
    known = {key for row in rows for key, value in row.items() if value is not None}
    print_table(rows[:SHOWN], [column for column in COLUMNS if column in known])
    if summary["comparison"]:
        print()
        print_table(summary["comparison"], list(summary["comparison"][0]))
    if summary.get("next"):
        print("\nnext experiments")
        print_table(summary["next"], list(NEXT))
    print()
    print_summary({key: summary[key] for key in ("goal", "start", "distance", "evaluations",
                                                 "sets", "energy", "rescored")})  # fmt: skip
    print(summary["said"])
    for note in summary["notes"]:
        print_note(f"note: {note}", quiet)
    files = ("out", "trace_out", "next_out", "json_out", "kept")
    print_summary({key: summary[key] for key in files if key in summary})
