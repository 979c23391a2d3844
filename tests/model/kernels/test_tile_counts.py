from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("numba")

from gpjepa.model.kernels.tile_counts import by_tile


def test_counts_come_tile_by_tile_with_where_they_are_from() -> None:
    starts = np.array([0, 3, 3, 5])
    genes = np.array([0, 31, 64, 33, 95], np.int32)
    counts = np.array([1.0, 2.0, 3.0, 4.0, 0.5], np.float32)
    stops, entries = np.zeros(4, np.int64), np.empty((5, 3), np.uint32)
    by_tile(starts, genes, counts, stops, entries)
    assert stops.tolist() == [0, 2, 3, 5]
    assert entries[:, 0].tolist() == [0, 31, 65, 0, 95]
    assert entries[:, 1].tolist() == [0, 1, 3, 2, 4]
    assert np.array_equal(entries[:, 2].copy().view(np.float32), counts[entries[:, 1]])
