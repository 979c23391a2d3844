"""What can be measured at all: effect sizes and split-half ceilings, before any training."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from gpjepa.core.random import numpy_stream
from gpjepa.data.disk_counts import taken
from gpjepa.data.perturbseq import PerturbSeq
from gpjepa.evaluation.bounds import replicates
from gpjepa.evaluation.effect import pearson
from gpjepa.evaluation.gate import expressed_untargeted
from gpjepa.evaluation.generative import RESPONDS, population_energy
from gpjepa.evaluation.population import Population
from gpjepa.evaluation.pseudobulk import group_pseudobulk, median_library, pseudobulk

if TYPE_CHECKING:
    from pandas import DataFrame

SPLITS = 20
INTERVAL = (0.025, 0.975)  # of the splits
FEWEST_GENES = 2  # without which there is no correlation
MOST_CELLS = 200  # of a half, for energy distances


def measurable(data: PerturbSeq, seed: int = 0, splits: int = SPLITS) -> DataFrame:
    """Measure every perturbation's effect and how far a second measurement would repeat it.

    Genes with a mean count of at least .1 in control cells count, perturbed genes of the panel
    do not. Columns, one row per perturbation:

    - cells;
    - effect_size: √⟨δ₁, δ₂⟩ of independent halves, so free of noise (log1p units, L2);
    - mean_change: mean |δ| over genes, noise included;
    - ceiling: Pearson Δ between halves of the cells, each with its own half of the controls, mean
      over random splits; low and high: the middle 95 % of the splits; NaN for a single cell and
      with fewer than two genes that count;
    - measurable: low is above 0;
    - energy_ratio: energy distance to control cells over that to a replicate; responds: above 3.

    `attrs` hold genes (how many count), target (counts) and splits.

    Raises `DataError` when no control cell has a count.
    """
    import pandas

    names = data.perturbations
    population = Population(data.counts, np.asarray(data.library, np.float64), data.labels)
    population = population.genes(scored_genes(data))
    controls, perturbed = population.controls, population.perturbed
    target = median_library(controls.library)
    codes = perturbed.codes(names)
    profiles = group_pseudobulk(perturbed.counts, perturbed.library, codes, len(names), target)
    effects = profiles - pseudobulk(controls.counts, controls.library, target)
    correlations, products = _halves(population, names, target, seed, splits)
    low, high = (_quantiles(correlations, level) for level in INTERVAL)
    ratios = np.array([_energy_ratio(population, name, target, seed) for name in names])
    with np.errstate(invalid="ignore"):
        flags = low > 0, ratios > RESPONDS
    table = pandas.DataFrame(
        {
            "perturbation": np.asarray(names, dtype=object),
            "cells": np.bincount(codes, minlength=len(names)),
            "effect_size": np.sqrt(np.maximum(products, 0.0)),
            "mean_change": np.abs(effects).mean(axis=1) if effects.size else np.nan,
            "ceiling": correlations.mean(axis=0),
            "low": low,
            "high": high,
            "measurable": flags[0],
            "energy_ratio": ratios,
            "responds": flags[1],
        }
    )
    table.attrs.update(genes=int(population.counts.shape[1]), target=target, splits=splits)
    return table


def scored_genes(data: PerturbSeq) -> np.ndarray:
    """Return a mask of the genes that controls express and that no perturbation targets."""
    return expressed_untargeted(taken(data.counts, data.is_control), data.genes, data.members)


def _halves(
    population: Population, names: tuple[str, ...], target: float, seed: int, splits: int
) -> tuple[np.ndarray, np.ndarray]:
    """Return Pearson Δ between halves [R, P] and the halves' mean inner product [P]."""
    correlations = np.full((splits, len(names)), np.nan)
    products = np.zeros(len(names))
    if population.counts.shape[1] < FEWEST_GENES:
        return correlations, np.full(len(names), np.nan)
    halves = replicates(population.perturbed, population.controls, names, target, splits, seed)
    for index, half in enumerate(halves):
        first, second = half.first - half.first_control, half.second - half.second_control
        correlations[index] = pearson(first, second)
        products += (first * second).sum(axis=1) / splits
    return correlations, products


def _energy_ratio(population: Population, name: str, target: float, seed: int) -> float:
    """Return how many times farther control cells are than a replicate, at equal cells."""
    rng = numpy_stream(seed, "measurable", name)
    cells, controls = population.of(name), population.controls
    count = min(cells.n_cells // 2, controls.n_cells, MOST_CELLS)
    if count < 2 or not population.counts.shape[1]:
        return float("nan")
    order = rng.permutation(cells.n_cells)
    observed, replicate = cells.take(order[:count]), cells.take(order[count : 2 * count])
    control = controls.take(rng.permutation(controls.n_cells)[:count])
    far, near = (
        population_energy(side.counts, side.library, observed.counts, observed.library, target, rng)
        for side in (control, replicate)
    )
    return far / near if near > 0 else float("nan")


def _quantiles(values: np.ndarray, level: float) -> np.ndarray:
    """Return quantiles over the rows; NaN where a column holds one."""
    known = ~np.isnan(values).any(axis=0)
    result = np.full(values.shape[1], np.nan)
    if known.any():
        result[known] = np.quantile(values[:, known], level, axis=0)
    return result
