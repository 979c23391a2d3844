"""Cells for timing: counts of a stated size and density, written by no simulator of biology."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas
from scipy.sparse import csr_matrix, vstack

if TYPE_CHECKING:
    from anndata import AnnData

DISPERSION = 2.0
ROWS = 1000  # cells drawn at once


def made_cells(
    cells: int = 20_000,
    genes: int = 5_000,
    density: float = 0.1,
    singles: int = 60,
    pairs: int = 40,
    seed: int = 0,
) -> AnnData:
    """Return raw NB counts, float32 CSR, a tenth control and the rest spread over perturbations.

    obs holds perturbation ("control", "G0", "G0+G7"), batch (3) and total_counts. Perturbed genes
    fall to a fifth and 2 % of the other genes move with them by e^N(0, 1).
    """
    import anndata

    rng = np.random.default_rng(seed)
    names = np.array([f"G{gene}" for gene in range(genes)])
    sets = [(gene,) for gene in range(singles)]
    every = [(a, b) for a in range(singles) for b in range(a + 1, singles)]
    sets += [every[row] for row in np.sort(rng.choice(len(every), pairs, replace=False))]
    labels = np.array(["control", *("+".join(names[list(one)]) for one in sets)])
    rate = _rates(rng, genes, density)
    rate[:singles] = np.maximum(rate[:singles], 0.5)
    single = np.where(rng.random((singles, genes)) < 0.02, rng.normal(size=(singles, genes)), 0.0)
    single[np.arange(singles), np.arange(singles)] = np.log(0.2)
    shift = np.stack([np.zeros(genes), *(single[list(one)].sum(axis=0) for one in sets)])
    kind = rng.choice(len(labels), cells, p=np.r_[0.1, np.full(len(sets), 0.9 / len(sets))])
    depth = np.exp(rng.normal(0.0, 0.3, cells))
    parts = []
    for start in range(0, cells, ROWS):
        rows = slice(start, start + ROWS)
        mean = rate * np.exp(shift[kind[rows]]) * depth[rows, None]
        drawn = rng.poisson(mean * rng.gamma(DISPERSION, 1.0 / DISPERSION, mean.shape))
        parts.append(csr_matrix(drawn.astype(np.float32)))
    counts = vstack(parts, format="csr")
    obs = pandas.DataFrame(
        {
            "perturbation": pandas.Categorical(labels[kind]),
            "batch": pandas.Categorical(rng.integers(0, 3, cells).astype(str)),
            "total_counts": np.asarray(counts.sum(axis=1)).ravel(),
        },
        index=[f"cell-{row}" for row in range(cells)],
    )
    return anndata.AnnData(counts, obs=obs, var=pandas.DataFrame(index=names))


def _rates(rng: np.random.Generator, genes: int, density: float) -> np.ndarray:
    """Return log-normal mean counts scaled so that a share `density` of the counts is above 0."""
    shape = np.exp(rng.normal(0.0, 1.6, genes))
    low, high = 1e-6, 1e2
    for _ in range(80):
        scale = np.sqrt(low * high)
        found = 1.0 - (1.0 + scale * shape / DISPERSION) ** -DISPERSION
        low, high = (scale, high) if found.mean() < density else (low, scale)
    return scale * shape
