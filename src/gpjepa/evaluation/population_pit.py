"""Where observed cells fall in the predicted distribution of each gene's counts."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas

from gpjepa.core.random import numpy_stream
from gpjepa.evaluation.bootstrap import bootstrap_means
from gpjepa.evaluation.contenders import cell_numbers, model_contender, subsample
from gpjepa.evaluation.equalise import depth_shares, equal_cells, thin
from gpjepa.evaluation.interval_curves import BINS, CURVE_COLUMNS
from gpjepa.evaluation.measured import Measured
from gpjepa.evaluation.pair import EvaluationPair
from gpjepa.evaluation.population import Population

POPULATION_PIT = "population PIT"
CONTROL, REPLICATE = "control", "replicate"
EXPRESSED = 0.5  # counts a cell of the observed side; genes below show little but zeros


def count_pit(predicted: np.ndarray, observed: np.ndarray, bins: int) -> np.ndarray:
    """Return the density of the randomised PIT of observed counts [N, G] in equal bins, [bins].

    An observed count k is spread evenly between F(k − 1) and F(k), with F the distribution
    function of the gene's predicted counts [M, G]: the randomisation is averaged out. 1 in every
    bin where observed counts are draws from the predicted distribution.

    Source: Czado, Gneiting and Held (2009), equations 2 and 3.
    """
    ordered = np.sort(predicted, axis=0)
    lower, upper = np.empty(observed.shape), np.empty(observed.shape)
    for gene in range(observed.shape[1]):
        lower[:, gene] = np.searchsorted(ordered[:, gene], observed[:, gene], side="left")
        upper[:, gene] = np.searchsorted(ordered[:, gene], observed[:, gene], side="right")
    lower, upper = lower / len(predicted), upper / len(predicted)
    width = upper - lower
    reached = [0.0]
    for edge in np.arange(1, bins) / bins:
        inside = (edge - lower) / np.where(width > 0, width, 1.0)
        reached.append(float(np.where(width > 0, np.clip(inside, 0, 1), lower <= edge).mean()))
    return np.diff([*reached, 1.0]) * bins


def population_pit_curves(
    pair: EvaluationPair, measured: Measured, responds: np.ndarray, name: str, seed: int
) -> pandas.DataFrame:
    """Return PIT densities of the model, of control cells and of a replicate; see `count_pit`.

    Means over the perturbations that respond, [P] as a mask, against held-back halves of their
    cells, on genes with at least `EXPRESSED` observed counts a cell. Columns as those of
    `interval_curves`. Empty where nothing responds.
    """
    numbers = cell_numbers(pair)
    model = model_contender(pair, name, numbers, seed)
    half = measured.halves[0]
    densities: dict[str, list[np.ndarray]] = {name: [], CONTROL: [], REPLICATE: []}
    for index in np.flatnonzero(responds):
        truth, own = half.second[index], model.populations[index]
        rng = numpy_stream(seed, "population PIT", int(index))
        control = subsample(model.control_cells, truth.n_cells, rng)
        sides = {name: own, CONTROL: control, REPLICATE: half.first[index]}
        if own is None or min(own.n_cells, truth.n_cells) < 2:
            continue
        found = {key: _density(side, truth, rng) for key, side in sides.items() if side is not None}
        for key, density in found.items():
            if density is not None:
                densities[key].append(density)
    rows = [row for key, each in densities.items() for row in _rows(key, each, seed)]
    return pandas.DataFrame(rows).reindex(columns=list(CURVE_COLUMNS))


def _density(side: Population, truth: Population, rng: np.random.Generator) -> np.ndarray | None:
    """Return the PIT density of the truth under a side, at equal cells and depth."""
    rows, columns = equal_cells(side.counts, truth.counts, rng)
    shares = depth_shares(side.library[rows], truth.library[columns])
    counts = [
        thin(cells.counts[chosen].toarray(), share, rng)
        for cells, chosen, share in ((side, rows, shares[0]), (truth, columns, shares[1]))
    ]
    expressed = counts[1].mean(axis=0) >= EXPRESSED
    if not expressed.any():
        return None
    return count_pit(counts[0][:, expressed], counts[1][:, expressed], BINS)


def _rows(series: str, densities: list[np.ndarray], seed: int) -> Iterator[dict[str, object]]:
    if not densities:
        return
    values = np.stack(densities).T
    low, high = bootstrap_means(values, seed)
    for index, row in enumerate(values):
        yield {
            "curve": POPULATION_PIT,
            "series": series,
            "x": index / BINS,
            "value": float(row.mean()),
            "low": low[index],
            "high": high[index],
            "n": len(densities),
        }
