from __future__ import annotations

import pytest
import torch

from gpjepa.model.encoder import Views
from gpjepa.model.genes import GeneScaling
from gpjepa.model.kernels import SWITCH
from gpjepa.model.masking import MaskPlan, hold_out
from gpjepa.model.sparse_counts import SparseCounts, positive

CELLS, GENES = 40, 90
PLAN = MaskPlan(low=0.3, high=0.7, expressed_share=0.5, block_share=0.5)


def cells() -> tuple[SparseCounts, torch.Tensor, GeneScaling]:
    torch.manual_seed(0)
    dense = torch.poisson(torch.full((CELLS, GENES), 0.4))
    dense[:, 0] = 1.0
    cell, gene, value = positive(dense)
    ends = torch.bincount(cell, minlength=CELLS).cumsum(0)
    counts = SparseCounts(torch.cat((ends.new_zeros(1), ends)), gene.int(), value, GENES)
    scaling = GeneScaling(torch.rand(GENES), torch.rand(GENES) + 0.1, 30.0)
    return counts, 20.0 + 60.0 * torch.rand(CELLS), scaling


def both(monkeypatch, work):
    found = work()
    monkeypatch.setenv(SWITCH, "plain")
    return found, work()


def test_compiled_expression_is_that_of_plain_torch(monkeypatch) -> None:
    counts, library, scaling = cells()
    found, plain = both(monkeypatch, lambda: scaling.uncentred(counts, library))
    torch.testing.assert_close(found, plain, rtol=1e-6, atol=1e-7)
    dense = scaling(counts.dense(), library)
    torch.testing.assert_close(found - scaling.centre(), dense, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("share", [0.2, 0.5, 1.0])
def test_compiled_masks_and_views_are_those_of_plain_torch(monkeypatch, share) -> None:
    counts, library, scaling = cells()
    plan = MaskPlan(low=0.3, high=0.7, expressed_share=share, block_share=0.5)
    blocks = torch.arange(GENES) % 7

    def work():
        held = hold_out(counts, blocks, plan, torch.Generator().manual_seed(3))
        views = Views.of(scaling, counts, library, held)
        sides = (views.context, views.target, views.asked)
        dense = [side.dense() if isinstance(side, SparseCounts) else side for side in sides]
        return held.expressed, views.centred, *dense

    for one, other in zip(*both(monkeypatch, work), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-5, atol=1e-6)
