"""What the verbs print: one JSON document, or text for people."""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Mapping, Sequence
from typing import Any

from gpjepa.core.ranks import started_by


def print_json(document: Any) -> None:
    """Print one JSON document on stdout; numbers that are not finite become null.

    Of several processes the first one prints, here as below.
    """
    if not started_by()[1].first:
        return
    print(json.dumps(_finite(document), indent=1, allow_nan=False, default=_plain))


def print_table(rows: Sequence[Mapping[str, Any]], columns: Sequence[str]) -> None:
    """Print rows as a table: ruled on a terminal, aligned plain text elsewhere."""
    if not started_by()[1].first:
        return
    cells = [[_text(row.get(column)) for column in columns] for row in rows]
    if not sys.stdout.isatty():
        print(_aligned([list(columns), *cells]))
        return
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(*columns)
    for line in cells:
        table.add_row(*(Text(cell) for cell in line))
    Console().print(table)


def print_summary(document: Mapping[str, Any]) -> None:
    """Print a summary as one `name  value` line per number or word in it; tables are left out."""
    pairs = [[name, _text(value)] for name, value in _leaves(document)]
    if pairs and started_by()[1].first:
        print(_aligned(pairs))


def print_note(text: str, quiet: bool) -> None:
    """Print a remark on stderr unless asked to be quiet."""
    if not quiet and started_by()[1].first:
        print(text, file=sys.stderr)


def _aligned(lines: Sequence[Sequence[str]]) -> str:
    widths = [max(len(line[index]) for line in lines) for index in range(len(lines[0]))]
    padded = [
        [cell.ljust(width) for cell, width in zip(line, widths, strict=True)] for line in lines
    ]
    return "\n".join("  ".join(line).rstrip() for line in padded)


def _leaves(document: Mapping[str, Any], prefix: str = "") -> list[tuple[str, Any]]:
    found: list[tuple[str, Any]] = []
    for key, value in document.items():
        if isinstance(value, Mapping):
            found.extend(_leaves(value, f"{prefix}{key}."))
        elif isinstance(value, list | tuple):
            if not any(isinstance(item, Mapping | list | tuple) for item in value):
                found.append((f"{prefix}{key}", ", ".join(_text(item) for item in value)))
        else:
            found.append((f"{prefix}{key}", value))
    return found


def _text(value: Any) -> str:
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _finite(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


def _plain(value: Any) -> Any:
    """Return a numpy scalar or array as plain numbers, a path as text."""
    convert = getattr(value, "tolist", None)
    return _finite(convert()) if convert is not None else str(value)
