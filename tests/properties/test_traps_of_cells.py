"""Traps of populations: a naive metric falls for each of them, ours does not."""

from __future__ import annotations

import anndata
import numpy as np
import pandas as pd
import pytest
from scipy import sparse
from scipy.spatial.distance import cdist

from gpjepa.evaluation.cell_scores import significant_genes
from gpjepa.evaluation.contenders import cell_numbers
from gpjepa.evaluation.distances import count_distances, energy_distance, pairwise_distances
from gpjepa.evaluation.equalise import log_normalise
from gpjepa.evaluation.evaluator import evaluate
from gpjepa.evaluation.generative import GENERATIVE_METRICS, score_population
from gpjepa.evaluation.measured import measure
from gpjepa.evaluation.pair import make_pair
from gpjepa.evaluation.population import Population

ROW = {metric.name: index for index, metric in enumerate(GENERATIVE_METRICS)}


def _adata(blocks: dict[str, np.ndarray], tag: str) -> anndata.AnnData:
    labels = np.repeat(list(blocks), [len(block) for block in blocks.values()])
    obs = pd.DataFrame({"perturbation": labels}, index=[f"{tag}{i}" for i in range(len(labels))])
    counts = sparse.csr_matrix(np.concatenate(list(blocks.values())).astype(np.float32))
    genes = pd.DataFrame(index=[f"G{index}" for index in range(counts.shape[1])])
    return anndata.AnnData(counts, obs=obs, var=genes)


def _own(report: object, metric: str, column: str = "value") -> float:
    table = report.table
    return float(table[(table.perturbation == "all") & (table.metric == metric)][column].iloc[0])


def _distance(first: np.ndarray, second: np.ndarray, power: int = 1) -> float:
    """Return the energy distance, of squared distances for power 2."""

    def mean(one: np.ndarray, other: np.ndarray) -> float:
        return float((cdist(one, other) ** power).mean())

    return 2 * mean(first, second) - mean(first, first) - mean(second, second)


def test_squared_energy_distance_is_the_mean_shift_and_blind_to_shape() -> None:
    """It is exactly 2 |Δmean|², so one point at the mean beats a second measurement."""
    rng = np.random.default_rng(0)
    rate = np.array([0.5, 20.0])[:, None] * rng.uniform(0.5, 2, 60)  # two kinds of cells

    def draw(seed: int) -> np.ndarray:
        draws = np.random.default_rng(seed)
        return np.log1p(draws.poisson(rate[draws.integers(0, 2, 200)]))

    observed, replicate = draw(1), draw(2)
    everywhere = np.tile(observed.mean(axis=0), (200, 1)) + 1e-3 * rng.normal(size=(200, 60))
    shift = np.square(everywhere.mean(0) - observed.mean(0)).sum()
    assert _distance(everywhere, observed, 2) == pytest.approx(2 * shift, rel=1e-3)
    assert _distance(everywhere, observed, 2) < _distance(replicate, observed, 2) / 10

    def ours(cells: np.ndarray) -> float:
        return energy_distance(pairwise_distances(np.vstack([cells, observed])), 200)

    assert ours(everywhere) > 20 * ours(replicate)


def test_cells_of_zeros_pass_count_checks_over_all_genes() -> None:
    """On a sparse panel their zero fraction is off by .031 and their PIT by .032."""
    rng = np.random.default_rng(1)
    rate = np.where(np.arange(1000) < 970, 0.005, 1.0)
    change = np.where(np.arange(1000) >= 985, 4.0, 1.0)
    truth = [rng.poisson(rate * change, size=(120, 1000)) for _ in range(3)]
    controls = rng.poisson(rate, size=(300, 1000))
    zeros = np.zeros((120, 1000))
    observed = np.vstack(truth)
    off = float(np.abs((observed == 0).mean(0) - 1.0).mean())
    pit = float(count_distances(zeros[:100].astype(int), observed[:100])[0].mean())
    assert off == pytest.approx(0.031, abs=0.006)
    assert pit == pytest.approx(0.031, abs=0.006)
    sides = {"control": controls} | dict(zip("ABC", truth, strict=True))
    predicted = _adata(dict.fromkeys("ABC", zeros) | {"D": zeros[:1]}, "p")
    report = evaluate(
        predicted[predicted.obs["perturbation"] != "D"].copy(), _adata(sides, "o"), baselines=False
    )
    for metric in ("zero_fraction_error", "pit_distance", "log_variance_ratio"):
        assert _own(report, metric, "n") == 3
        assert _own(report, metric, "skill") < -0.5, metric
    assert _own(report, "zero_fraction_error") > 0.5


