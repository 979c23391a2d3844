"""Traps of effect sizes: a naive metric falls for each of them, ours does not.

Sizes that are stated are those that each trap was found to have elsewhere.
"""

from __future__ import annotations

from dataclasses import replace

import anndata
import numpy as np
import pandas as pd
import pytest
from scipy import sparse

from gpjepa.evaluation import effect
from gpjepa.evaluation.bootstrap import bootstrap_mean
from gpjepa.evaluation.effect_scores import (
    EFFECT_METRICS,
    EffectTruth,
    score_effects,
)
from gpjepa.evaluation.evaluator import evaluate
from gpjepa.evaluation.pair import make_pair

ROW = {metric.name: index for index, metric in enumerate(EFFECT_METRICS)}


def _correlation(first: np.ndarray, second: np.ndarray) -> float:
    return float(np.mean([np.corrcoef(*pair)[0, 1] for pair in zip(first, second, strict=True)]))


def _cells(rates: dict[str, np.ndarray], number: int, seed: int, tag: str) -> anndata.AnnData:
    """Draw Poisson cells of each label; genes are G0, G1 and so on, unless labels name them."""
    rng = np.random.default_rng(seed)
    labels = np.repeat(list(rates), number)
    counts = rng.poisson(np.repeat(np.stack(list(rates.values())), number, axis=0))
    genes = [f"G{index}" for index in range(counts.shape[1])]
    obs = pd.DataFrame({"perturbation": labels}, index=[f"{tag}{i}" for i in range(len(labels))])
    x = sparse.csr_matrix(counts.astype(np.float32))
    return anndata.AnnData(x, obs=obs, var=pd.DataFrame(index=genes))


def _state(adata: anndata.AnnData, genes: np.ndarray | slice = slice(None)) -> dict:
    labels = adata.obs["perturbation"].to_numpy()
    return {
        label: np.log1p(1000 * adata.X[labels == label].sum(0).A1 / adata.X[labels == label].sum())[
            genes
        ]
        for label in sorted(set(labels))
    }


def _own(report: object, metric: str) -> float:
    table = report.table
    return float(table[(table.perturbation == "all") & (table.metric == metric)]["value"].iloc[0])


def test_bias_in_the_control_mean_lifts_the_training_mean_without_knowledge() -> None:
    """Pearson Δ of the training mean rises from .0 to .94; against the perturbed mean it is 0."""
    rng = np.random.default_rng(0)
    control, effects = rng.uniform(1, 4, 300), rng.normal(size=(80, 300)) * 0.3
    training, held_out = control + effects[:40], control + effects[40:]
    truth = EffectTruth(
        held_out, control, training.mean(0), np.ones(300), np.arange(300), significant=None
    )
    predicted = np.tile(training.mean(0), (40, 1))

    def scores(bias: np.ndarray) -> np.ndarray:
        off = replace(truth, control=control + bias)
        return score_effects(predicted, off.control, None, off).mean(1)

    fair, biased = scores(np.zeros(300)), scores(0.85 * rng.normal(size=300))
    assert abs(fair[ROW["pearson_delta"]]) < 0.1
    assert biased[ROW["pearson_delta"]] == pytest.approx(0.94, abs=0.02)
    assert biased[ROW["pearson_perturbed"]] == fair[ROW["pearson_perturbed"]] == 0.0


def test_one_noisy_control_on_both_sides_correlates_nothing_with_nothing() -> None:
    """No effect at all: r is .50 with one control for both sides, 0 with one each."""
    rate = np.random.default_rng(1).uniform(0.3, 3, 150)
    labels = [f"P{index}" for index in range(6)]
    naive, ours = [], []
    for seed in range(5):
        observed = _cells(dict.fromkeys(("control", *labels), rate), 40, seed, "o")
        predicted = _cells(dict.fromkeys(labels, rate), 40, 50 + seed, "p")
        sides = _state(predicted), _state(observed)
        control = sides[1]["control"]
        naive.append(_correlation(*([side[label] - control for label in labels] for side in sides)))
        report = evaluate(
            predicted, observed, baselines=False, metrics=["pearson_delta"], seed=seed
        )
        ours.append(_own(report, "pearson_delta"))
    assert np.mean(naive) == pytest.approx(0.5, abs=0.06)
    assert abs(np.mean(ours)) < 0.1


def test_discrimination_by_distance_is_gamed_by_multiplication() -> None:
    """Ranking by L1 or L2 rises from .5 to .97; the cosine stays, and the size is seen."""
    rng = np.random.default_rng(2)
    sizes = np.geomspace(0.2, 8.0, 40)[:, None]
    direction = rng.normal(size=(40, 200))
    truth = direction * sizes
    predicted = 0.02 * (direction + 2.0 * rng.normal(size=direction.shape))

    def by_distance(values: np.ndarray, order: int) -> float:
        distances = np.linalg.norm(values[:, None] - truth[None], ord=order, axis=-1)
        return float((distances > np.diag(distances)[:, None]).sum() / (40 * 39))

    for order in (1, 2):
        assert by_distance(predicted, order) == pytest.approx(0.5, abs=0.05)
        assert by_distance(4000 * predicted, order) > 0.93
    small, large = (effect.discrimination(k * predicted, truth).mean() for k in (1.0, 4000.0))
    assert small == pytest.approx(large, abs=1e-9)
    assert effect.norm_ratio(4000 * predicted, truth).mean() > 10


