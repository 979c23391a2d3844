"""Scores that need cells: significant genes, and how alike populations are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from gpjepa.core.random import numpy_stream
from gpjepa.evaluation.bounds import Replicate
from gpjepa.evaluation.contenders import subsample
from gpjepa.evaluation.differential import benjamini_hochberg
from gpjepa.evaluation.generative import GENERATIVE_METRICS, score_population
from gpjepa.evaluation.population import Population
from gpjepa.evaluation.rank_sums import rank_sums

FALSE_DISCOVERY = 0.05
CONTROL_CELLS = 200  # on which populations are standardised


@dataclass(frozen=True, eq=False)
class CellHalves:
    """The observed cells of each perturbation in halves: `first` plays a second measurement."""

    first: tuple[Population, ...]
    second: tuple[Population, ...]
    first_control: Population
    second_control: Population


def cell_halves(
    half: Replicate,
    observed: Population,
    controls: Population,
    perturbations: Sequence[str],
    numbers: np.ndarray,
    rng: np.random.Generator,
) -> CellHalves:
    """Return the cells of a random split, at most half of `numbers` [P] in each half."""

    def side(which: int) -> tuple[Population, ...]:
        mine = observed.take(np.flatnonzero(half.cells == which))
        return tuple(
            subsample(mine.of(label), max(int(number) // 2, 1), rng)
            for label, number in zip(perturbations, numbers, strict=True)
        )

    return CellHalves(
        side(0),
        side(1),
        controls.take(np.flatnonzero(half.control_cells == 0)),
        controls.take(np.flatnonzero(half.control_cells == 1)),
    )


def significant_genes(populations: Sequence[Population | None], control: Population) -> np.ndarray:
    """Return which genes differ from control per population, [P, G].

    Wilcoxon rank sums of log-normalised values, Benjamini–Hochberg at 5 % within a perturbation.
    """
    given = [index for index, cells in enumerate(populations) if cells is not None]
    known = [cells for cells in populations if cells is not None]
    pvalues = np.ones((len(populations), control.counts.shape[1]))
    pvalues[given] = rank_sums(
        [cells.counts for cells in known],
        [cells.library for cells in known],
        control.counts,
        control.library,
    )
    return benjamini_hochberg(pvalues) < FALSE_DISCOVERY


def score_populations(
    populations: Sequence[Population | None],
    halves: Sequence[CellHalves],
    control: Population,
    target: float,
    seed: int,
) -> np.ndarray:
    """Score populations against the second halves of the observed cells, float64 [M, P].

    Everything is scored at the same number of cells, that of the held-back half, as distances
    between samples depend on it. The mean over `halves`; NaN without two cells on each side.
    """
    scores = np.full((len(halves), len(GENERATIVE_METRICS), len(populations)), np.nan)
    standard = subsample(control, CONTROL_CELLS, numpy_stream(seed, "standard control"))
    for split, half in enumerate(halves):
        rng = numpy_stream(seed, "populations", split)
        for index, (cells, truth) in enumerate(zip(populations, half.second, strict=True)):
            if cells is None or min(cells.n_cells, truth.n_cells) < 2:
                continue
            scores[split, :, index] = score_population(
                cells.counts,
                cells.library,
                truth.counts,
                truth.library,
                standard.counts,
                standard.library,
                target,
                rng,
            )
    return scores.mean(axis=0) if len(halves) else np.full(scores.shape[1:], np.nan)
