import numpy as np
import pytest

from gpjepa.compose.firsts import fit_relations


@pytest.fixture
def families():
    """Return 24 genes of 4 families: effects and priors both say which."""
    rng = np.random.default_rng(1)
    family = np.arange(24) % 4
    effects = rng.normal(size=(4, 10))[family] * 2 + rng.normal(size=(24, 10)) * 0.3
    priors = np.eye(4)[family]
    return effects, priors


def test_relatives_predict_each_other(families):
    effects, priors = families
    relations = fit_relations(effects[4:], priors[4:])
    error = np.linalg.norm(relations.predict(priors[:4]) - effects[:4], axis=1)
    mean = np.linalg.norm(effects[4:].mean(axis=0) - effects[:4], axis=1)
    assert (error / mean).mean() < 0.4


def test_without_priors_the_mean_is_all_there_is(families):
    effects, _ = families
    relations = fit_relations(effects, np.zeros((24, 1)))
    predicted = relations.predict(np.zeros((2, 1)))
    np.testing.assert_allclose(predicted[0], predicted[1])
    mean = effects.mean(axis=0)
    assert np.corrcoef(predicted[0], mean)[0, 1] > 0.999
    assert np.linalg.norm(predicted[0]) <= np.linalg.norm(mean)


def test_errors_are_those_of_each_single_left_out(families):
    effects, priors = families
    relations = fit_relations(effects, priors)
    covariance = np.linalg.inv(relations.precision)
    rest = np.arange(1, 24)
    weights = np.linalg.solve(covariance[np.ix_(rest, rest)], effects[rest])
    np.testing.assert_allclose(
        relations.errors[0], effects[0] - covariance[0, rest] @ weights, atol=1e-8
    )


def test_a_stranger_is_doubted_more_than_a_relative(families):
    effects, priors = families
    relations = fit_relations(effects, np.concatenate((priors, np.zeros((24, 1))), axis=1))
    doubt = relations.doubt(np.eye(5)[[0, 4]])
    assert doubt[0] < doubt[1]


def test_a_single_gene_is_enough():
    relations = fit_relations(np.ones((1, 3)), np.zeros((1, 1)))
    assert np.isfinite(relations.predict(np.zeros((1, 1)))).all()
