"""Splits of perturbation data: the named schemes, a column of obs, or a JSON file."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from gpjepa.core.errors import ConfigError, DataError, unknown
from gpjepa.core.random import numpy_stream
from gpjepa.data import schemes
from gpjepa.data.audit import audit
from gpjepa.data.gears_split import gears
from gpjepa.data.partition import Split, SplitCells, truth_half
from gpjepa.data.schemes import Draw
from gpjepa.data.split_sources import (
    column_draw,
    document_draw,
    is_saved,
    read_document,
    saved_split,
)

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
        return _bind(data, "column", seed, column_draw(data, scheme, rng))
    path = Path(scheme)
    if path.suffix == ".json" or path.is_file():
        document = read_document(path)
        if is_saved(document):
            return saved_split(data, document, path)
        return _bind(data, "json", seed, document_draw(data, document, path, rng))
    expected = f"expected one of {', '.join(SCHEMES)}, a column of obs or the path of a JSON file"
    raise ConfigError(unknown("split", scheme, [*SCHEMES, *columns], expected))
