"""Every metric equals another implementation of its definition; none is left out."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import scoringrules
from scipy import sparse, stats
from scipy.spatial.distance import cdist
from sklearn import metrics as sklearn_metrics

from gpjepa.evaluation.effect_scores import EFFECT_METRICS, EffectTruth, score_effects
from gpjepa.evaluation.generative import GENERATIVE_METRICS, score_population
from gpjepa.evaluation.interval_table import normal_intervals
from gpjepa.evaluation.intervals import (
    INTERVAL_METRICS,
    LEVELS,
    POOLED_METRICS,
    score_intervals,
    score_pooled,
)

P, G = 7, 130
RNG = np.random.default_rng(0)
CONTROL = RNG.uniform(1, 4, G)
TRUE = 0.4 * RNG.normal(size=(P, G))
GUESS = 0.6 * TRUE + 0.2 * RNG.normal(size=(P, G)) + 0.1
OWN_CONTROL = CONTROL + 0.05 * RNG.normal(size=G)
REFERENCE = CONTROL + 0.1 * RNG.normal(size=G)
NOISE = RNG.uniform(0.02, 0.2, G)
EXPRESSED = np.sort(np.argsort(-CONTROL)[:50])
SIGNIFICANT = np.abs(TRUE) > 0.5
CALLS = np.abs(GUESS) > 0.35

EFFECTS: dict[str, Callable[[int], float]] = {}
LISTS = {20: 20, 50: 26, 100: 26}  # a fifth of the genes at most


def _genes(row: int, name: str) -> np.ndarray:
    if name == "expressed":
        return EXPRESSED
    if name.startswith("de"):
        return np.argsort(-np.abs(TRUE[row]) / NOISE)[: LISTS[int(name[2:])]]
    return np.arange(G)


def _against(row: int, reference: str, genes: str) -> tuple[np.ndarray, np.ndarray]:
    chosen = _genes(row, genes)
    if reference == "delta":
        return GUESS[row][chosen], TRUE[row][chosen]
    return (OWN_CONTROL + GUESS - REFERENCE)[row][chosen], (CONTROL + TRUE - REFERENCE)[row][chosen]


def _add_correlations() -> None:
    for reference in ("delta", "perturbed"):
        for genes in ("", "expressed", "de20", "de50", "de100"):
            name = f"{reference}_{genes}" if genes else reference
            EFFECTS[f"pearson_{name}"] = lambda row, r=reference, g=genes: (
                stats.pearsonr(*_against(row, r, g)).statistic
            )
            EFFECTS[f"r2_{name}"] = lambda row, r=reference, g=genes: sklearn_metrics.r2_score(
                *_against(row, r, g)[::-1]
            )


def _rank(row: int, distance: Callable[[np.ndarray, np.ndarray], float], side: np.ndarray) -> float:
    truth = TRUE if side is GUESS else CONTROL + TRUE
    own = distance(side[row], truth[row])
    return float(np.mean([distance(side[row], truth[q]) > own for q in range(P) if q != row]))


def _cosine(first: np.ndarray, second: np.ndarray) -> float:
    return 1.0 - float(first @ second) / float(np.linalg.norm(first) * np.linalg.norm(second))


def _top(values: np.ndarray, size: int) -> set[int]:
    return {*np.argsort(-np.abs(values) / NOISE)[: LISTS[size]].tolist()}


def _mse(row: int) -> float:
    genes = _genes(row, "de20")
    error = sklearn_metrics.mean_squared_error(TRUE[row][genes], GUESS[row][genes])
    return error / sklearn_metrics.mean_squared_error(TRUE[row][genes], np.zeros(len(genes)))


_add_correlations()
EFFECTS |= {
    "slope": lambda row: stats.linregress(GUESS[row], TRUE[row]).slope,
    "norm_ratio": lambda row: np.sqrt(np.sum(GUESS[row] ** 2) / np.sum(TRUE[row] ** 2)),
    "normalised_mae": lambda row: (
        sklearn_metrics.mean_absolute_error(TRUE[row], GUESS[row]) / np.abs(TRUE[row]).mean()
    ),
    "l2": lambda row: float(cdist(TRUE[[row]], GUESS[[row]])[0, 0]),
    "mse_de20_ratio": _mse,
    "discrimination": lambda row: _rank(row, _cosine, GUESS),
    "centroid_accuracy": lambda row: _rank(
        row, lambda a, b: float(np.linalg.norm(a - b)), OWN_CONTROL + GUESS
    ),
    **{
        f"overlap_{size}": lambda row, k=size: (
            len(_top(GUESS[row], k) & _top(TRUE[row], k)) / LISTS[k]
        )
        for size in (20, 50, 100)
    },
    "direction_agreement": lambda row: np.mean(
        [GUESS[row, g] * TRUE[row, g] > 0 for g in np.flatnonzero(SIGNIFICANT[row])]
    ),
    "de_precision": lambda row: sklearn_metrics.precision_score(SIGNIFICANT[row], CALLS[row]),
    "de_recall": lambda row: sklearn_metrics.recall_score(SIGNIFICANT[row], CALLS[row]),
}


@pytest.mark.parametrize("metric", [metric.name for metric in EFFECT_METRICS])
def test_effect_metric_equals_its_definition(metric: str) -> None:
    truth = EffectTruth(CONTROL + TRUE, CONTROL, REFERENCE, NOISE, EXPRESSED, SIGNIFICANT)
    scores = score_effects(OWN_CONTROL + GUESS, OWN_CONTROL, CALLS, truth)
    row = [metric.name for metric in EFFECT_METRICS].index(metric)
    expected = [EFFECTS[metric](perturbation) for perturbation in range(P)]
    np.testing.assert_allclose(scores[row], expected, rtol=1e-9, atol=1e-12)


def _populations() -> dict[str, float]:
    """Return every population metric by definition, for sides equal in cells and depth."""
    distance = cdist(LOGS[0], LOGS[0]), cdist(LOGS[1], LOGS[1]), cdist(LOGS[0], LOGS[1])
    width = np.median(distance[1][np.triu_indices(60, 1)])
    kernels = [np.exp(-(d**2) / (2 * width**2)).mean() for d in distance]
    genes = range(SIDES[0].shape[1])
    moved = [
        stats.wasserstein_distance(np.log1p(SIDES[0][:, g]), np.log1p(SIDES[1][:, g]))
        for g in genes
    ]
    apart = [stats.ks_2samp(SIDES[0][:, g], SIDES[1][:, g]).statistic for g in genes]
    ratio = [np.log(np.var(SIDES[0][:, g], ddof=1) / np.var(SIDES[1][:, g], ddof=1)) for g in genes]
    zeros = [abs((SIDES[0][:, g] == 0).mean() - (SIDES[1][:, g] == 0).mean()) for g in genes]
    pairs = np.triu_indices(SIDES[0].shape[1], 1)
    between = [np.corrcoef(side.T)[pairs] for side in LOGS]
    return {
        "energy_distance": 2 * distance[2].mean() - distance[0].mean() - distance[1].mean(),
        "mmd": np.sqrt(kernels[0] + kernels[1] - 2 * kernels[2]),
        "wasserstein": np.mean(moved),
        "log_variance_ratio": np.median(np.abs(ratio)),
        "zero_fraction_error": np.mean(zeros),
        "correlation_agreement": np.corrcoef(*between)[0, 1],
        "pit_distance": np.mean(apart),
    }


LIBRARY = np.full(60, 300.0)
SIDES = [RNG.poisson(RNG.uniform(0.4, 3, 25), size=(60, 25)) for _ in range(2)]
LOGS = [np.log1p(200.0 * side / 300.0) for side in SIDES]


@pytest.mark.parametrize("metric", [metric.name for metric in GENERATIVE_METRICS])
def test_population_metric_equals_its_definition(metric: str) -> None:
    sides = [sparse.csr_matrix(side.astype(np.float32)) for side in SIDES]
    values = score_population(
        sides[0], LIBRARY, sides[1], LIBRARY, sides[1], LIBRARY, 200.0, np.random.default_rng(0)
    )
    row = [metric.name for metric in GENERATIVE_METRICS].index(metric)
    assert values[row] == pytest.approx(_populations()[metric], rel=2e-4)


SD = RNG.uniform(0.05, 0.5, size=(P, 1)) * np.ones(G)
SE = RNG.uniform(0.02, 0.2, size=(P, G))
GIVEN = normal_intervals(GUESS, SD)
TOTAL = np.sqrt(SD**2 + SE**2)


def _intervals() -> dict[str, np.ndarray]:
    z = stats.norm.ppf(0.95)
    inside = {
        f"coverage_{100 * level:.0f}": (
            np.abs(stats.norm.cdf(TRUE, GUESS, TOTAL) - 0.5) <= level / 2
        ).mean(1)
        for level in LEVELS
    }
    winkler = scoringrules.interval_score(TRUE, GUESS - z * TOTAL, GUESS + z * TOTAL, 0.1)
    return inside | {
        "crps": scoringrules.crps_normal(TRUE, GUESS, TOTAL).mean(1),
        "interval_score_90": winkler.mean(1),
        "spread_skill": ((TRUE - GUESS) ** 2).sum(1) / (TOTAL**2).sum(1),
        "sharpness_90": (stats.norm.ppf(0.95, 0, SD) - stats.norm.ppf(0.05, 0, SD)).mean(1),
    }


@pytest.mark.parametrize("metric", [metric.name for metric in INTERVAL_METRICS])
def test_interval_metric_equals_its_definition(metric: str) -> None:
    row = [metric.name for metric in INTERVAL_METRICS].index(metric)
    values = score_intervals(GIVEN, TRUE, SE)[row]
    np.testing.assert_allclose(values, _intervals()[metric], rtol=1e-9)


def test_pooled_interval_metrics_equal_their_definitions() -> None:
    assert [metric.name for metric in POOLED_METRICS] == [
        "spearman_sd_error",
        "sharpness_at_90_coverage",
        "interval_score_ratio",
        "effect_pit_distance",
    ]
    rank, width, ratio, distance = score_pooled(GIVEN, TRUE, SE)
    ranks = [stats.rankdata(values.mean(1)) for values in (SD, np.abs(TRUE - GUESS))]
    assert rank == pytest.approx(np.corrcoef(*ranks)[0, 1])
    factor = width / 2 / TOTAL.mean()
    assert (np.abs(TRUE - GUESS) <= factor * TOTAL).mean() == pytest.approx(0.9, abs=0.002)
    assert distance == pytest.approx(
        stats.kstest(stats.norm.cdf(TRUE, GUESS, TOTAL).ravel(), "uniform").statistic
    )
    z, inside = stats.norm.ppf(0.95), (_intervals()["coverage_90"]).mean()
    widths = np.linspace(0, 2, 20_001)
    covers = [(np.abs(TRUE - GUESS) <= z * np.hypot(w, SE)).mean() >= inside for w in widths]
    half = z * np.hypot(widths[np.argmax(covers)], SE)
    rival = scoringrules.interval_score(TRUE, GUESS - half, GUESS + half, 0.1).mean()
    assert ratio == pytest.approx(_intervals()["interval_score_90"].mean() / rival, rel=1e-3)