def test_twisted_predicted_controls_change_nothing() -> None:
    """Predicted controls that lie opposite to the effects make no change look like a hit."""
    rng = np.random.default_rng(2)
    rate = rng.uniform(1, 4, 80)
    shared = 0.5 * rng.normal(size=80)
    truths = {f"P{i}": rate * np.exp(shared + 0.1 * rng.normal(size=80)) for i in range(4)}
    observed = _adata(
        {
            label: rng.poisson(mean, (100, 80))
            for label, mean in {"control": rate, **truths}.items()
        },
        "o",
    )
    nothing = {label: rng.poisson(rate, (400, 80)) for label in truths}
    twisted = nothing | {"control": rng.poisson(rate * np.exp(-shared), (400, 80))}

    def state(counts: np.ndarray) -> np.ndarray:
        return np.log1p(200 * counts.sum(0) / counts.sum())

    real = [state(observed[observed.obs["perturbation"] == name].X.toarray()) for name in truths]
    start = state(observed[observed.obs["perturbation"] == "control"].X.toarray())
    naive = [
        np.corrcoef(state(nothing[name]) - state(twisted["control"]), truth - start)[0, 1]
        for name, truth in zip(truths, real, strict=True)
    ]
    assert np.mean(naive) > 0.9
    reports = [
        evaluate(_adata(cells, "p"), observed, baselines=False) for cells in (nothing, twisted)
    ]
    pd.testing.assert_frame_equal(reports[0].table, reports[1].table)
    assert abs(_own(reports[1], "pearson_delta")) < 0.4
    assert any("predicted control cells are not used" in note for note in reports[1].notes)


def _population(rate: np.ndarray, number: int, depth: float, seed: int) -> Population:
    rng = np.random.default_rng(seed)
    counts = rng.poisson(depth * rate, size=(number, len(rate)))
    labels = np.full(number, "A", dtype=object)
    library = counts.sum(1).astype(float)
    return Population(sparse.csr_matrix(counts.astype(np.float32)), library, labels)


def test_depth_alone_is_no_distance() -> None:
    """The same biology three times as deep is far on the cells as they are, not on ours."""
    rate = np.random.default_rng(3).uniform(0.1, 3, 100)
    shallow, again = _population(rate, 200, 1.0, 4), _population(rate, 200, 1.0, 5)
    deep = _population(rate, 200, 3.0, 6)

    def naive(cells: Population) -> float:
        both = [
            log_normalise(side.counts.toarray(), side.library, 170.0) for side in (cells, shallow)
        ]
        return _distance(*both)

    def ours(cells: Population) -> np.ndarray:
        control = (again.counts, again.library)
        sides = (cells.counts, cells.library, shallow.counts, shallow.library)
        return score_population(*sides, *control, 170.0, np.random.default_rng(0))

    assert naive(deep) > 5 * naive(again)
    for metric in ("energy_distance", "wasserstein", "pit_distance", "zero_fraction_error"):
        assert ours(deep)[ROW[metric]] < 1.3 * ours(again)[ROW[metric]], metric


def test_numbers_of_cells_do_not_set_how_many_genes_are_significant() -> None:
    """The same effect in more cells has more significant genes; perturbations are evened out."""
    rng = np.random.default_rng(7)
    rate = rng.uniform(0.3, 2, 120)
    numbers = {"P0": 25, "P1": 50, "P2": 60, "P3": 400}
    effect = np.exp(0.35 * rng.normal(size=120))
    blocks = {"control": rng.poisson(rate, (500, 120))}
    blocks |= {name: rng.poisson(rate * effect, (size, 120)) for name, size in numbers.items()}
    observed = _adata(blocks, "o")
    pair = make_pair(observed[observed.obs["perturbation"] != "control"].copy(), observed)
    control = pair.truth_control.genes(pair.gated)
    cells = pair.observed.genes(pair.gated)
    naive = significant_genes([cells.of(name) for name in numbers], control).sum(1)
    ours = measure(pair, cell_numbers(pair), 0).truth.significant.sum(1)
    assert naive[3] > 1.5 * naive[1]
    assert ours[3] < 1.25 * ours[1]


def test_numbers_of_predicted_cells_do_not_make_a_population_nearer() -> None:
    """Distances between samples shrink with their size: one size is used for everybody."""
    rng = np.random.default_rng(8)
    rate = rng.uniform(0.5, 3, 60)
    truths = {name: rate * np.exp(0.6 * rng.normal(size=60)) for name in ("A", "B")}
    observed = _adata(
        {name: rng.poisson(mean, (80, 60)) for name, mean in {"control": rate, **truths}.items()},
        "o",
    )
    naive, ours = [], []
    target = observed[observed.obs["perturbation"] == "A"].X.toarray()
    for number in (80, 1500):
        cells = {name: rng.poisson(mean, (number, 60)) for name, mean in truths.items()}
        naive.append(_distance(np.log1p(cells["A"]), np.log1p(target)))
        report = evaluate(
            _adata(cells, "p"), observed, baselines=False, metrics=["energy_distance"]
        )
        ours.append(_own(report, "energy_distance"))
    assert naive[1] < 0.75 * naive[0]
    assert ours[1] == pytest.approx(ours[0], rel=0.1)
