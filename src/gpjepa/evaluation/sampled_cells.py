"""Cells for predictors of means: control cells thinned or topped up to the predicted means."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
from scipy import sparse

from gpjepa.evaluation.pseudobulk import pseudobulk

if TYPE_CHECKING:
    from anndata import AnnData

POISSON = 1e6  # NB size beyond which counts are as good as Poisson


@dataclass(frozen=True, eq=False)
class ControlCells:
    """The control cells that populations are made from, with what is known of their counts."""

    counts: sparse.csr_matrix  # [N, G]
    library: np.ndarray  # float64 [N]
    rate: np.ndarray  # float64 [G], Σ counts / Σ library
    size: np.ndarray  # float64 [G], NB size θ (variance μ + μ²/θ)
    target: float
    has_rest: bool  # whether the library counts more than the genes of `counts`
    names: np.ndarray | None = None  # object str [N]
    levels: Mapping[str, np.ndarray] = field(default_factory=dict)  # covariate -> str [N]

    @classmethod
    def fit(
        cls,
        counts: sparse.csr_matrix,
        library: np.ndarray,
        target: float,
        has_rest: bool,
        names: np.ndarray | None = None,
        levels: Mapping[str, np.ndarray] | None = None,
    ) -> ControlCells:
        """Estimate rates and dispersions of control cells."""
        library = np.asarray(library, dtype=np.float64)
        rate = np.expm1(pseudobulk(counts, library, target)) / target
        size = nb_size(counts, library, rate)
        return cls(counts, library, rate, size, target, has_rest, names, levels or {})


def nb_size(counts: sparse.csr_matrix, library: np.ndarray, rate: np.ndarray) -> np.ndarray:
    """Return each gene's NB size by moments, given means rate · library.

    1/θ = (Σ(x − m)² − Σm) / Σm², with m = rate · library; `POISSON` where that is not positive.
    """
    exact = counts.astype(np.float64)
    squares = np.asarray(exact.power(2).sum(axis=0)).ravel()
    cross = exact.T @ library
    power = float((library**2).sum())
    excess = squares - 2 * rate * cross + rate**2 * power - rate * library.sum()
    with np.errstate(divide="ignore", invalid="ignore"):
        size = rate**2 * power / excess
    return np.where((excess > 0) & (size < POISSON) & (size > 0), size, POISSON)


def resample(cells: int, available: int, rng: np.random.Generator) -> np.ndarray:
    """Draw cell indices: every available cell equally often before any is drawn once more."""
    rounds = -(-cells // available)
    return np.concatenate([rng.permutation(available) for _ in range(rounds)])[:cells]


def change_counts(
    control: ControlCells, effect: np.ndarray, cells: int, rng: np.random.Generator
) -> tuple[sparse.csr_matrix, np.ndarray]:
    """Return counts [cells, G] and libraries with the effect applied to resampled control cells."""
    chosen = resample(cells, control.counts.shape[0], rng)
    return change_chosen(control, effect, chosen, rng)


def change_chosen(
    control: ControlCells, effect: np.ndarray, chosen: np.ndarray, rng: np.random.Generator
) -> tuple[sparse.csr_matrix, np.ndarray]:
    """Return counts [cells, G] and libraries of the `chosen` control cells under an effect.

    `effect` is in log1p pseudobulk units. A gene whose mean falls is thinned binomially, one
    whose mean rises by a factor r gets NB counts of size θ (r − 1)/(r + 1) added, which gives
    the sum the mean r μ and the variance r μ + (r μ)²/θ. Libraries are the control cells' own;
    without a rest of the transcriptome they are the new sums.
    """
    base = np.log1p(control.target * control.rate)
    rate = np.expm1(np.maximum(base + effect, 0.0)) / control.target
    counts = control.counts[chosen].toarray().astype(np.int64)
    library = control.library[chosen]
    falls = np.flatnonzero(rate < control.rate)
    counts[:, falls] = rng.binomial(counts[:, falls], rate[falls] / control.rate[falls])
    rises = np.flatnonzero(rate > control.rate)
    counts[:, rises] += top_up(control, rate, rises, library, rng)
    totals = counts.sum(axis=1).astype(np.float64)
    library = np.maximum(library, totals) if control.has_rest else totals
    return sparse.csr_matrix(counts.astype(np.float32)), library


def top_up(
    control: ControlCells,
    rate: np.ndarray,
    genes: np.ndarray,
    library: np.ndarray,
    rng: np.random.Generator,
) -> np.ndarray:
    """Return the counts [cells, genes] to add so that rates rise from the control's to `rate`."""
    before, after = control.rate[genes], rate[genes]
    size = control.size[genes] * (after - before) / (after + before)
    mean = library[:, None] * (after - before)
    spread = rng.gamma(np.broadcast_to(size, mean.shape)) / size
    return rng.poisson(mean * spread)


def sampled_cells(
    control: ControlCells,
    labels: np.ndarray,
    chosen: np.ndarray,
    counts: sparse.spmatrix,
    library: np.ndarray,
    genes: Sequence[str],
) -> AnnData:
    """Return sampled cells with the control cell that each came from, and its covariates."""
    import pandas
    from anndata import AnnData

    obs = pandas.DataFrame(
        {"perturbation": pandas.Categorical(labels.astype(str)), "total_counts": library},
        index=[f"predicted-{row}" for row in range(len(labels))],
    )
    if control.names is not None:
        obs["control_cell"] = control.names[chosen].astype(str)
    for name, values in control.levels.items():
        obs[name] = pandas.Categorical(values[chosen].astype(str))
    var = pandas.DataFrame(index=list(genes))
    return AnnData(X=sparse.csr_matrix(counts, dtype=np.int32), obs=obs, var=var)
