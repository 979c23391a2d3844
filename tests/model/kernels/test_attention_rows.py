from __future__ import annotations

import numpy as np
import pytest
import torch

pytest.importorskip("numba")

from gpjepa.model.kernels.attention_rows import LANES, attend, attend_slopes

TOKENS, SCALE = 3, np.float32(0.5)


def lanes(table: np.ndarray) -> torch.Tensor:
    """[W, T · LANES] as [LANES, T, W], double."""
    return torch.from_numpy(table).double().unflatten(1, (-1, LANES)).permute(2, 1, 0)


@pytest.mark.parametrize("looking", [1, TOKENS])
@pytest.mark.parametrize(("heads", "width"), [(1, 3), (2, 5), (2, 8)])
def test_attention_and_its_slopes_are_those_of_the_formula(heads, width, looking) -> None:
    rng, whole = np.random.default_rng(0), heads * width
    queries, seen, down = (
        rng.normal(size=(k * whole, tokens * LANES)).astype(np.float32)
        for k, tokens in ((1, looking), (2, TOKENS), (1, looking))
    )
    present = (rng.random((TOKENS, LANES)) < 0.5).astype(np.float32)
    present[1] = 1.0
    share = np.full((heads, looking, TOKENS, LANES), np.nan, np.float32)
    out, by_queries, by_seen = np.empty_like(down), np.empty_like(queries), np.empty_like(seen)
    attend(queries, seen, present, heads, SCALE, share, out)
    attend_slopes(queries, seen, share, down, SCALE, by_queries, by_seen)
    np.testing.assert_allclose(share.sum(axis=2), 1.0, rtol=1e-6)
    given = [lanes(table).clone().requires_grad_() for table in (queries, seen)]
    query, key, value = (
        x.unflatten(2, (heads, width)).transpose(1, 2)
        for x in (given[0], *given[1].split(whole, dim=2))
    )
    score = (query @ key.transpose(2, 3) * float(SCALE)).masked_fill(
        torch.from_numpy(present).t()[:, None, None, :] == 0, -torch.inf
    )
    expected = (score.softmax(dim=3) @ value).transpose(1, 2).flatten(2)
    torch.testing.assert_close(lanes(out), expected.detach(), rtol=1e-5, atol=1e-6)
    slopes = torch.autograd.grad((expected * lanes(down)).sum(), given)
    for own, slope in zip((by_queries, by_seen), slopes, strict=True):
        torch.testing.assert_close(lanes(own), slope, rtol=1e-5, atol=3e-6)
