from __future__ import annotations

import numpy as np

from gpjepa.report.points import Points, thinned


def test_few_points_are_all_kept() -> None:
    assert thinned(np.array([1.0, np.nan, 0.5]), 3).tolist() == [0, 1, 2]


def test_the_most_important_points_survive_thinning_and_the_bulk_keeps_its_shape() -> None:
    importance = np.random.default_rng(0).exponential(size=5000)
    kept = thinned(importance, 400)
    assert len(set(kept.tolist())) == len(kept) == 400
    assert set(np.argsort(-importance)[:200].tolist()) <= set(kept.tolist())
    bulk = np.setdiff1d(kept, np.argsort(-importance)[:200])
    assert abs(np.median(importance[bulk]) - np.median(importance)) < 0.1
    np.testing.assert_array_equal(kept, thinned(importance, 400))


def test_points_become_plain_json() -> None:
    points = Points(np.array([1.04]), np.array([2.0]), ["G"], {"a": np.array([np.nan]), "b": ["t"]})
    assert points.document() == {
        "x": [1], "y": [2], "label": ["G"], "columns": {"a": [None], "b": ["t"]}}  # fmt: skip
