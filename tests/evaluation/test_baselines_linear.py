"""The bilinear baseline of gene and perturbation embeddings."""

from __future__ import annotations

import numpy as np

from gpjepa.data.gene_features import GeneFeatures
from gpjepa.evaluation.baselines_linear import fit_linear, gene_embedding, solve
from gpjepa.evaluation.effect_table import EffectTable

RNG = np.random.default_rng(1)
GENES = np.array([f"G{index}" for index in range(40)], dtype=object)


def test_solution_is_stationary_under_the_ridge():
    genes, points = RNG.normal(size=(40, 3)), RNG.normal(size=(20, 2))
    effects = RNG.normal(size=(40, 20))
    weights = solve(genes, effects, points, 0.1)
    left = (genes.T @ genes + 0.1 * np.eye(3)) @ weights @ (points.T @ points + 0.1 * np.eye(2))
    np.testing.assert_allclose(left, genes.T @ effects @ points, atol=1e-9)


def test_without_ridge_the_solution_is_least_squares():
    genes, points = RNG.normal(size=(40, 3)), RNG.normal(size=(20, 2))
    effects = RNG.normal(size=(40, 20))
    design = np.kron(points, genes)
    best, *_ = np.linalg.lstsq(design, effects.T.ravel(), rcond=None)
    np.testing.assert_allclose(solve(genes, effects, points, 0.0), best.reshape(2, 3).T, atol=1e-8)


def test_gene_embedding_holds_the_leading_variance():
    profiles = RNG.normal(size=(12, 40))
    scores = gene_embedding(profiles, 4)
    eigenvalues = np.sort(np.linalg.eigvalsh(np.cov(profiles, ddof=0) * 40))[::-1]
    np.testing.assert_allclose((scores**2).sum(axis=0), eigenvalues[:4])


def test_effects_that_follow_from_features_are_recovered_for_unseen_genes():
    features = RNG.normal(size=(30, 3))
    features -= features[:25].mean(axis=0)
    loadings = RNG.normal(size=(3, 40))
    loadings -= loadings.mean(axis=1, keepdims=True)
    effects = features @ loadings
    names = tuple(f"P{index}" for index in range(30))
    table = EffectTable(names[:25], effects[:25], GENES)
    fitted = fit_linear(table, GeneFeatures(names, features))
    predicted = fitted.effects((*names[25:], "P1+P2"))
    assert np.corrcoef(predicted[:5].ravel(), effects[25:].ravel())[0, 1] > 0.98
    assert np.corrcoef(predicted[5], effects[1] + effects[2])[0, 1] > 0.95


def test_own_rows_embed_genes_of_the_panel_and_others_do_not_apply():
    labels = tuple(str(gene) for gene in GENES[:10])
    fitted = fit_linear(EffectTable(labels, RNG.normal(size=(10, 40)), GENES))
    predicted = fitted.effects(["G20", "G20+G21", "elsewhere", "G20+elsewhere"])
    assert np.isfinite(predicted[:2]).all()
    assert np.isnan(predicted[2:]).all()
    assert not np.allclose(predicted[0], predicted[1])


def test_without_embeddings_it_is_not_fitted_and_applies_to_nothing():
    fitted = fit_linear(EffectTable(("A", "B"), RNG.normal(size=(2, 5))))
    assert not fitted.fitted
    assert "not fitted" in fitted.notes[0]
    assert np.isnan(fitted.effects(["A+B"])).all()


def test_features_are_used_only_where_they_embed_more_training_perturbations():
    effects = RNG.normal(size=(10, 40))
    inside = tuple(str(gene) for gene in GENES[:10])
    outside = tuple(f"P{index}" for index in range(10))
    features = GeneFeatures(inside + outside, RNG.normal(size=(20, 3)))
    for labels, source in ((inside, "own row"), (outside, "features")):
        assert source in fit_linear(EffectTable(labels, effects, GENES), features).notes[0]
