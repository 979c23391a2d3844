"""A plan as one JSON document: what was asked, what came out, and the pictures of it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from gpjepa.api.plan import ScreenResult
from gpjepa.api.plan_map import plan_map
from gpjepa.api.plan_search import Found
from gpjepa.api.plan_setup import Setup
from gpjepa.core.provenance import provenance
from gpjepa.planning.space import Space

MOST_POINTS = 200  # of a planner's trace
SHOWN = 200  # candidates that are listed


def document_of(
    setup: Setup, result: ScreenResult, several: Sequence[Found], command: str | None
) -> dict[str, Any]:
    """Return all of a plan as JSON; `several` are the searches, that of the result first."""
    return {
        "goal": setup.aim.to_json(),
        "start": f"{len(setup.start.cells)} cells",
        "planner": setup.search.planner,
        "evaluations": result.evaluations,
        "sets": result.sets,
        "energy": result.energy,
        "distance": result.distance,
        "rescored": len(result.table),
        "table": [plain(row) for row in result.table.to_dict(orient="records")],
        "additive": result.additive,
        "said": said(result),
        "comparison": [contest(found) for found in several] if len(several) > 1 else [],
        "excluded": list(result.excluded),
        "notes": list(result.notes),
        "settings": plain(setup.search.to_json()),
        "constraints": constraints_of(setup.space),
        "traces": {found.planner: points(found) for found in several},
        "map": plan_map(setup, str(result.table["set"].iloc[0])),
        "provenance": provenance(command, setup.search.seed),
    }


def said(result: ScreenResult) -> str:
    """Say what the sum of the members' own shifts would have chosen."""
    sums, best = result.additive, result.table.iloc[0]
    if sums["set"] == best["set"]:
        return f"the sum of single shifts would have chosen the same set, {sums['set']}"
    place = "not among the sets scored" if sums["rank"] is None else f"rank {sums['rank']}"
    return f"the sum of single shifts would have chosen {sums['set']} ({place} in the search)"


def contest(found: Found) -> dict[str, Any]:
    """Return the best set of one planner, as scored in its search."""
    best = found.ledger.best
    label = found.ledger.space.labels(best.members[None])[0]
    return {
        "planner": found.planner,
        "set": label,
        "energy": best.energy,
        "energy_se": best.error,
        "evaluations": found.ledger.spent,
    }


def points(found: Found) -> list[list[float]]:
    """Return evaluations and best energy, where that fell and at both ends of the search."""
    rows = [[p.evaluations, p.energy] for p in found.ledger.trace if np.isfinite(p.energy)]
    kept = [row for at, row in enumerate(rows) if at == 0 or row[1] < rows[at - 1][1]]
    kept = kept if not rows or kept[-1] == rows[-1] else [*kept, rows[-1]]
    chosen = np.linspace(0, len(kept) - 1, min(MOST_POINTS, len(kept))).round().astype(int)
    return [[float(value) for value in kept[at]] for at in chosen]


def constraints_of(space: Space) -> dict[str, Any]:
    """Return which sets were allowed."""
    return {
        "candidates": len(space.names),
        "first_candidates": list(space.names[:SHOWN]),
        "min_size": space.min_size,
        "max_size": space.max_size,
        "required": [space.names[member] for member in space.required],
        "apart": ["+".join(sorted((space.names[a], space.names[b]))) for a, b in
                  sorted(space.apart)[:SHOWN]],
        "most_cost": space.most_cost if np.isfinite(space.most_cost) else None,
    }  # fmt: skip


def plain(row: dict[str, Any]) -> dict[str, Any]:
    """Return a record with plain numbers; what is not finite becomes None."""
    found = {}
    for key, value in row.items():
        plain = value.item() if isinstance(value, np.generic) else value
        lost = isinstance(plain, float) and not np.isfinite(plain)
        found[key] = None if lost else plain
    return found
