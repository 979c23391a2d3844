from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("numba")

from gpjepa.model.kernels.mask_rows import BINS, _threshold


@pytest.mark.parametrize("spread", [1e-3, 0.02, 1.0, 1.2])
@pytest.mark.parametrize("seed", range(10))
def test_the_threshold_is_the_wanted_greatest_score(seed, spread) -> None:
    rng = np.random.default_rng(seed)
    scores = spread * rng.integers(0, 51, rng.integers(1, 200)).astype(np.float32) / 50  # with ties
    number, few = np.full(BINS, 7, np.int32), np.empty(len(scores), np.float32)
    for wanted in {1, len(scores), int(rng.integers(1, len(scores) + 1))}:
        assert _threshold(scores.copy(), wanted, number, few) == np.sort(scores)[-wanted]
