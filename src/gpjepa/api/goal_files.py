"""Signatures and costs as files: a CSV or TSV of genes and numbers, or JSON."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from gpjepa.core.errors import DataError

SIDES: Mapping[str, float] = {"up": 1.0, "down": -1.0, "+": 1.0, "-": -1.0}
FORM = "two columns, gene and weight (or up, down), or JSON with genes and weights"


def read_weights(path: Path | str) -> dict[str, float]:
    """Read a number for each gene.

    A CSV or TSV has genes in its first column and numbers, or the words up and down, in its
    second, with a header or without. JSON is one object of genes and numbers, or has two lists,
    "up" and "down". Raises `DataError` for anything else and for a gene that comes twice.
    """
    source = Path(path)
    try:
        text = source.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(
            f"file {str(path)!r} cannot be read ({error}); expected {FORM}; check the path"
        ) from error
    if source.suffix.lower() == ".json":
        return _from_json(text, source)
    separator = "\t" if "\t" in text else ","
    return _from_lines(
        [line.split(separator) for line in text.splitlines() if line.strip()], source
    )


def sided(up: list[str], down: list[str]) -> dict[str, float]:
    """Return weights of genes that are to rise and to fall, each side 1 in all.

    Raises `DataError` for a gene on both sides, or on none.
    """
    both = sorted(set(up) & set(down))
    if both:
        raise DataError(
            f"gene {both[0]!r} is to rise and to fall; expected it on one side; drop one"
        )
    if not up and not down:
        raise DataError("the signature names no gene; expected one or more up or down")
    rising = {gene: 1.0 / len(set(up)) for gene in up}
    return rising | {gene: -1.0 / len(set(down)) for gene in down}


def _from_json(text: str, source: Path) -> dict[str, float]:
    try:
        document = json.loads(text)
    except json.JSONDecodeError as error:
        raise DataError(f"{source.name} is not JSON ({error}); expected {FORM}") from error
    if isinstance(document, dict) and document and set(document) <= {"up", "down"}:
        sides = [document.get(side, []) for side in ("up", "down")]
        if all(isinstance(side, list) for side in sides):
            return sided(*([str(gene) for gene in side] for side in sides))
    if not isinstance(document, dict) or not document:
        raise DataError(f"{source.name} holds no genes; expected {FORM}")
    return {str(gene): _number(value, str(gene), source) for gene, value in document.items()}


def _from_lines(lines: list[list[str]], source: Path) -> dict[str, float]:
    if not lines or any(len(line) < 2 for line in lines):
        raise DataError(f"{source.name} has no second column; expected {FORM}")
    rows = [(line[0].strip(), line[1].strip()) for line in lines]
    if not _is_number(rows[0][1]) and rows[0][1].lower() not in SIDES:
        rows = rows[1:]
    if not rows:
        raise DataError(f"{source.name} has a header and no genes; expected {FORM}")
    found: dict[str, float] = {}
    for gene, value in rows:
        if gene in found:
            raise DataError(
                f"gene {gene!r} comes twice in {source.name}; expected each once; drop one"
            )
        found[gene] = _number(value, gene, source)
    if all(value.lower() in SIDES for _, value in rows):
        up = [gene for gene, weight in found.items() if weight > 0]
        return sided(up, [gene for gene in found if gene not in set(up)])
    return found


def _number(value: Any, gene: str, source: Path) -> float:
    word = str(value).strip().lower()
    if word in SIDES:
        return SIDES[word]
    if isinstance(value, bool) or not _is_number(word):
        raise DataError(
            f"{source.name} gives gene {gene!r} the value {value!r}; expected a number, up or down"
        )
    return float(word)


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
