"""Effect formulas against scipy, brute force and the traps that they must not fall for."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from gpjepa.evaluation import effect


@pytest.fixture
def pair() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    truth = rng.normal(size=(6, 40))
    return 0.7 * truth + rng.normal(size=(6, 40)) * 0.5 + 0.1, truth


def test_pearson_and_slope_equal_scipy(pair: tuple[np.ndarray, np.ndarray]) -> None:
    predicted, truth = pair
    for row in range(6):
        fit = stats.linregress(predicted[row], truth[row])
        assert effect.pearson(predicted, truth)[row] == pytest.approx(fit.rvalue)
        assert effect.slope(predicted, truth)[row] == pytest.approx(fit.slope)


def test_r2_equals_sklearn(pair: tuple[np.ndarray, np.ndarray]) -> None:
    from sklearn.metrics import r2_score

    predicted, truth = pair
    expected = r2_score(truth.T, predicted.T, multioutput="raw_values")
    np.testing.assert_allclose(effect.r2(predicted, truth), expected)


def test_a_perfect_prediction_gets_every_best_value(pair: tuple[np.ndarray, np.ndarray]) -> None:
    truth = pair[1]
    for formula in (effect.pearson, effect.r2, effect.slope, effect.norm_ratio):
        np.testing.assert_allclose(formula(truth, truth), 1.0)
    for formula in (effect.normalised_mae, effect.l2, effect.mse_ratio):
        np.testing.assert_array_equal(formula(truth, truth), 0.0)
    for formula in (effect.discrimination, effect.centroid_accuracy):
        np.testing.assert_array_equal(formula(truth, truth), 1.0)
    np.testing.assert_array_equal(effect.overlap(truth, truth, 5), 1.0)


def test_no_change_is_the_unit_of_errors_and_neutral_elsewhere(
    pair: tuple[np.ndarray, np.ndarray],
) -> None:
    truth = pair[1]
    nothing = np.zeros_like(truth)
    np.testing.assert_allclose(effect.normalised_mae(nothing, truth), 1.0)
    np.testing.assert_allclose(effect.mse_ratio(nothing, truth), 1.0)
    np.testing.assert_array_equal(effect.pearson(nothing, truth), 0.0)
    np.testing.assert_array_equal(effect.slope(nothing, truth), 0.0)
    np.testing.assert_array_equal(effect.discrimination(nothing, truth), 0.5)
    np.testing.assert_allclose(effect.overlap(nothing, truth, 5), 5 / 40)
    assert (effect.r2(nothing, truth) <= 0).all()


def test_a_constant_that_rounding_disturbs_is_still_constant() -> None:
    truth = np.random.default_rng(1).normal(size=(1, 300))
    assert effect.pearson(np.full((1, 300), 0.1), truth)[0] == 0.0
    assert effect.slope(np.full((1, 300), 0.1), truth)[0] == 0.0


def test_errors_by_hand() -> None:
    predicted, truth = np.array([[1.0, 0.0, 2.0]]), np.array([[3.0, -1.0, 0.0]])
    assert effect.normalised_mae(predicted, truth)[0] == pytest.approx(5 / 4)
    assert effect.l2(predicted, truth)[0] == pytest.approx(3.0)
    assert effect.mse_ratio(predicted, truth)[0] == pytest.approx(9 / 10)
    assert effect.norm_ratio(predicted, truth)[0] == pytest.approx(np.sqrt(5 / 10))


def test_identity_scores_equal_their_definition_written_out(
    pair: tuple[np.ndarray, np.ndarray],
) -> None:
    predicted, truth = pair
    predicted = predicted + np.random.default_rng(2).normal(size=predicted.shape) * 2
    for row in range(6):
        cosine = [
            predicted[row] @ other / np.linalg.norm(predicted[row]) / np.linalg.norm(other)
            for other in truth
        ]
        distance = [np.linalg.norm(predicted[row] - other) for other in truth]
        less = np.mean([cosine[q] < cosine[row] for q in range(6) if q != row])
        farther = np.mean([distance[q] > distance[row] for q in range(6) if q != row])
        assert effect.discrimination(predicted, truth)[row] == pytest.approx(less)
        assert effect.centroid_accuracy(predicted, truth)[row] == pytest.approx(farther)


def test_one_perturbation_has_nothing_to_be_told_apart_from() -> None:
    one = np.ones((1, 4))
    assert np.isnan(effect.discrimination(one, one)).all()
    assert np.isnan(effect.centroid_accuracy(one, one)).all()


def test_nan_in_a_prediction_is_nan_in_its_row_only(pair: tuple[np.ndarray, np.ndarray]) -> None:
    predicted, truth = pair[0].copy(), pair[1]
    predicted[2, 3] = np.nan
    for formula in (
        effect.pearson,
        effect.slope,
        effect.r2,
        effect.norm_ratio,
        effect.normalised_mae,
        effect.l2,
        effect.mse_ratio,
        effect.discrimination,
        effect.centroid_accuracy,
    ):
        values = formula(predicted, truth)
        assert np.isnan(values[2])
        assert np.isfinite(np.delete(values, 2)).all()


def test_discrimination_by_distance_can_be_gamed_by_scale_and_by_cosine_cannot() -> None:
    """Trap: multiplying a weakly informed prediction lifts ranking by L1 distance."""
    rng = np.random.default_rng(3)
    sizes = np.geomspace(0.3, 6.0, 30)[:, None]
    truth = rng.normal(size=(30, 200)) * sizes
    predicted = 0.3 * truth / sizes + rng.normal(size=(30, 200))

    def by_distance(values: np.ndarray) -> float:
        distances = np.abs(values[:, None] - truth[None]).sum(-1)
        return float(np.mean(distances > np.diag(distances)[:, None]))

    assert by_distance(30.0 * predicted) > by_distance(predicted) + 0.2
    plain, scaled = (effect.discrimination(k * predicted, truth).mean() for k in (1.0, 30.0))
    assert scaled == pytest.approx(plain)
    assert effect.norm_ratio(30.0 * predicted, truth).mean() > 10


def test_overlap_ranks_both_sides_by_absolute_score() -> None:
    truth = np.array([[5.0, -4.0, 3.0, 0.1, 0.2]])
    predicted = np.array([[0.1, -9.0, 0.2, 8.0, 0.3]])
    assert effect.overlap(predicted, truth, 2)[0] == pytest.approx(0.5)
