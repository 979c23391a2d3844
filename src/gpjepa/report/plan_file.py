"""The plans of a run: what `gpjepa plan` left in RUN/plans, as it was written."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gpjepa.api.run import PLANS
from gpjepa.core.errors import CheckpointError
from gpjepa.core.files import read_json
from gpjepa.report.numbers import finite

PARTS = ("goal", "planner", "evaluations", "table", "traces", "map")


@dataclass(frozen=True, eq=False)
class Plan:
    """One plan: where to, how it was searched, and the sets that came out."""

    name: str
    document: dict[str, Any]

    @property
    def goal(self) -> str:
        """Return the goal's name."""
        return str(self.document["goal"].get("name", self.name))

    @property
    def kind(self) -> str:
        """Return what kind of goal it is."""
        return str(self.document["goal"].get("kind", "goal"))

    @property
    def rows(self) -> list[dict[str, Any]]:
        """Return the ranked sets, best first."""
        return list(self.document["table"])

    def number(self, name: str) -> float:
        """Return a number of the plan; NaN where it has none."""
        value = finite(self.document.get(name))
        return float("nan") if value is None else value


def read_plans(run: Path) -> tuple[Plan, ...]:
    """Read the plans of a run directory in the order of their names; none where it has none.

    Raises `CheckpointError` for a file that is no plan.
    """
    return tuple(_plan(path) for path in sorted((run / PLANS).glob("*.json")))


def _plan(path: Path) -> Plan:
    advice = "run `gpjepa plan` again, or remove the file"
    try:
        document = read_json(path)
    except (OSError, UnicodeDecodeError, json.JSONDecodeError) as error:
        raise CheckpointError(
            f"{PLANS}/{path.name} cannot be read ({error}); expected a plan; {advice}"
        ) from error
    missing = [part for part in PARTS if not isinstance(document, dict) or part not in document]
    if missing:
        raise CheckpointError(
            f"{PLANS}/{path.name} lacks {', '.join(missing)}; expected a plan; {advice}"
        )
    return Plan(path.stem, document)
