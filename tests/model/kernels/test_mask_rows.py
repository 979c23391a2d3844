from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("numba")

from gpjepa.model.kernels.mask_rows import _threshold


@pytest.mark.parametrize("seed", range(20))
def test_the_threshold_is_the_wanted_greatest_score(seed) -> None:
    rng = np.random.default_rng(seed)
    scores = rng.integers(0, 50, rng.integers(1, 200)).astype(np.float32)  # with ties
    for wanted in {1, len(scores), int(rng.integers(1, len(scores) + 1))}:
        assert _threshold(scores.copy(), wanted) == np.sort(scores)[-wanted]
