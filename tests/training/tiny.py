"""Screens so small that a model trains on them in a second."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from anndata import AnnData
from pandas import DataFrame
from scipy.sparse import csr_matrix

from gpjepa.core.config import Config
from gpjepa.data.partition import Split, truth_half
from gpjepa.data.perturbseq import PerturbSeq

GENES = tuple("ABCDEF") + tuple(f"gene{index}" for index in range(18))
SINGLES = tuple("ABCDEF")
DOUBLES = ("A+B", "A+C", "A+D", "B+C", "B+D", "C+D")
VALIDATION = ("A+D", "B+C", "B+D")
TEST = ("C+D",)


def make_cells(
    seed: int = 0,
    *,
    labels: Sequence[str] = SINGLES + DOUBLES,
    control: int = 60,
    perturbed: int = 12,
    totals: bool = True,
    batches: int = 1,
    cell_types: int = 1,
    doses: Sequence[float] = (),
    genes: Sequence[str] = GENES,
) -> AnnData:
    """Return Poisson counts whose perturbations act additively on the log scale."""
    rng = np.random.default_rng(seed)
    members = sorted({member for label in labels for member in label.split("+")})
    base = np.exp(rng.normal(1.0, 0.6, len(genes)))
    effects = {member: rng.normal(0.0, 0.7, len(genes)) for member in members}
    condition = np.array(["ctrl"] * control + [x for x in labels for _ in range(perturbed)], object)
    rows = len(condition)
    size = np.exp(rng.normal(0.0, 0.2, rows))
    batch, kind = rng.integers(0, batches, rows), rng.integers(0, cell_types, rows)
    shift = rng.normal(0.0, 0.3, (2, max(batches, cell_types), len(genes)))
    log_rate = np.log(base) + shift[0, batch] * (batches > 1) + shift[1, kind] * (cell_types > 1)
    for row, label in enumerate(condition):
        if label != "ctrl":
            log_rate[row] += sum(effects[member] for member in label.split("+"))
    counts = rng.poisson(size[:, None] * np.exp(log_rate)).astype(np.float32)
    obs: dict[str, Any] = {"perturbation": condition}
    if totals:
        obs["total_counts"] = counts.sum(axis=1) + rng.poisson(200.0 * size)
    if batches > 1:
        obs["batch"] = np.array([f"batch{index}" for index in batch], object)
    if cell_types > 1:
        obs["cell_type"] = np.array([f"type{index}" for index in kind], object)
    if doses:
        obs["dose"] = np.where(condition == "ctrl", 0.0, rng.choice(list(doses), rows))
    frame = DataFrame(obs, index=[f"cell{index}" for index in range(rows)])
    return AnnData(X=csr_matrix(counts), obs=frame, var=DataFrame(index=list(genes)))


def make_split(
    data: PerturbSeq,
    validation: Sequence[str] = VALIDATION,
    test: Sequence[str] = TEST,
    seed: int = 0,
) -> Split:
    """Return a split with these perturbations held out and half of the controls for the truth."""
    train = tuple(x for x in data.perturbations if x not in {*validation, *test})
    groups = {label: f"combo_seen{len(label.split('+'))}" for label in test}
    truth = truth_half(data, seed)
    return Split("made", seed, train, tuple(validation), tuple(test), groups, truth)


def make_config(**changes: dict[str, Any]) -> Config:
    """Return the smallest settings with everything switched on; `changes` by section."""
    sections: dict[str, dict[str, Any]] = {
        "encoder": {"latent": 8, "hidden": 16, "layers": 1},
        "perturbation": {"features": ()},
        "predictor": {"width": 16, "heads": 2, "layers": 1},
        "pretrain": {"epochs": 1, "min_steps": 6, "max_steps": 6, "batch_size": 32},
        "fit": {
            "epochs": 1,
            "min_steps": 8,
            "max_steps": 8,
            "batch_size": 32,
            "group_size": 8,
            "validations": 4,
        },
    }
    return Config(
        **{
            name: {**sections.get(name, {}), **changes.get(name, {})}
            for name in {**sections, **changes}
        }
    )
