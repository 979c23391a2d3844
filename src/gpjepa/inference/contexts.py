"""Effects in one context, as alike contexts measured them."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import load_file, save_file

from gpjepa.core.files import write_atomic
from gpjepa.inference.tensors import read_metadata

FILE = "contexts.safetensors"
ARRAYS = ("profile", "context", "departure", "noise", "scale")
Array = NDArray[np.float64]


class Kriging(NamedTuple):
    """Weights [M] of M measured contexts, which sum to 1, and the variance of what they miss."""

    weights: Array
    variance: float


def krige(distance: Array, own: Array, noise: Array, reach: float, signal: float) -> Kriging:
    """Weigh M measured contexts for one at squared distances `own` [M] from them.

    What contexts depart from their unknown mean varies by `signal` and is alike by
    exp(−`distance` [M, M] / `reach`); each was measured with variance `noise` [M].
    Source: ordinary kriging (Cressie, Statistics for Spatial Data, 1993, section 3.2).
    """
    across, near = signal * np.exp(-distance / reach), signal * np.exp(-own / reach)
    solved = np.linalg.solve(across + np.diag(noise), np.stack((near, np.ones(len(near)))).T)
    lacking, total = 1.0 - solved[:, 0].sum(), solved[:, 1].sum()
    weights = solved[:, 0] + solved[:, 1] * lacking / total
    variance = signal - float(near @ solved[:, 0]) + lacking**2 / total
    return Kriging(weights, max(float(variance), 0.0))


def squared_distances(one: Array, other: Array) -> Array:
    """Return mean squared differences [N, M] of profiles [N, G] and [M, G]."""
    square = (one**2).mean(axis=1)[:, None] + (other**2).mean(axis=1)
    return np.maximum(square - 2.0 * one @ other.T / one.shape[1], 0.0)


@dataclass(frozen=True, eq=False)
class Contexts:
    """What E pairs of perturbation and context measured, and how alike C contexts are.

    `column` is "cell_type" or "batch", `levels` its trained contexts with the pseudobulks of their
    control cells `profile` [C, G] at `target`, compared on the genes `compared` [G]. Of a pair:
    its perturbation (`labels`), its `context`, the `departure` [E, G] of its effect from that of
    all contexts together, log1p units, and the variance `noise` of it. `scale` [G] is the variance
    of a gene's errors for a kriging variance of 1. `supported`: contexts left out were predicted
    better so than by the mean of the others.
    """

    column: str
    levels: tuple[str, ...]
    target: float
    labels: tuple[str, ...]
    reach: float
    signal: float
    supported: bool
    profile: Array
    context: NDArray[np.int64]
    departure: Array
    noise: Array
    scale: Array
    compared: NDArray[np.bool_]
    rows: dict[str, list[int]] = field(init=False)

    def __post_init__(self) -> None:
        rows: dict[str, list[int]] = {}
        for at, label in enumerate(self.labels):
            rows.setdefault(label, []).append(at)
        object.__setattr__(self, "rows", rows)

    def predict(self, label: str, profile: Array) -> tuple[Array, Array]:
        """Return the departure [G] of a label in a context of this `profile` [G], and its variance.

        `profile` is the pseudobulk of the context's control cells at `target`. Raises `KeyError`
        for a label that was not measured in several contexts.
        """
        rows = np.array(self.rows[label])
        known = self.profile[self.context[rows]][:, self.compared]
        apart = squared_distances(known, known)
        own = squared_distances(known, profile[None, self.compared])[:, 0]
        found = krige(apart, own, self.noise[rows], self.reach, self.signal)
        return found.weights @ self.departure[rows], found.variance * self.scale


def save_contexts(path: Path, contexts: Contexts) -> None:
    """Write contexts into the directory `path`, rounded to single precision."""
    arrays = {name: np.asarray(getattr(contexts, name)) for name in ARRAYS}
    stored = {
        name: array.astype(np.int64 if name == "context" else np.float32)
        for name, array in arrays.items()
    }
    stored["compared"] = contexts.compared.astype(np.uint8)
    about = {
        "column": contexts.column,
        "levels": list(contexts.levels),
        "labels": list(contexts.labels),
        "target": contexts.target,
        "reach": contexts.reach,
        "signal": contexts.signal,
        "supported": contexts.supported,
    }
    text = {"about": json.dumps(about, sort_keys=True)}
    write_atomic(path / FILE, lambda temporary: save_file(stored, temporary, text))


def load_contexts(path: Path) -> Contexts | None:
    """Read what `save_contexts` wrote; None for a run without any.

    Raises `CheckpointError` for a damaged file.
    """
    if not (path / FILE).exists():
        return None
    about = json.loads(read_metadata(path / FILE)["about"])
    stored = load_file(path / FILE)
    arrays = {name: stored[name].astype(np.float64) for name in ARRAYS if name != "context"}
    return Contexts(
        about["column"],
        tuple(about["levels"]),
        float(about["target"]),
        tuple(about["labels"]),
        float(about["reach"]),
        float(about["signal"]),
        bool(about["supported"]),
        context=stored["context"].astype(np.int64),
        compared=stored["compared"].astype(bool),
        **arrays,
    )
