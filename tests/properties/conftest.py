"""Screens dealt into parts: what defines the bounds, and other cells that should meet them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import pytest
from anndata import AnnData

from gpjepa.data import datasets
from gpjepa.data.perturbseq import PerturbSeq, read
from gpjepa.data.simulator import SimulationConfig, simulate

Cells = dict[tuple[str, str], np.ndarray]


@dataclass(frozen=True)
class Dealt:
    """Observed and training cells, and predictions by name made of other cells."""

    observed: AnnData
    train: AnnData
    predictions: Mapping[str, AnnData]
    held_out: tuple[str, ...]


def deal(
    data: PerturbSeq, sizes: Mapping[str, int], controls: int, held_out: int, seed: int
) -> Dealt:
    """Deal every perturbation's cells into parts of `sizes`, at most: the first come first.

    "replicate" holds half as many cells as "observed" has, "simulator" (where there is one) more.
    "no change" are fresh control cells under the labels, "training mean" fresh training cells.
    """
    rng = np.random.default_rng(seed)
    names = rng.permutation(np.array(data.perturbations, dtype=object))
    test, known = sorted(names[:held_out]), sorted(names[held_out:])
    cells: Cells = {}
    for name in names:
        left = rng.permutation(np.flatnonzero(data.labels == name))
        for part, size in sizes.items():
            cells[part, name], left = left[:size], left[size:]
    control = rng.permutation(np.flatnonzero(data.labels == "control"))
    truth, start, fresh = np.split(control, [controls, 2 * controls])

    def take(part: str, labels: list[str], others: np.ndarray | None = None) -> AnnData:
        own = [cells[part, label] for label in labels]
        return data.subset(
            np.concatenate([*own, *([] if others is None else [others])])
        ).to_anndata()

    def called(blocks: list[np.ndarray]) -> AnnData:
        made = data.subset(np.concatenate(blocks)).to_anndata()
        made.obs["perturbation"] = np.repeat(test, [len(block) for block in blocks])
        made.obs_names = [f"called{index}" for index in range(made.n_obs)]
        return made

    size = max(sizes["observed"], len(fresh) // len(test))
    share = [rng.permutation(fresh)[:size] for _ in test]
    pool = np.concatenate([cells["replicate", label] for label in known])
    predictions = {part: take(part, test) for part in sizes if part not in ("train", "observed")}
    predictions["no change"] = called(share)
    predictions["training mean"] = called([pool] * len(test))
    return Dealt(
        take("observed", test, truth), take("train", known, start), predictions, tuple(test)
    )


@pytest.fixture(scope="session")
def simulated() -> Callable[[int], Dealt]:
    """Return a function that simulates a screen with strong effects and deals it."""

    def make(seed: int) -> Dealt:
        sizes = {"train": 60, "observed": 120, "replicate": 60, "simulator": 300}
        settings = SimulationConfig.model_validate(
            {
                "preset": "free",
                "seed": seed,
                "cells": {"control": 8000, "perturbed": 540, "library_median": 5000},
                "free": {
                    "genes": 100,
                    "perturbed": 18,
                    "pairs": 0,
                    "effect_sd": 0.7,
                    "programs": 6,
                    "program_genes": 0.25,
                    "panel_share": 0.25,
                    "base_log_sd": 0.7,
                },
            }
        )
        return deal(read(simulate(settings)[0], announce=False), sizes, 1500, 12, seed)

    return make


@pytest.fixture(scope="session")
def measured() -> Callable[[str, int], Dealt]:
    """Return a function that deals a real screen: papalexi-thp1 or norman-k562."""

    def make(name: str, seed: int) -> Dealt:
        data = read(datasets.load(name), announce=False)
        labels, counts = np.unique(data.labels.astype(str), return_counts=True)
        size = 30 if name == "norman-k562" else 200
        kept = labels[counts >= 3 * size]
        data = data.subset(np.isin(data.labels.astype(str), kept))
        controls = int((data.labels == "control").sum() // 3)
        sizes = {"observed": 2 * size, "replicate": size, "train": 2 * size}
        held_out = 3 * len(data.perturbations) // 4
        return deal(data, sizes, controls, held_out, seed)

    return make
