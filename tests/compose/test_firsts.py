import numpy as np
import pytest

from gpjepa.compose.firsts import EXPANSIONS, fit_relations
from gpjepa.compose.priors import Views


def views_of(rows, basis, shares=(1.0,)):
    """Return one view per share: inner products of rows of length 1 or 0."""
    alike = np.stack([rows @ basis.T for _ in shares])
    own = np.stack([(rows**2).sum(axis=1) for _ in shares])
    return Views(alike, own, np.array(shares))


@pytest.fixture
def families():
    """Return 24 genes of 4 families: effects and priors both say which."""
    rng = np.random.default_rng(1)
    family = np.arange(24) % 4
    effects = rng.normal(size=(4, 10))[family] * 2 + rng.normal(size=(24, 10)) * 0.3
    return effects, np.eye(4)[family]


def test_relatives_predict_each_other(families):
    effects, rows = families
    relations = fit_relations(effects[4:], views_of(rows[4:], rows[4:]))
    predicted = relations.predict(views_of(rows[:4], rows[4:]))
    error = np.linalg.norm(predicted - effects[:4], axis=1)
    mean = np.linalg.norm(effects[4:].mean(axis=0) - effects[:4], axis=1)
    assert (error / mean).mean() < 0.4


def test_a_view_that_misleads_loses_weight(families):
    effects, rows = families
    wrong = np.eye(6)[np.arange(24) // 4]
    good, bad = views_of(rows, rows), views_of(wrong, wrong)
    both = Views(
        np.concatenate((good.alike, bad.alike)),
        np.concatenate((good.own, bad.own)),
        np.array([0.5, 0.5]),
    )
    _, kept, lost = fit_relations(effects, both).parts
    assert kept > 2 * lost


@pytest.mark.parametrize("rows", [np.zeros((24, 1)), np.eye(24)])
def test_without_relations_the_mean_is_all_there_is(families, rows):
    effects, _ = families
    relations = fit_relations(effects, views_of(rows, rows))
    nobody = Views(np.zeros((1, 2, 24)), np.zeros((1, 2)), np.ones(1))
    predicted = relations.predict(nobody)
    np.testing.assert_allclose(predicted[0], predicted[1])
    mean = effects.mean(axis=0)
    assert np.corrcoef(predicted[0], mean)[0, 1] > 0.999
    assert np.linalg.norm(predicted[0]) <= np.linalg.norm(mean)


def test_errors_are_those_of_each_single_left_out(families):
    effects, rows = families
    relations = fit_relations(effects, views_of(rows, rows))
    rest = np.arange(1, 24)
    mean, view = relations.parts
    covariance = mean + view * rows[rest] @ rows[rest].T + np.eye(23)
    weights = np.linalg.solve(covariance, effects[rest])
    moved = view * rows[0] @ rows[rest].T @ weights
    expected = effects[0] - mean * weights.sum(axis=0) - relations.expansion * moved
    np.testing.assert_allclose(relations.errors[0], expected, atol=1e-8)


def test_weak_relations_are_expanded_and_strong_ones_need_it_less():
    rng = np.random.default_rng(2)
    family = np.arange(60) % 12
    rows = np.eye(12)[family]
    shared = rng.normal(size=(12, 30))[family]
    weak = fit_relations(shared + 2 * rng.normal(size=(60, 30)), views_of(rows, rows))
    strong = fit_relations(shared + 0.1 * rng.normal(size=(60, 30)), views_of(rows, rows))
    assert strong.expansion < weak.expansion <= max(EXPANSIONS)


def test_novelty_and_doubt_grow_from_twins_to_strangers(families):
    effects, rows = families
    basis = np.concatenate((rows, np.zeros((24, 1))), axis=1)
    asked = np.eye(5)[[0, 0, 4]]
    asked[1] = [np.sqrt(0.5), 0, 0, 0, np.sqrt(0.5)]
    relations = fit_relations(effects, views_of(basis, basis))
    views = views_of(asked, basis)
    novelty, doubt = relations.novelty(views), relations.doubt(views)
    assert novelty[0] < 0.3 < novelty[1] < novelty[2] == 1.0
    assert (np.diff(doubt) > 0).all()
    inner = relations.parts[1] * basis @ basis.T + np.eye(24)
    cross = relations.parts[1] * asked[:2] @ basis.T
    explained = np.einsum("ns,st,nt->n", cross, np.linalg.inv(inner), cross)
    np.testing.assert_allclose(novelty[:2], 1 - explained / relations.parts[1], atol=1e-8)


def test_a_single_gene_is_enough():
    relations = fit_relations(np.ones((1, 3)), views_of(np.ones((1, 1)), np.ones((1, 1))))
    views = views_of(np.ones((1, 1)), np.ones((1, 1)))
    assert np.isfinite(relations.predict(views)).all()
    assert relations.novelty(views) == 1.0


def test_the_closest_prediction_is_the_posterior_mean_left_out_one_at_a_time():
    rng = np.random.default_rng(4)
    family = np.arange(20) % 5
    rows = np.eye(5)[family]
    effects = rng.normal(size=(5, 8))[family] + 1.5 * rng.normal(size=(20, 8))
    found = fit_relations(effects, views_of(rows, rows)).closest()
    assert found.expansion == 1.0
    covariance = found.parts[0] + found.parts[1] * rows @ rows.T + np.eye(20)
    rest = np.arange(1, 20)
    cross = (covariance - np.eye(20))[0, rest]
    blind = cross @ np.linalg.solve(covariance[np.ix_(rest, rest)], effects[rest])
    np.testing.assert_allclose(found.errors[0], effects[0] - blind, atol=1e-8)
