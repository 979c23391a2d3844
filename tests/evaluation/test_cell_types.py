"""Separation of annotated types by an embedding."""

from __future__ import annotations

import builtins

import numpy as np
import pytest
from sklearn.metrics import silhouette_score

from gpjepa.core.errors import ConfigError
from gpjepa.evaluation.cell_types import (
    Separation,
    knn_accuracy,
    leiden,
    neighbour_graph,
    separation,
)
from gpjepa.evaluation.embedding_space import neighbours


def blobs(distance: float, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    types = np.repeat(np.array(["B", "NK", "T"], dtype=object), 60)
    centres = distance * np.eye(3)[np.repeat(np.arange(3), 60)]
    return centres + rng.normal(size=(180, 3)), types


def test_average_is_the_mean_of_three_with_the_silhouette_rescaled():
    assert Separation(0.6, 0.3, -0.2, 4).average == pytest.approx((0.6 + 0.3 + 0.4) / 3)


def test_separate_types_score_near_one_and_mixed_ones_near_a_sixth():
    best, fixed = separation(*blobs(40.0))
    assert best.nmi == pytest.approx(1.0)
    assert best.ari == pytest.approx(1.0)
    assert best.average > 0.95
    assert fixed.average <= best.average
    assert separation(*blobs(0.0))[1].average == pytest.approx(1 / 6, abs=0.05)


def test_silhouette_is_that_of_the_types_and_not_of_clusters():
    embedding, types = blobs(2.0)
    expected = silhouette_score(embedding, types.astype(str))
    for result in separation(embedding, types):
        assert result.silhouette == pytest.approx(expected)


def test_knn_accuracy_is_one_for_separate_types_and_chance_for_shuffled_ones():
    embedding, types = blobs(20.0)
    assert knn_accuracy(embedding, types) == 1.0
    shuffled = np.random.default_rng(1).permutation(types)
    assert knn_accuracy(embedding, shuffled) == pytest.approx(1 / 3, abs=0.12)
    assert np.isnan(knn_accuracy(embedding[:3], types[:3]))


def test_clusters_repeat_with_the_seed_and_leave_the_global_generator_alone():
    import random

    embedding, _ = blobs(3.0)
    random.seed(5)
    expected = random.random()
    random.seed(5)
    first, again = (leiden(embedding, (0.5, 2.0), seed=3) for _ in range(2))
    assert random.random() == expected
    for one, other in zip(first, again, strict=True):
        np.testing.assert_array_equal(one, other)
    assert len(np.unique(first[0])) < len(np.unique(first[1]))


def test_graph_joins_nearest_cells_with_the_jaccard_index_of_their_neighbourhoods():
    embedding, _ = blobs(3.0)
    near = [{cell, *row} for cell, row in enumerate(neighbours(embedding).tolist())]
    pairs, weights = neighbour_graph(embedding)
    expected = {
        (a, b) for a in range(180) for b in range(a + 1, 180) if b in near[a] or a in near[b]
    }
    assert {tuple(pair) for pair in pairs.tolist()} == expected
    for (a, b), weight in list(zip(pairs.tolist(), weights, strict=True))[:200]:
        assert weight == pytest.approx(len(near[a] & near[b]) / len(near[a] | near[b]))


def test_a_missing_package_is_named(monkeypatch):
    real = builtins.__import__

    def without(name, *rest):
        if name == "igraph":
            raise ImportError("no igraph", name=name)
        return real(name, *rest)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(ConfigError, match="'igraph' is not installed"):
        leiden(blobs(3.0)[0], (1.0,))
