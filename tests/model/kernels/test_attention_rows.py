from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("numba")

from gpjepa.model.kernels import attention_rows
from gpjepa.model.kernels.attention_rows import LANES

TOKENS, HEADS, WIDTH = 3, 2, 4
SCALE = np.float32(0.5)


def test_blocks_of_sequences_give_what_all_together_do() -> None:
    rng = np.random.default_rng(0)
    rows = 3 * LANES + 5
    qkv = rng.normal(size=(rows, TOKENS * 3 * WIDTH)).astype(np.float32)
    present = np.ones((rows, TOKENS), np.float32)
    grad = rng.normal(size=(rows, TOKENS * WIDTH)).astype(np.float32)
    found = []
    for size in (rows, LANES):
        share = np.full((4, HEADS * TOKENS**2, LANES), np.nan, np.float32)
        out, down = np.empty_like(grad), np.empty_like(qkv)
        for first in range(0, rows, size):
            last = min(first + size, rows)
            attention_rows.attend(qkv, present, HEADS, SCALE, first, last, share, out)
            given = (qkv, share, grad, TOKENS, HEADS, SCALE)
            attention_rows.back(*given, first, last, down)
        used = share.transpose(0, 2, 1).reshape(4 * LANES, -1)[:rows]  # the last lanes are empty
        found.append((used, out, down))
    for whole, part in zip(*found, strict=True):
        np.testing.assert_array_equal(whole, part)
    shares = found[0][0].reshape(rows, HEADS, TOKENS, TOKENS).sum(axis=3)
    np.testing.assert_allclose(shares, 1.0, rtol=1e-6)
