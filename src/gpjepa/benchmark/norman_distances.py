"""norman-distances: composition of 131 doubles in the 50 coordinates that distances imply."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from gpjepa.benchmark.effect_tables import held_out_doubles, held_out_genes
from gpjepa.core.config import Config
from gpjepa.data import datasets
from gpjepa.data.labels import CONTROL, label_of
from gpjepa.evaluation.effect_table import EffectTable

if TYPE_CHECKING:
    from pandas import DataFrame

COORDINATES = 50  # the distances are of 50 principal components


def load_table() -> EffectTable:
    """Return the effects of all conditions in 50 coordinates, the control at the origin.

    Energy distances of squared Euclidean form are twice the squared distances of the means, so
    classical scaling of half of them returns the means up to rotation.
    """
    adata = datasets.load("norman-distances")
    names = [str(name) for name in adata.obs_names]
    rows = [row for row, name in enumerate(names) if name != CONTROL]
    points = np.asarray(adata.obsm["X_centroid"], dtype=np.float64)[:, :COORDINATES]
    labels = tuple(label_of(names[row].split("+")) for row in rows)
    return EffectTable(labels, points[rows])


def doubles(config: Config, seed: int, device: str) -> DataFrame:
    """Score half of the doubles, held out."""
    return held_out_doubles(load_table(), seed, None)


def genes(config: Config, seed: int, device: str) -> DataFrame:
    """Score a quarter of the perturbed genes, held out with their doubles."""
    return held_out_genes(load_table(), seed, None)
