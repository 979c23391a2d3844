"""Splits of perturbation data: the named schemes, a column of obs, or a JSON file."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from gpjepa.core.errors import ConfigError, DataError, VocabularyError, unknown
from gpjepa.core.files import read_json
from gpjepa.core.random import numpy_stream
from gpjepa.data import schemes
from gpjepa.data.audit import audit
from gpjepa.data.gears_split import gears
from gpjepa.data.labels import CONTROL, parse_label
from gpjepa.data.partition import Split, SplitCells, truth_half
from gpjepa.data.schemes import Draw

if TYPE_CHECKING:
    from gpjepa.data.perturbseq import PerturbSeq

__all__ = ["SCHEMES", "Split", "SplitCells", "audit", "demo_split", "make_split"]

SCHEMES = (
    "unseen-perturbation",
    "unseen-combination",
    "unseen-context",
    "gears",
    "cells",
    "none",
)
_PART_NAMES = {
    "train": "train",
    "training": "train",
    "validation": "validation",
    "valid": "validation",
    "val": "validation",
    "test": "test",
}


def make_split(
    data: PerturbSeq,
    scheme: str,
    *,
    seed: int = 0,
    fraction: float = 0.25,
    context_column: str | None = None,
) -> Split:
    """Divide the perturbations of `data`; see `PerturbSeq.split`."""
    if not 0.0 < fraction < 1.0:
        raise ConfigError(
            f"fraction is {fraction}; expected a share between 0 and 1, both excluded; "
            "write for example 0.25"
        )
    labels = data.perturbations
    rng = numpy_stream(seed, "split", scheme if scheme in SCHEMES else "listed")
    held_out = None
    match scheme:
        case "unseen-perturbation":
            draw = schemes.unseen_perturbation(labels, rng, fraction)
        case "unseen-combination":
            draw = schemes.unseen_combination(labels, rng, fraction)
        case "unseen-context":
            context_column = context_column or _context_column(data)
            draw, held_out = _held_out_context(data, context_column, rng)
        case "gears":
            draw = gears(labels, seed, fraction)
        case "cells":
            draw = schemes.every_cell_part(labels)
        case "none":
            draw = schemes.whole(labels)
        case _:
            return _from_elsewhere(data, scheme, seed, rng)
    column = context_column if scheme == "unseen-context" else None
    return _bind(data, scheme, seed, draw, fraction, column, held_out)


def demo_split(data: PerturbSeq, seed: int, featured: Collection[str]) -> Split:
    """Return the demonstration's split of norman-k562; `featured` are genes with features.

    See `schemes.demonstration`. Raises `DataError` for data that have too few candidates.
    """
    draw = schemes.demonstration(data.perturbations, numpy_stream(seed, "split", "demo"), featured)
    return _bind(data, "demo", seed, draw)


def _bind(
    data: PerturbSeq,
    scheme: str,
    seed: int,
    draw: Draw,
    fraction: float = 0.25,
    context_column: str | None = None,
    held_out: str | None = None,
) -> Split:
    """Add the control halves to a draw, after a look at whether it can be used."""
    n = len(data.perturbations)
    if not draw.train:
        raise DataError(
            f"split {scheme!r} leaves no perturbation to train on (of {n}; {len(draw.test)} test, "
            f"{len(draw.validation)} validate); expected at least one; lower the fraction or use "
            "another scheme"
        )
    if not draw.test and scheme != "none":
        raise DataError(
            f"split {scheme!r} leaves no perturbation to test (of {n}); expected at least one; "
            "raise the fraction, use another scheme, or 'none' to train on everything"
        )
    return Split(
        scheme=scheme,
        seed=seed,
        train=draw.train,
        validation=draw.validation,
        test=draw.test,
        groups=draw.groups,
        truth_controls=truth_half(data, seed, context_column),
        context_column=context_column,
        held_out_context=held_out,
        fraction=fraction,
    )


def _context_column(data: PerturbSeq) -> str:
    for role in ("cell_type", "batch"):
        if getattr(data, role) is not None:
            return getattr(data.roles, role) or role
    names = [] if data.obs is None else [str(name) for name in data.obs.columns]
    raise DataError(
        f"no context column: the data have neither cell types nor batches (obs has: "
        f"{', '.join(names) or 'no columns'}); unseen-context expects one; name it with "
        "context_column=... (--context-column)"
    )


def _held_out_context(data: PerturbSeq, column: str, rng: np.random.Generator) -> tuple[Draw, str]:
    """Draw a context that has control cells and perturbations which train elsewhere."""
    context = data.covariate(column)
    perturbed = ~data.is_control
    names = sorted(set(context))
    fit = []
    for name in names:
        here = context == name
        shared = set(data.labels[here & perturbed]) & set(data.labels[~here & perturbed])
        if shared and (here & ~perturbed).any():
            fit.append(name)
    if not fit:
        raise DataError(
            f"no context of column {column!r} ({len(names)} levels: {', '.join(names[:5])}) can be "
            "held out; expected one with control cells and a perturbation that another context "
            "has too; use another column"
        )
    held_out = fit[int(rng.integers(len(fit)))]
    here = context == held_out
    draw = schemes.across_contexts(
        set(data.labels[~here & perturbed]), set(data.labels[here & perturbed]), rng
    )
    return draw, held_out


def _from_elsewhere(data: PerturbSeq, scheme: str, seed: int, rng: np.random.Generator) -> Split:
    """Read parts from a column of obs or a JSON file; refuse any other name."""
    columns = [] if data.obs is None else [str(name) for name in data.obs.columns]
    if scheme in columns:
        return _bind(data, "column", seed, _from_column(data, scheme, rng))
    path = Path(scheme)
    if path.suffix == ".json" or path.is_file():
        return _from_file(data, path, seed, rng)
    raise ConfigError(
        unknown(
            "split",
            scheme,
            [*SCHEMES, *columns],
            f"expected one of {', '.join(SCHEMES)}, a column of obs or the path of a JSON file",
        )
    )


def _from_column(data: PerturbSeq, column: str, rng: np.random.Generator) -> Draw:
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
    return schemes.listed(parts["train"], validation, parts["test"], rng)


def _from_file(data: PerturbSeq, path: Path, seed: int, rng: np.random.Generator) -> Split:
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
    parts = _listed_parts(data, document, path)
    if "truth_controls" in document and "scheme" in document:
        return _saved(data, Split.from_json(document), path)
    _refuse_overlap(parts, f"split file {str(path)!r}")
    train = parts["train"]
    if "train" not in document:
        train = set(data.perturbations) - parts["validation"] - parts["test"]
    validation = parts["validation"] if {"validation", "val"} & set(document) else None
    return _bind(data, "json", seed, schemes.listed(train, validation, parts["test"], rng))


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


def _saved(data: PerturbSeq, split: Split, path: Path) -> Split:
    """Return a saved split if its control cells are in the data."""
    controls = set(map(str, data.cells[data.is_control]))
    absent = split.truth_controls - controls
    if absent:
        raise DataError(
            f"split file {str(path)!r} keeps {len(absent)} control cells that the data do not have "
            f"(first: {sorted(absent)[0]!r}); expected the data that it was made from; remove its "
            "'truth_controls' to draw them anew"
        )
    return split


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
