"""A look for leaks: whether anything of the test is also in training."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

import numpy as np

from gpjepa.data.halves import strata_of
from gpjepa.data.labels import members_of
from gpjepa.data.partition import Split
from gpjepa.data.schemes import UNSEEN_SINGLE, genes_of, is_combination

if TYPE_CHECKING:
    from gpjepa.data.perturbseq import PerturbSeq

_SHARED_LABELS = ("cells", "unseen-context")  # schemes that divide a perturbation's cells


def audit(split: Split, data: PerturbSeq) -> list[str]:
    """Return what is wrong with `split` on `data`, in words; empty when nothing is."""
    return [
        *_absent_labels(split, data),
        *_repeated_labels(split),
        *_seen_members(split),
        *_shared_cells(split, data),
        *_controls(split, data),
    ]


def _absent_labels(split: Split, data: PerturbSeq) -> Iterator[str]:
    known = set(data.perturbations)
    for part in ("train", "validation", "test"):
        absent = set(getattr(split, part)) - known
        if absent:
            yield f"{part}: not in the data: {_some(absent)}"


def _repeated_labels(split: Split) -> Iterator[str]:
    if split.scheme == "cells":
        return
    pairs = [("train", "validation")]
    if split.scheme not in _SHARED_LABELS:
        pairs += [("train", "test"), ("validation", "test")]
    for first, second in pairs:
        shared = set(getattr(split, first)) & set(getattr(split, second))
        if shared:
            yield f"in {first} and in {second}: {_some(shared)}"


def _seen_members(split: Split) -> Iterator[str]:
    """Find test perturbations that were seen beyond what the scheme or their group says."""
    fitted = {*split.train, *split.validation}
    trained, touched = genes_of(split.train), genes_of(fitted)
    for label in split.test:
        members = members_of(label)
        seen = sum(gene in trained for gene in members)
        group = split.groups.get(label, "")
        if split.scheme == "unseen-perturbation" and touched.issuperset(members):
            yield f"{label}: every member is also in training, so no gene of it is unseen"
        elif group == UNSEEN_SINGLE and touched.issuperset(members):
            yield f"{label}: called {group}, but training has a perturbation of it"
        elif group.startswith("combo_seen") and seen > int(group.removeprefix("combo_seen")):
            yield f"{label}: called {group}, but {seen} of its members are in training"
        elif split.scheme == "unseen-combination":
            yield from _combination(label, set(split.train), fitted)


def _combination(label: str, train: set[str], fitted: set[str]) -> Iterator[str]:
    members = set(members_of(label))
    if not is_combination(label):
        yield f"{label}: a single in the test of unseen-combination"
    missing = members - train
    if missing:
        yield f"{label}: not trained alone: {_some(missing)}"
    larger = {other for other in fitted if members < set(members_of(other))}
    if larger:
        yield f"{label}: training has {_some(larger)}, which contains it"


def _shared_cells(split: Split, data: PerturbSeq) -> Iterator[str]:
    parts = split.parts(data)
    names = ("train", "validation", "test", "train_controls", "truth_controls")
    for index, first in enumerate(names):
        for second in names[index + 1 :]:
            shared = np.intersect1d(getattr(parts, first), getattr(parts, second))
            if len(shared):
                yield f"{len(shared)} cells in {first} and in {second}"
    if split.scheme != "none" and len(parts.test) == 0:
        yield "test: no cell"
    if len(parts.train) == 0:
        yield "train: no cell"


def _controls(split: Split, data: PerturbSeq) -> Iterator[str]:
    controls = data.is_control
    absent = split.truth_controls - set(map(str, data.cells[controls]))
    if absent:
        yield f"truth controls: not among the control cells: {_some(absent)}"
    rows = np.flatnonzero(controls)
    columns = [data.batch, data.cell_type]
    strata = strata_of([None if c is None else c[rows] for c in columns], len(rows))
    truth = np.isin(data.cells[rows].astype(str), sorted(split.truth_controls))
    for stratum in np.unique(strata):
        here = truth[strata == stratum]
        if here.all() or not here.any():
            which = "predict from" if here.all() else "compare with"
            first = str(data.cells[rows][strata == stratum][0])
            yield f"batch or cell type of control cell {first!r}: no control cell to {which}"


def _some(names: Iterable[str]) -> str:
    ordered = sorted(names)
    return ", ".join(ordered[:3]) + (f" and {len(ordered) - 3} more" if len(ordered) > 3 else "")
