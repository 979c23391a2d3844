"""What was measured of the training perturbations, kept with a model for its error bars."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import load_file, save_file

from gpjepa.core.files import write_atomic
from gpjepa.data.labels import members_of
from gpjepa.inference.tensors import read_metadata

FILE = "evidence.safetensors"
ARRAYS = ("measured", "error", "denoised", "deviation", "doubles_noise", "shared")
Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Evidence:
    """Effects of the training perturbations [P, G], in log1p pseudobulk units.

    `measured` effects have sampling `error`, of their own cells; `denoised` ones are their
    estimates, good to `deviation`. `doubles_noise` [G] is the mean sampling variance of measured
    combinations, `shared` [G] what all measured effects owe to the error of their control.
    """

    labels: tuple[str, ...]
    measured: Array
    error: Array
    denoised: Array
    deviation: Array
    doubles_noise: Array
    shared: Array
    row: dict[str, int] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "row", {label: at for at, label in enumerate(self.labels)})

    def alone(self, label: str) -> bool:
        """Tell whether every member of a label was measured alone."""
        members = members_of(label)
        return bool(members) and all(member in self.row for member in members)

    def sums(self, labels: tuple[str, ...]) -> Array:
        """Return the sum of the members' measured effects [labels, G]; NaN without one."""
        return self._total(labels, self.measured)

    def error_of_sums(self, labels: tuple[str, ...]) -> Array:
        """Return the sampling variance of `sums`, of the perturbed cells; NaN without one."""
        return self._total(labels, self.error**2)

    def doubt(self, labels: tuple[str, ...]) -> Array:
        """Return the variance that members' effects keep after denoising; 0 if never measured."""
        return np.nan_to_num(self._total(labels, self.deviation**2, skip=True))

    @property
    def mean(self) -> Array:
        """Return the mean measured effect [G] of the training perturbations."""
        return np.asarray(self.measured.mean(axis=0))

    @property
    def response(self) -> Array:
        """Return the mean squared effect of each gene [G] under single perturbations."""
        rows = [at for at, label in enumerate(self.labels) if len(members_of(label)) == 1]
        chosen = rows or list(range(len(self.labels)))
        return np.asarray((self.denoised[chosen] ** 2 + self.deviation[chosen] ** 2).mean(axis=0))

    def _total(self, labels: tuple[str, ...], values: Array, skip: bool = False) -> Array:
        found = np.full((len(labels), values.shape[1]), np.nan)
        for at, label in enumerate(labels):
            rows = [self.row.get(member, -1) for member in members_of(label)]
            known = [row for row in rows if row >= 0]
            if known and (skip or len(known) == len(rows)):
                found[at] = values[known].sum(axis=0)
        return found


def save_evidence(path: Path, evidence: Evidence) -> None:
    """Write evidence into the directory `path`, rounded to single precision."""
    arrays = {name: getattr(evidence, name).astype(np.float32) for name in ARRAYS}
    about = {"labels": json.dumps(list(evidence.labels))}
    write_atomic(path / FILE, lambda temporary: save_file(arrays, temporary, about))


def load_evidence(path: Path) -> Evidence | None:
    """Read what `save_evidence` wrote; None for a run that was saved without any.

    Raises `CheckpointError` for a damaged file.
    """
    if not (path / FILE).exists():
        return None
    labels = tuple(json.loads(read_metadata(path / FILE)["labels"]))
    arrays = load_file(path / FILE)
    arrays.setdefault("shared", np.zeros_like(arrays["doubles_noise"]))  # runs saved before it
    return Evidence(labels, *(arrays[name].astype(np.float64) for name in ARRAYS))
