"""Spread, neighbourhoods and shifts of embeddings."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import sparse
from scipy.spatial.distance import cdist

from gpjepa.evaluation.embedding_space import (
    neighbourhood_overlap,
    neighbours,
    principal_components,
    replicate_overlap,
    shift_similarity,
    spread,
)


def test_effective_rank_counts_equal_dimensions_and_ignores_rotation_and_scale():
    rng = np.random.default_rng(0)
    cells = np.zeros((4000, 8))
    cells[:, :3] = rng.normal(size=(4000, 3))
    rotation = np.linalg.qr(rng.normal(size=(8, 8)))[0]
    assert spread(cells).effective_rank == pytest.approx(3.0, abs=0.02)
    assert spread(7 * cells @ rotation).effective_rank == pytest.approx(3.0, abs=0.02)


def test_dimensions_without_spread_are_collapsed():
    rng = np.random.default_rng(1)
    cells = rng.normal(size=(500, 10)) * np.where(np.arange(10) < 2, 1e-4, 1.0)
    assert spread(cells).collapsed == pytest.approx(0.2)
    assert spread(rng.normal(size=(500, 10))).collapsed == 0.0
    constant = spread(np.ones((50, 4)))
    assert (constant.effective_rank, constant.collapsed) == (1.0, 1.0)


def test_principal_components_reproduce_the_leading_singular_values():
    rng = np.random.default_rng(2)
    shared = rng.gamma(2.0, size=(80, 3)) @ rng.gamma(1.0, size=(3, 30))
    counts = rng.poisson(shared)
    library = counts.sum(axis=1).astype(float)
    scores = principal_components(sparse.csr_matrix(counts), library, 100.0, 3)
    values = np.log1p(100.0 * counts / library[:, None])
    expected = np.linalg.svd(values - values.mean(axis=0), compute_uv=False)[:3]
    np.testing.assert_allclose(np.linalg.norm(scores, axis=0), expected, rtol=1e-3)


def test_overlap_equals_sets_of_nearest_cells():
    rng = np.random.default_rng(3)
    first, second = rng.normal(size=(2, 40, 3))
    found = neighbourhood_overlap(first, second, 5)
    for cell in range(40):
        sets = []
        for space in (first, second):
            distance = cdist(space, space)[cell]
            distance[cell] = np.inf
            sets.append(set(np.argsort(distance)[:5]))
        assert found[cell] == pytest.approx(len(sets[0] & sets[1]) / 5)
    assert cell not in neighbours(first, 5)[cell]


def test_overlap_is_one_for_a_rotation_and_chance_for_noise():
    rng = np.random.default_rng(4)
    cells = rng.normal(size=(400, 4))
    rotation = np.linalg.qr(rng.normal(size=(4, 4)))[0]
    assert neighbourhood_overlap(cells, cells @ rotation).mean() == pytest.approx(1.0)
    noise = rng.normal(size=(400, 4))
    assert neighbourhood_overlap(cells, noise).mean() == pytest.approx(15 / 399, abs=0.01)


def test_halves_of_the_counts_agree_where_there_is_structure_and_not_in_noise():
    rng = np.random.default_rng(5)
    position = np.linspace(0, 3, 300)[:, None]
    structured = rng.poisson(100 * np.exp(np.sin(position + np.arange(40))))
    noise = rng.poisson(100.0, size=(300, 40))
    agree = [
        replicate_overlap(sparse.csr_matrix(counts), counts.sum(axis=1).astype(float), 300.0, rng)
        for counts in (structured, noise)
    ]
    assert agree[0] > 0.3
    assert agree[1] < 0.1


def test_shifts_are_compared_by_direction_only():
    rng = np.random.default_rng(6)
    origin, other = rng.normal(scale=0.01, size=(2, 50, 3))
    shift = np.array([1.0, 2.0, 0.0])
    assert shift_similarity(origin + 5 * shift, origin, other + shift, other) == pytest.approx(1.0)
    assert shift_similarity(origin - shift, origin, other + shift, other) == pytest.approx(-1.0)
    assert shift_similarity(origin, origin, other + shift, other) == 0.0
    assert np.isnan(shift_similarity(origin[:0], origin, other, other))
