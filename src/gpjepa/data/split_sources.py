"""Splits that users bring: a column of obs, lists of labels in JSON, a split saved before."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from gpjepa.core.errors import DataError, VocabularyError, unknown
from gpjepa.core.files import read_json
from gpjepa.data.labels import CONTROL, parse_label
from gpjepa.data.partition import Split
from gpjepa.data.schemes import Draw, listed

if TYPE_CHECKING:
    from gpjepa.data.perturbseq import PerturbSeq

_PART_NAMES: Mapping[str, str] = {
    "train": "train",
    "training": "train",
    "validation": "validation",
    "valid": "validation",
    "val": "validation",
    "test": "test",
}


def column_draw(data: PerturbSeq, column: str, rng: np.random.Generator) -> Draw:
    """Return the parts that a column of obs gives; each perturbation lies in one of them.

    Control cells are not looked at. Raises `DataError` for other values than train, validation
    and test and for a perturbation that is divided.
    """
    values = data.covariate(column)
    parts: dict[str, set[str]] = {"train": set(), "validation": set(), "test": set()}
    for label, value in dict.fromkeys(zip(data.labels, values, strict=True)):
        if label == CONTROL:
            continue
        part = _PART_NAMES.get(str(value).casefold())
        if part is None:
            raise DataError(
                f"column {column!r} holds {value!r}; a split column expects train, validation and "
                "test; rename its values or use another column"
            )
        parts[part].add(label)
    _refuse_overlap(parts, f"column {column!r}")
    validation = parts["validation"] or None
    return listed(parts["train"], validation, parts["test"], rng)


def read_document(path: Path) -> Mapping[str, Any]:
    """Return the document of a split file; raise `DataError` if it cannot be one."""
    try:
        document = read_json(path)
    except (OSError, ValueError) as error:
        raise DataError(
            f"split file {str(path)!r} cannot be read ({error}); expected JSON with lists of "
            "labels under train, validation and test; check the path and its content"
        ) from error
    if not isinstance(document, Mapping) or "test" not in document:
        raise DataError(
            f"split file {str(path)!r} has no list 'test'; expected JSON with lists of labels "
            "under train, validation and test; add them"
        )
    return document


def is_saved(document: Mapping[str, Any]) -> bool:
    """Tell whether `Split.to_json` wrote the document, rather than a user."""
    return "truth_controls" in document and "scheme" in document


def document_draw(
    data: PerturbSeq, document: Mapping[str, Any], path: Path, rng: np.random.Generator
) -> Draw:
    """Return the parts that a document lists.

    Without a list `train` everything else trains, without `validation` 15 % of the training ones
    are drawn. Raises `DataError` for labels that are not in the data or in two parts.
    """
    parts = _listed_parts(data, document, path)
    _refuse_overlap(parts, f"split file {str(path)!r}")
    train = parts["train"]
    if not {"train", "training"} & set(document):
        train = set(data.perturbations) - parts["validation"] - parts["test"]
    chosen = {"validation", "valid", "val"} & set(document)
    return listed(train, parts["validation"] if chosen else None, parts["test"], rng)


def saved_split(data: PerturbSeq, document: Mapping[str, Any], path: Path) -> Split:
    """Return a saved split whose labels and control cells are all in the data.

    Raises `DataError` when they are not.
    """
    _listed_parts(data, document, path)
    split = Split.from_json(document)
    controls = set(map(str, data.cells[data.is_control]))
    absent = split.truth_controls - controls
    if absent:
        raise DataError(
            f"split file {str(path)!r} keeps {len(absent)} control cells that the data do not have "
            f"(first: {sorted(absent)[0]!r}); expected the data that it was made from; remove its "
            "'truth_controls' to draw them anew"
        )
    return split


def _listed_parts(data: PerturbSeq, document: Mapping[str, Any], path: Path) -> dict[str, set[str]]:
    """Return the canonical labels of each part; control may be listed and is left out."""
    parts: dict[str, set[str]] = {"train": set(), "validation": set(), "test": set()}
    known = set(data.perturbations)
    for name, part in _PART_NAMES.items():
        entries = document.get(name, [])
        if not isinstance(entries, list):
            raise DataError(
                f"split file {str(path)!r} has {type(entries).__name__} under {name!r}; expected "
                'a list of labels; write it as ["A", "A+B"]'
            )
        for text in entries:
            try:
                label = parse_label(str(text), known={*known, *data.members})
            except VocabularyError as error:
                raise DataError(f"split file {str(path)!r}: {error}") from error
            if label != CONTROL and label not in known:
                advice = f"split file {str(path)!r} expects labels of the data; correct it"
                raise DataError(unknown("perturbation", str(text), sorted(known), advice))
            parts[part] |= {label} - {CONTROL}
    return parts


def _refuse_overlap(parts: Mapping[str, Collection[str]], where: str) -> None:
    names = list(parts)
    for index, first in enumerate(names):
        for second in names[index + 1 :]:
            shared = sorted(set(parts[first]) & set(parts[second]))
            if shared:
                raise DataError(
                    f"{where} puts {len(shared)} perturbations in {first} and {second} (first: "
                    f"{shared[0]!r}); expected each in one part only; correct it, or use the "
                    "schemes 'cells' or 'unseen-context' to divide cells"
                )
