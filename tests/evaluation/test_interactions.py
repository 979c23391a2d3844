"""Interactions, their errors, the tests that label them and the average precision."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats
from sklearn.metrics import average_precision_score

from gpjepa.evaluation.interactions import (
    average_precision,
    base_rate,
    chance_precision,
    interacting_genes,
    interacting_pairs,
    interaction,
    interaction_error,
    interaction_pvalues,
    resampled_average_precision,
    row_average_precision,
    signed_items,
    signed_scores,
    state_interaction,
)


def rng() -> np.random.Generator:
    return np.random.default_rng(5)


def test_the_control_enters_with_a_single_coefficient():
    draw = rng()
    combined, singles, control = draw.normal(size=4), draw.normal(size=(3, 4)), draw.normal(size=4)
    effects = interaction(combined - control, singles - control)
    np.testing.assert_allclose(state_interaction(combined, singles, control), effects)
    two = state_interaction(combined, singles[:2], control)
    np.testing.assert_allclose(two, combined - singles[0] - singles[1] + control)


def test_a_sum_has_no_interaction():
    singles = rng().normal(size=(5, 2, 7))
    np.testing.assert_array_equal(interaction(singles.sum(axis=1), singles), 0.0)


@pytest.mark.parametrize("members", [2, 3])
def test_the_error_is_the_spread_of_independent_draws_of_all_four_terms(members):
    draw = rng()
    combined, singles, control = np.array([0.3]), np.full((members, 1), 0.2), np.array([0.15])
    shape = (200_000,)
    x = draw.normal(0, combined, shape)
    parts = draw.normal(0, 0.2, (*shape, members, 1))
    c = draw.normal(0, control, shape)
    drawn = state_interaction(x[:, None], parts, c[:, None]).std()
    assert interaction_error(combined, singles, control)[0] == pytest.approx(drawn, rel=0.01)


def test_without_a_fold_the_test_is_the_two_sided_z_test():
    value, error = rng().normal(size=(3, 4)), np.full((3, 4), 0.5)
    expected = 2 * stats.norm.sf(np.abs(value) / error)
    np.testing.assert_allclose(interaction_pvalues(value, error), expected)


def test_at_the_border_of_a_fold_the_level_is_kept():
    value = rng().normal(np.log(2.0), 0.1, size=100_000)
    rejected = interaction_pvalues(value, np.full_like(value, 0.1), fold=2.0) <= 0.05
    assert rejected.mean() == pytest.approx(0.05, abs=0.004)


def test_an_error_of_zero_or_a_nan_is_never_significant():
    value = np.array([[5.0, 5.0, np.nan, 5.0]])
    error = np.array([[0.0, np.nan, 1.0, 0.1]])
    assert interacting_genes(value, error).tolist() == [[False, False, False, True]]


def test_noise_alone_is_hardly_ever_labelled_and_strong_interactions_are():
    noise = rng().normal(size=(40, 200))
    assert interacting_genes(noise, np.ones_like(noise)).mean() < 0.001
    noise[:, :10] += 8.0
    assert interacting_genes(noise, np.ones_like(noise))[:, :10].all()


def test_pairs_are_found_by_one_gene_beyond_the_fold_and_only_then():
    value, error = np.zeros((3, 50)), np.full((3, 50), 0.05)
    value[0, 3], value[1, 3] = np.log(4.0), np.log(1.7)
    assert interacting_pairs(value, error, fold=2.0).tolist() == [True, False, False]
    assert interacting_pairs(value, error, fold=1.0).tolist() == [True, True, False]


def test_noise_alone_makes_no_pair_interact_even_if_genes_are_correlated():
    shared = rng().normal(size=(400, 1))
    value = 0.9 * shared + np.sqrt(0.19) * rng().normal(size=(400, 60))
    assert interacting_pairs(value, np.ones_like(value), fold=1.0).mean() < 0.02


@pytest.mark.parametrize("count", [6, 80])
def test_average_precision_is_sklearns_without_ties(count):
    draw = rng()
    labels = np.append(draw.random(count - 1) < 0.3, True)
    scores = draw.normal(size=count)
    expected = average_precision_score(labels, scores)
    assert average_precision(scores, labels) == pytest.approx(expected)


def mean_over_orders(scores: np.ndarray, labels: np.ndarray) -> float:
    """Break ties at random 20,000 times: precision at each positive, averaged."""
    jittered = scores + 1e-3 * rng().random((20_000, scores.size))
    ranked = labels[np.argsort(-jittered, axis=1)]
    precision = np.cumsum(ranked, axis=1) / np.arange(1, scores.size + 1)
    return float((precision * ranked).sum(axis=1).mean() / labels.sum())


def test_ties_count_as_random_orders_do_on_average():
    labels = np.array([1, 0, 0, 1, 0, 1, 0, 0, 0], dtype=bool)
    scores = np.array([2, 2, 2, 1, 1, 1, 1, 0, 0], dtype=float)
    expected = mean_over_orders(scores, labels)
    assert average_precision(scores, labels) == pytest.approx(expected, abs=0.005)


@pytest.mark.parametrize("positive", [1, 4, 12])
def test_constant_scores_get_the_mean_of_random_orders(positive):
    labels = np.arange(12) < positive
    assert chance_precision(labels) == pytest.approx(
        mean_over_orders(np.ones(12), labels), abs=0.005
    )
    assert average_precision(np.ones(12), labels) == pytest.approx(float(chance_precision(labels)))


def test_chance_is_above_the_base_rate_and_comes_down_to_it_with_many_items():
    few, many = np.arange(10) < 2, np.arange(10_000) < 2000
    assert chance_precision(few) > 1.3 * base_rate(few)
    assert chance_precision(many) == pytest.approx(base_rate(many), rel=0.01)


def test_a_nan_ranks_last_and_no_positive_is_undefined():
    labels = np.array([True, False, False])
    assert average_precision(np.array([np.nan, 1.0, 0.0]), labels) == pytest.approx(1 / 3)
    assert np.isnan(average_precision(np.ones(3), np.zeros(3, dtype=bool)))
    assert np.isnan(chance_precision(np.zeros(3, dtype=bool)))


def test_counting_an_item_twice_is_repeating_it():
    draw = rng()
    scores, labels = draw.normal(size=9), draw.random(9) < 0.4
    counts = draw.integers(0, 4, size=(5, 9)).astype(float)
    resampled = resampled_average_precision(scores, labels, counts)
    for row, value in zip(counts.astype(int), resampled, strict=True):
        again = average_precision(np.repeat(scores, row), np.repeat(labels, row))
        np.testing.assert_allclose(value, again)


def test_an_interaction_of_the_wrong_sign_is_not_found():
    value = rng().normal(size=(1, 60))
    items = signed_items(value, np.abs(value) > 1.2)
    right = row_average_precision(signed_scores(value), items)[0]
    wrong = row_average_precision(signed_scores(-value), items)[0]
    assert right == pytest.approx(1.0)
    assert wrong < chance_precision(items)[0]
