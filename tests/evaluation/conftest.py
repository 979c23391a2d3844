"""Simulated screens with known effects, small enough to score in a moment."""

from __future__ import annotations

from dataclasses import dataclass

import anndata
import numpy as np
import pandas as pd
import pytest
from scipy import sparse


@dataclass(frozen=True)
class Screen:
    """A screen whose log effects [P, G] are known; `cells` draws AnnData from it."""

    genes: list[str]
    effects: dict[str, np.ndarray]
    base: np.ndarray

    def cells(self, numbers: dict[str, int], seed: int, rest: bool = False) -> anndata.AnnData:
        """Draw gamma-Poisson counts; "control" has no effect."""
        rng = np.random.default_rng(seed)
        blocks, labels, totals = [], [], []
        for label, number in numbers.items():
            effect = self.effects.get(label, np.zeros(len(self.genes)))
            library = rng.integers(1500, 4000, size=number)
            rate = self.base * np.exp(effect) * rng.gamma(5.0, 0.2, size=(number, len(self.genes)))
            counts = rng.poisson(library[:, None] * rate)
            blocks.append(counts)
            labels += [label] * number
            totals += list(np.maximum(library, counts.sum(1) + 1))
        names = [f"cell{seed}_{index}" for index in range(len(labels))]
        obs = pd.DataFrame({"perturbation": labels}, index=names)
        if rest:
            obs["total_counts"] = np.array(totals, dtype=float)
        counts = sparse.csr_matrix(np.concatenate(blocks).astype(np.float32))
        return anndata.AnnData(X=counts, obs=obs, var=pd.DataFrame(index=self.genes))


@pytest.fixture(scope="session")
def screen() -> Screen:
    """Return a screen of six singles and two doubles on 60 genes, targets among them."""
    rng = np.random.default_rng(11)
    singles = [f"T{index}" for index in range(6)]
    genes = singles + [f"G{index}" for index in range(54)]
    base = rng.gamma(2.0, 1.0, size=60) / 60 * 0.25
    base[-4:] = 1e-6
    effects = {name: rng.normal(size=60) * (rng.random(60) < 0.3) for name in singles}
    effects["T0+T1"] = effects["T0"] + effects["T1"]
    effects["T2+T3"] = effects["T2"] + effects["T3"]
    return Screen(genes, effects, base)


@pytest.fixture(scope="session")
def train(screen: Screen) -> anndata.AnnData:
    """Return training cells: half of the controls and four singles."""
    return screen.cells({"control": 150, "T0": 60, "T1": 60, "T2": 60, "T3": 60}, seed=1)


@pytest.fixture(scope="session")
def observed(screen: Screen) -> anndata.AnnData:
    """Return the truth: the other controls and the held-out perturbations."""
    return screen.cells({"control": 150, "T0+T1": 60, "T2+T3": 60, "T4": 60, "T5": 60}, seed=2)


@pytest.fixture(scope="session")
def oracle(screen: Screen) -> anndata.AnnData:
    """Return predictions drawn from the true distribution."""
    return screen.cells({"T0+T1": 80, "T2+T3": 80, "T4": 80, "T5": 80}, seed=3)
