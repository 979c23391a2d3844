from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("numba")

from gpjepa.model.attention import AttentionBlock
from gpjepa.model.kernels import block_rows
from gpjepa.model.kernels.block_rows import LANES, cut_attention, cut_mlp, kept_by

TOKENS, WIDTH, HEADS, HIDDEN = 3, 10, 2, 20


def pack_of(block: AttentionBlock) -> np.ndarray:
    return np.concatenate([p.detach().numpy().ravel() for p in block.parameters()])


def test_parameters_are_cut_as_the_module_lists_them() -> None:
    block = AttentionBlock(WIDTH, HEADS)
    pack = pack_of(block)
    cut = (*cut_attention(pack, WIDTH), *cut_mlp(pack, WIDTH, HIDDEN))
    for one, (name, other) in zip(cut, block.named_parameters(), strict=True):
        np.testing.assert_array_equal(one, other.detach().numpy(), err_msg=name)
    assert sum(one.size for one in cut) == pack.size


def test_sequences_of_a_block_change_nothing_outside_it_nor_one_another() -> None:
    rng = np.random.default_rng(0)
    pack = pack_of(AttentionBlock(WIDTH, HEADS))
    table = rng.normal(size=(LANES, TOKENS * WIDTH)).astype(np.float32)
    grad = rng.normal(size=table.shape).astype(np.float32)
    present, numbers = np.ones((LANES, TOKENS), np.float32), (np.float32(0.4), np.float32(1e-5))
    found = []
    for first, last in ((0, LANES), (20, 31)):
        kept = np.full(kept_by(WIDTH, HIDDEN, TOKENS, TOKENS), np.nan, np.float32)
        share = np.full((HEADS, TOKENS, TOKENS, LANES), np.nan, np.float32)
        out, down = np.full_like(table, np.nan), np.full_like(table, np.nan)
        slopes = np.full_like(pack, np.nan)
        read = (table, present, pack, HIDDEN, HEADS, *numbers, first, last)
        block_rows.forward(*read, kept, share, out)
        block_rows.back(grad, pack, HIDDEN, *numbers, first, last, kept, share, slopes, down)
        assert np.isfinite(slopes).all()
        found.append((out, down))
    for whole, part in zip(*found, strict=True):
        np.testing.assert_array_equal(part[20:31], whole[20:31])
        assert np.isnan(part[:20]).all()
        assert np.isnan(part[31:]).all()