def test_the_perturbed_gene_itself_scores_for_a_model_that_knows_its_name() -> None:
    """A model that only lowers the gene it is told gets 6 to 11 % of the range, ours gives 0."""
    rng = np.random.default_rng(3)
    rate = rng.uniform(0.5, 4, 250)
    labels = [f"G{index}" for index in range(10)]
    naive, ours, best = [], [], []
    truths = {"control": rate}
    knowing = {}
    for index, label in enumerate(labels):
        fold = np.exp(0.35 * rng.normal(size=250))
        fold[index] = 0.5
        truths[label] = rate * fold
        knowing[label] = np.where(np.arange(250) == index, 0.5, 1.0) * rate
    observed = _cells(truths, 150, 4, "o")
    predicted, replicate = _cells(knowing, 1000, 5, "p"), _cells(truths, 150, 6, "r")
    states = [_state(side) for side in (predicted, observed, replicate)]
    start = states[2]["control"]
    for label in labels:
        truth = states[1][label] - states[1]["control"]
        naive.append(
            np.corrcoef(states[0][label] - np.log1p(1000 * rate / rate.sum()), truth)[0, 1]
        )
        best.append(np.corrcoef(states[2][label] - start, truth)[0, 1])
    report = evaluate(predicted, observed, baselines=False, metrics=["pearson_delta"])
    ours = _own(report, "pearson_delta")
    assert 0.06 < np.mean(naive) / np.mean(best) < 0.15
    assert abs(ours) < 0.04
    assert not make_pair(predicted, observed).gated[:10].any()


def test_genes_gated_on_the_perturbed_side_give_correlation_from_nothing() -> None:
    """No effect at all, and a model that says rare genes rise: r of .5 against 0."""
    rng = np.random.default_rng(6)
    rate = np.exp(rng.normal(np.log(0.06), 0.9, 600))
    labels = [f"P{index}" for index in range(6)]
    rates = dict.fromkeys(("control", *labels), rate)
    observed = _cells(rates, 40, 7, "o")
    rising = {label: rate * np.exp(1.5 * np.exp(-rate / 0.05)) for label in labels}
    predicted = _cells(rising, 3000, 8, "p")
    naive = []
    sides = _state(predicted), _state(observed)
    means = {
        label: observed.X[(observed.obs["perturbation"] == label).to_numpy()].mean(0).A1
        for label in labels
    }
    exact = np.log1p(1000 * rate / rate.sum())
    for label in labels:
        gated = means[label] >= 0.1
        effects = sides[0][label] - exact, sides[1][label] - sides[1]["control"]
        naive.append(np.corrcoef(*(side[gated] for side in effects))[0, 1])
    assert 0.3 < np.mean(naive) < 0.6
    report = evaluate(predicted, observed, baselines=False, metrics=["pearson_delta"])
    assert abs(_own(report, "pearson_delta")) < 0.1


def test_absolute_expression_correlates_for_anything_and_is_no_metric() -> None:
    """Control cells as the prediction: r of .84 to .99 on absolute expression, 0 on effects."""
    rng = np.random.default_rng(9)
    rate = np.exp(rng.normal(0, 1, 200))
    labels = [f"P{index}" for index in range(5)]
    truths = {label: rate * np.exp(0.3 * rng.normal(size=200)) for label in labels}
    observed = _cells({"control": rate} | truths, 100, 10, "o")
    predicted = _cells(dict.fromkeys(labels, rate), 3000, 11, "p")
    sides = _state(predicted), _state(observed)
    absolute = _correlation(*([side[label] for label in labels] for side in sides))
    assert 0.84 < absolute < 0.99
    report = evaluate(predicted, observed, baselines=False)
    for metric in (name for name in ROW if name.startswith("pearson_delta")):
        assert abs(_own(report, metric)) < 0.2, metric
    assert all("difference" in m.what for m in EFFECT_METRICS if m.name.startswith("pearson"))


def test_seeds_are_no_samples_and_the_interval_is_over_perturbations() -> None:
    """The same doubles in five seeds: an interval over all runs covers too rarely."""
    rng = np.random.default_rng(12)
    naive, ours = [], []
    for trial in range(300):
        doubles = rng.normal(0.6, 0.15, size=12)
        runs = doubles[None] + rng.normal(0, 0.03, size=(5, 12))
        for covered, values in ((naive, runs.ravel()), (ours, runs.mean(0))):
            low, high = bootstrap_mean(values, trial, draws=400)
            covered.append(low <= 0.6 <= high)
    assert np.mean(naive) < 0.7
    assert np.mean(ours) > 0.87


def test_differences_from_a_baseline_are_paired() -> None:
    """What perturbations share cancels, so that a small but steady gain is seen."""
    rng = np.random.default_rng(13)
    base = rng.normal(0.6, 0.2, size=20)
    model = base + rng.normal(0.03, 0.02, size=20)
    paired = bootstrap_mean(model - base, 0)
    alone = [bootstrap_mean(values, 0) for values in (model, base)]
    assert paired[0] > 0
    assert alone[0][0] < alone[1][1]
