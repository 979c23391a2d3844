"""A plan of a run as files: the ranked sets, the search, and all of it for the report."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gpjepa.api.interactions_run import measured_labels
from gpjepa.api.model import GPJEPA
from gpjepa.api.options import RunOptions
from gpjepa.api.plan import Departure, answer, prepared
from gpjepa.api.plan_document import document_of, plain
from gpjepa.api.plan_next import next_for_goal, next_for_model
from gpjepa.api.plan_request import GoalRequest, SetRequest
from gpjepa.api.plan_search import Found, search, small
from gpjepa.api.plan_settings import Search
from gpjepa.api.plan_setup import Setup
from gpjepa.api.plan_together import planned_together
from gpjepa.api.run import PLANS
from gpjepa.core.files import refuse_existing, write_atomic, write_json
from gpjepa.data.anndata_io import open_anndata
from gpjepa.planning.planner import NAMES

if TYPE_CHECKING:
    from anndata import AnnData
    from pandas import DataFrame

DIGITS = "%.6g"


def plan_file(
    run: Path,
    out: Path,
    goal: GoalRequest,
    sets: SetRequest,
    chosen: Search,
    options: RunOptions,
    *,
    compare: bool = False,
    more: int = 0,
    keep: bool = True,
    name: str | None = None,
) -> dict[str, Any]:
    """Search the sets that bring a run's control cells to a goal and write them, ranked.

    Writes the table to `out`, the search to OUT.trace.csv and everything to OUT.json beside it,
    and, unless `keep` is off, the same to RUN/plans/NAME.json, which the report shows; a plan of
    the same name there is replaced. With `compare` the other planners run on the same budget, the
    exhaustive one where that is enough for it. With `more` experiments to make next, for the goal
    and for the model, are written to OUT.next.csv.

    Of several processes the first one searches and writes, see `planned_together`. Raises what
    `virtual_screen_perturbations` raises, and `OutputExistsError`.
    """
    beside = {"trace_out": beside_of(out, "trace"), "json_out": out.with_suffix(".json")}
    beside |= {"next_out": beside_of(out, "next")} if more else {}
    for path in (out, *beside.values()):
        refuse_existing(path, options.force)
    options.open_fabric()

    def work(setup: Setup) -> dict[str, Any]:
        found = search(setup)
        result = answer(setup, found, measured_labels(run))
        several = [found, *(others(setup) if compare else ())]
        document = document_of(setup, result, several, options.command)
        following = experiments(setup, more, measured_labels(run) or ())
        document["next"] = [plain(row) for row in following.to_dict(orient="records")]
        kept = run / PLANS / f"{slug(name or setup.aim.name)}.json" if keep else None
        tables = {out: result.table, beside["trace_out"]: traces(several)}
        _write(tables | ({beside["next_out"]: following} if more else {}))
        for path in (beside["json_out"], *([kept] if kept else [])):
            write_json(path, document)
        return {
            **{key: value for key, value in document.items() if key not in ("traces", "map")},
            "out": str(out),
            **{key: str(path) for key, path in beside.items()},
            "kept": None if kept is None else str(kept),
        }

    return planned_together(_setup(run, goal, sets, chosen, options), work)


def _setup(
    run: Path, goal: GoalRequest, sets: SetRequest, chosen: Search, options: RunOptions
) -> Setup:
    """Load a run and bring what was asked into its terms."""
    wanted, asked = goal.goal(), sets.constraints()
    model = GPJEPA.load(run, options.device)
    options.apply_threads(len(model.bundle.panel.names))
    start: AnnData | None = None if goal.start is None else open_anndata(goal.start)
    place = Departure(start, goal.context, None, sets.modality)
    return prepared(model, wanted, place, asked, chosen, goal.cells(run))


def _write(tables: Mapping[Path, DataFrame]) -> None:
    for out, table in tables.items():
        write_atomic(out, partial(table.to_csv, index=False, float_format=DIGITS))


def beside_of(out: Path, what: str) -> Path:
    """Return where what belongs to a plan goes: plan.trace.csv beside plan.csv."""
    return out.with_name(f"{out.stem}.{what}{out.suffix or '.csv'}")


def experiments(setup: Setup, n: int, measured: Collection[str]) -> DataFrame:
    """Return `n` experiments for the goal and `n` for the model."""
    import pandas

    if not n:
        return pandas.DataFrame()
    own = next_for_model(setup.start, setup.space, n, measured, setup.search.seed)
    return pandas.concat([next_for_goal(setup, n, measured), own], ignore_index=True)


def slug(name: str) -> str:
    """Return a name as that of a file: letters, digits, + and -."""
    return re.sub(r"[^\w+.-]+", "-", name).strip("-.")[:80] or "plan"


def others(setup: Setup) -> list[Found]:
    """Run the other planners on the same budget; the exhaustive one if all sets fit into it."""
    names = [name for name in NAMES if name != setup.search.planner]
    if not small(setup.space, setup.search.budget):
        names = [name for name in names if name != "exhaustive"]
    return [search(replace(setup, search=replace(setup.search, planner=name))) for name in names]


def traces(several: list[Found]) -> DataFrame:
    """Return the traces of all planners in one table."""
    import pandas

    return pandas.concat([found.trace for found in several], ignore_index=True)
