"""How the run was made: settings, split, versions and how to do it again."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import PurePath
from typing import Any

from gpjepa.report.glossary import Term, describe
from gpjepa.report.run import AXES, Run
from gpjepa.report.tables import in_order, text_of

LONG_LIST = 60  # names of a list that are written out


@dataclass(frozen=True)
class Facts:
    """A titled list of names and values."""

    title: str
    rows: tuple[tuple[str, str], ...]


def settings(run: Run) -> list[Facts]:
    """Return the configuration, one block for each of its sections."""
    sections: list[Facts] = []
    loose: list[tuple[str, str]] = []
    for name, value in run.config.items():
        if isinstance(value, dict):
            sections.append(Facts(name, tuple(flat(value))))
        else:
            loose.append((name, word(value)))
    return [*([Facts("general", tuple(loose))] if loose else []), *sections]


def split_facts(run: Run) -> Facts:
    """Return the split: its scheme and the perturbations of every part."""
    return Facts("split", tuple(flat(run.split)))


def provenance_facts(run: Run) -> Facts:
    """Return versions, platform, seed and the identity of the data.

    Of the data's path only the file name is shown: a page that is passed on tells nothing of the
    machine that it was made on.
    """
    data = dict(run.data)
    if isinstance(data.get("path"), str):
        data["path"] = PurePath(data["path"]).name
    rows = [*flat(run.provenance), *(("data " + name, text) for name, text in flat(data))]
    return Facts("provenance", tuple(rows))


def command(run: Run) -> str | None:
    """Return the command that made the run, as it was recorded."""
    recorded = run.provenance.get("command")
    if isinstance(recorded, list):
        return " ".join(str(part) for part in recorded)
    return str(recorded) if recorded else None


def version(run: Run) -> str:
    """Return the version of gpjepa that made the run; empty when it was not recorded."""
    versions = run.provenance.get("versions")
    known = versions.get("gpjepa") if isinstance(versions, dict) else None
    return str(known or run.provenance.get("version") or "")


def definitions(run: Run) -> list[tuple[str, list[tuple[str, Term]]]]:
    """Return what every metric in the tables means, by axis."""
    axes, names = text_of(run.metrics, "axis"), text_of(run.metrics, "metric")
    pairs = in_order([f"{axis}\n{name}" for axis, name in zip(axes, names, strict=True)])
    found = [pair.split("\n", 1) for pair in pairs]
    return [(axis, [(name, describe(name)) for own, name in found if own == axis]) for axis in AXES]


def flat(document: dict[str, Any], prefix: str = "") -> list[tuple[str, str]]:
    """Return the leaves of a JSON object with dotted names, lists written out."""
    rows: list[tuple[str, str]] = []
    for name, value in document.items():
        path = f"{prefix}{name}"
        if isinstance(value, dict) and value:
            rows.extend(flat(value, f"{path}."))
        else:
            rows.append((path, word(value)))
    return rows


def word(value: Any) -> str:
    """Write a JSON value for people; long lists are cut and say so."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if value is None or value == [] or value == {}:
        return "none"
    if isinstance(value, list):
        shown = ", ".join(word(item) for item in value[:LONG_LIST])
        rest = len(value) - LONG_LIST
        return f"{shown} … and {rest} more" if rest > 0 else shown
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
