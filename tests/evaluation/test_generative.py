"""Populations of counts: the truth, a replicate, control cells and nonsense."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import sparse

from gpjepa.evaluation.generative import (
    GENERATIVE_METRICS,
    correlation_agreement,
    log_variance_ratio,
    responders,
    score_population,
    zero_fraction_error,
)

NAMES = [metric.name for metric in GENERATIVE_METRICS]
GENES = 40
RATES = np.random.default_rng(0).gamma(0.7, 3.0, GENES) + 0.1


def population(seed, cells=200, fold=1.0, depth=1.0, size=2.0):
    """NB counts with a factor shared by neighbouring genes; the first ten genes change by fold."""
    rng = np.random.default_rng(seed)
    library = 500.0 * depth * rng.lognormal(0, 0.2, cells)
    rates = RATES / 500.0
    rates = np.where(np.arange(GENES) < 10, rates * fold, rates)
    shared = np.repeat(rng.lognormal(-0.08, 0.4, (cells, GENES // 5)), 5, axis=1)
    noise = rng.gamma(size, size=(cells, GENES)) / size
    counts = rng.poisson(library[:, None] * rates * shared * noise)
    return sparse.csr_matrix(counts.astype(np.float32)), library


def score(predicted, observed, control=None, seed=0):
    control = control or population(99, 300)
    values = score_population(*predicted, *observed, *control, 500.0, np.random.default_rng(seed))
    return dict(zip(NAMES, values, strict=True))


def skills(predicted, observed, replicate, control):
    """0 for control cells, 1 for the replicate."""
    model, floor, ceiling = (
        score(side, observed, control) for side in (predicted, control, replicate)
    )
    return {name: (model[name] - floor[name]) / (ceiling[name] - floor[name]) for name in NAMES}


def test_a_copy_is_perfect_on_every_metric():
    observed = population(1)
    for metric, value in zip(GENERATIVE_METRICS, score(observed, observed).values(), strict=True):
        assert value == pytest.approx(metric.best, abs=2e-3)


def test_a_replicate_is_nearer_than_control_cells_on_every_metric():
    control, observed = population(2), population(3, fold=3.0)
    far, near = score(control, observed), score(population(4, fold=3.0), observed)
    for metric in GENERATIVE_METRICS:
        if metric.name != "correlation_agreement":
            assert float(metric.loss(near[metric.name])) < float(metric.loss(far[metric.name]))


def test_all_zero_cells_pass_naive_count_checks_and_fail_ours():
    rng = np.random.default_rng(5)
    sparse_panel = np.where(np.arange(500) < 460, 0.01, 1.0)  # most genes are hardly ever seen
    library = np.full(300, 1000.0)
    change = np.where(np.arange(500) >= 480, 2.0, 1.0)
    control, other = (rng.poisson(sparse_panel, size=(300, 500)) for _ in range(2))
    observed, replicate = (rng.poisson(sparse_panel * change, size=(300, 500)) for _ in range(2))
    nothing = np.zeros((300, 500), dtype=int)
    assert zero_fraction_error(nothing, observed) < 0.08  # over all genes: looks harmless
    gated = control.mean(axis=0) >= 0.1

    def cells(counts):
        return sparse.csr_matrix(counts[:, gated].astype(np.float32)), library

    found = skills(cells(nothing), cells(observed), cells(replicate), cells(control))
    for name in ("zero_fraction_error", "pit_distance", "log_variance_ratio", "wasserstein"):
        assert found[name] < 0
    resampled = skills(cells(other), cells(observed), cells(replicate), cells(control))
    assert resampled["energy_distance"] == pytest.approx(0.0, abs=0.1)


def test_the_right_mean_with_the_wrong_spread_is_seen():
    observed, replicate, control = (population(6, fold=3.0), population(7, fold=3.0), population(8))
    library = observed[1]
    mean = np.asarray(observed[0].sum(axis=0)).ravel() / library.sum()
    poisson = np.random.default_rng(9).poisson(library[:, None] * mean).astype(np.float32)
    found = skills((sparse.csr_matrix(poisson), library), observed, replicate, control)
    for name in ("log_variance_ratio", "zero_fraction_error", "pit_distance"):
        assert found[name] < 0.5


def test_depth_and_number_of_cells_are_equalised():
    observed = population(10, fold=3.0)
    deep, shallow = population(11, 200, 3.0), population(12, 900, 3.0, depth=3.0)
    plain, thinned = score(deep, observed), score(shallow, observed)
    for name in ("energy_distance", "wasserstein", "pit_distance", "zero_fraction_error"):
        assert thinned[name] == pytest.approx(plain[name], rel=0.5)
    assert thinned["log_variance_ratio"] < 0.5  # three times the depth would be about log 9


def test_values_repeat_with_the_generator_and_lone_cells_have_none():
    first, second = population(13, 50), population(14, 80)
    assert score(first, second, seed=1) == score(first, second, seed=1)
    assert all(np.isnan(value) for value in score(population(15, 1), second).values())


@pytest.mark.parametrize(
    ("predicted", "expected"),
    [
        (
            (1, 60, 3.0, 1.0),
            (1.0410933311, 0.3189625789, 0.2484314659, 0.3767591861, 0.0845, 0.0410668397, 0.169),
        ),
        (
            (2, 45, 1.0, 2.5),
            (0.2409959882, 0.1284882185, 0.1306353291, 0.5091093351, 0.0616666667, 0.0416838174,
             0.1144444444),
        ),
    ],
)  # fmt: skip
def test_values_stay_what_they_were_through_every_change_made_for_speed(predicted, expected):
    found = score_population(
        *population(*predicted), *population(5, 50), *population(9, 80), 500.0,
        np.random.default_rng(3),
    )  # fmt: skip
    np.testing.assert_allclose(found, expected, atol=2e-6)  # distances are in single precision


def test_scores_do_not_depend_on_the_order_of_cells_or_genes():
    first, second, control = population(16, 60), population(17, 60), population(18)
    plain = score(first, second, control)
    cells = np.random.default_rng(1).permutation(60)
    genes = np.random.default_rng(2).permutation(GENES)
    moved = score(
        (first[0][cells][:, genes], first[1][cells]),
        (second[0][:, genes], second[1]),
        (control[0][:, genes], control[1]),
    )
    for name in ("energy_distance", "mmd", "correlation_agreement"):
        assert moved[name] == pytest.approx(plain[name], abs=0.05)


def test_variance_ratio_is_the_log_of_sample_variances_and_finite_for_silent_genes():
    rng = np.random.default_rng(19)
    first, second = rng.poisson([3.0, 5.0], (100, 2)), rng.poisson([6.0, 2.0], (100, 2))
    expected = np.log(first.var(axis=0, ddof=1) / second.var(axis=0, ddof=1))
    np.testing.assert_allclose(log_variance_ratio(first, second), expected)
    np.testing.assert_allclose(
        log_variance_ratio(*map(sparse.csr_matrix, (first, second))), expected
    )
    silent = log_variance_ratio(np.zeros((100, 2)), second)
    np.testing.assert_allclose(silent, np.log(0.01 / second.var(axis=0, ddof=1)))


def test_correlation_agreement_equals_numpy_and_ignores_scale():
    rng = np.random.default_rng(20)
    mixing = rng.normal(size=(8, 8))
    first, second = rng.normal(size=(2, 90, 8)) @ mixing
    upper = np.triu_indices(8, 1)
    expected = np.corrcoef(np.corrcoef(first.T)[upper], np.corrcoef(second.T)[upper])[0, 1]
    assert correlation_agreement(first, second) == pytest.approx(expected)
    assert correlation_agreement(10 * first + 3, second) == pytest.approx(expected)
    assert correlation_agreement(np.zeros((90, 8)), second) == 0.0


def test_responders_are_those_whose_control_is_three_times_as_far_as_the_replicate():
    found = responders(np.array([3.1, 2.9, np.nan, 5.0]), np.array([1.0, 1.0, 1.0, np.nan]))
    assert found.tolist() == [True, False, False, False]
