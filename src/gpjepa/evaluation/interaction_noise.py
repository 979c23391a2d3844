"""Sampling noise of tables of effects without cells, and labels that do not share it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from gpjepa.core.errors import DataError
from gpjepa.data.references import baseline
from gpjepa.evaluation.effect_table import EffectTable

MILLION = 1e6


@dataclass(frozen=True, eq=False)
class TableErrors:
    """Standard errors of the states behind a table of effects.

    `states` [P, G] are those of the perturbed pseudobulks, in the order of the table, without
    the control's part; `control` [G] that of the control.
    """

    states: np.ndarray
    control: np.ndarray


@dataclass(frozen=True, eq=False)
class CombinedErrors:
    """Interactions ε [K, G] measured in a table and their standard errors [K, G]."""

    value: np.ndarray
    error: np.ndarray


@dataclass(frozen=True)
class Sampling:
    """How many cells a table's pseudobulks are assumed to come from, and how deep they are.

    `depth` is a cell's library in counts. The defaults are Norman et al.'s K562 screen: 9,702
    controls, a median library of 14,000, and 250 cells a perturbation where the paper has about
    that many for doubles and more for most singles.
    """

    cells: float = 250.0
    control_cells: float = 9702.0
    depth: float = 14_000.0


def norman_errors(table: EffectTable, sampling: Sampling | None = None) -> TableErrors:
    """Return standard errors for effects of K562 cells, from the embedded baseline expression.

    Raises:
        DataError: the table names no genes, or one that is not in the baseline.
    """
    reference = baseline("k562")
    names = [] if table.genes is None else [str(gene) for gene in table.genes]
    lacking = [gene for gene in names if gene not in reference.index]
    if not names or lacking:
        raise DataError(
            f"genes of the table: {len(names)}, not in the K562 baseline: {lacking[:5]}; expected "
            "genes with a known expression; select those of `gpjepa.datasets.baseline('k562')`"
        )
    chosen = reference.loc[names]
    return sampling_errors(
        table.effects,
        chosen["relative_expression"].to_numpy(np.float64),
        chosen["expression_size"].to_numpy(np.float64),
        sampling or Sampling(),
    )


def sampling_errors(
    effects: np.ndarray, expression: np.ndarray, size: np.ndarray, sampling: Sampling
) -> TableErrors:
    """Return standard errors of log1p counts per million, from negative-binomial sampling.

    A perturbed gene has (1 + CPM)·exp(effect) − 1 counts per million, CPM = 10⁶ `expression`
    [G] in control, and so a mean of m = CPM · depth / 10⁶ a cell with variance m + m²/θ, θ =
    `size` [G]. The mean of n cells has that over n, and log1p the slope 1/(1 + CPM). A mean
    below one count in all cells is taken as one count.

    Errors fall as 1/√n, so labels depend on the cells that are assumed: of 126 doubles × 368
    genes of Norman's effects 7 % of the interactions are significant with 150 cells a
    perturbation, 15 % with 250 and 26 % with 400. Variation between batches and cells is in θ
    only.
    """

    def error(level: np.ndarray, cells: float) -> np.ndarray:
        per_count = MILLION / sampling.depth
        mean = np.maximum(level / per_count, 1.0 / cells)
        return per_count * np.sqrt((mean + mean**2 / size) / cells) / (1.0 + mean * per_count)

    cpm = MILLION * np.asarray(expression, dtype=np.float64)
    perturbed = np.maximum((1.0 + cpm) * np.exp(effects) - 1.0, 0.0)
    return TableErrors(error(perturbed, sampling.cells), error(cpm, sampling.control_cells))


def shrunken_interactions(
    table: EffectTable, labels: list[str], errors: TableErrors
) -> CombinedErrors:
    """Return interactions against singles that are shrunken to what they are expected to be.

    δ_a is both in the measured ε = δ_ab − δ_a − δ_b and in what a prediction is made of; its
    noise makes the two agree under pure additivity. A table has no second half of the cells, so
    each single is replaced by its posterior mean E[δ_a | measured] = μ + β (δ_a − μ), gene by
    gene, β = τ²/(τ² + se²), with μ and τ² the mean and the variance without noise over the
    table's singles. What then is left of the single's error is uncorrelated with the measured
    effects and with whatever is linear in them. A prediction that denoises better than gene by
    gene still gains a little.

    The error has four terms: that of the double, β se² of each single's posterior, and that of
    the control, whose coefficient in ε is Σβ − 1.
    """
    single = np.array([index for index, label in enumerate(table.labels) if "+" not in label])
    measured, spread = table.effects[single], errors.states[single]
    mean = measured.mean(axis=0)
    signal = np.maximum(measured.var(axis=0, ddof=1) - (spread**2).mean(axis=0), 0.0)
    kept = signal / (signal + spread**2)
    expected = mean + kept * (measured - mean)
    place = {int(row): index for index, row in enumerate(single)}
    value, error = [], []
    for label in labels:
        rows = [place[row] for row in table.single_rows(label) or []]
        row = table.row[label]
        value.append(table.effects[row] - expected[rows].sum(axis=0))
        parts = errors.states[row] ** 2 + (kept[rows] * spread[rows] ** 2).sum(axis=0)
        shared = (kept[rows].sum(axis=0) - 1.0) * errors.control
        error.append(np.sqrt(parts + shared**2))
    return CombinedErrors(np.stack(value), np.stack(error))
