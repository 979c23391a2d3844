from __future__ import annotations

import pytest
import torch

from gpjepa.model.masking import MaskPlan, draw_held_out

CELLS, GENES, BLOCKS = 200, 60, 6


def plan(**changed: float) -> MaskPlan:
    settings = {"low": 0.3, "high": 0.7, "expressed_share": 0.5, "block_share": 0.5}
    return MaskPlan(**{**settings, **changed})


@pytest.fixture
def counts() -> torch.Tensor:
    generator = torch.Generator().manual_seed(0)
    rate = 0.5 * torch.rand((CELLS, 1), generator=generator).expand(CELLS, GENES)
    return torch.poisson(rate, generator)


@pytest.fixture
def blocks() -> torch.Tensor:
    return torch.arange(GENES) % BLOCKS


def draw(counts, blocks, made: MaskPlan, seed: int = 0) -> torch.Tensor:
    return draw_held_out(counts, blocks, made, torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("least", [0.5, 0.8, 1.0])
def test_at_least_the_asked_share_of_held_out_genes_is_expressed(counts, blocks, least) -> None:
    held = draw(counts, blocks, plan(expressed_share=least))
    some = (counts > 0).any(dim=1)
    share = (held & (counts > 0)).sum(dim=1) / held.sum(dim=1)
    assert bool((share[some] >= least - 1e-6).all())
    assert bool(some.sum() > 150)


def test_some_genes_are_always_held_out(counts, blocks) -> None:
    counts[:5] = 0.0  # cells that express nothing
    counts[5:10] = 0.0
    counts[5:10, 3] = 1.0  # cells that express one gene
    for seed in range(5):
        held = draw(counts, blocks, plan(low=0.01, high=0.02), seed)
        assert bool(held.any(dim=1).all())


def test_some_genes_are_always_left_to_see(counts, blocks) -> None:
    counts[:50] = 1.0  # cells that express everything
    for seed in range(5):
        assert bool((~draw(counts, blocks, plan(), seed)).any(dim=1).all())


def test_the_share_of_expressed_genes_held_out_lies_within_the_plan(blocks) -> None:
    counts = torch.ones(CELLS, GENES)
    share = draw(counts, blocks, plan()).float().mean(dim=1)
    assert float(share.min()) >= 0.3 - 0.5 / GENES
    assert float(share.max()) <= 0.7 + 0.5 / GENES
    assert float(share.max() - share.min()) > 0.3


def test_unexpressed_genes_are_held_out_too(counts, blocks) -> None:
    silent = (draw(counts, blocks, plan()) & (counts == 0)).sum(dim=1)
    assert float((silent > 0).float().mean()) > 0.7
    some = (counts > 0).any(dim=1)  # a cell that expresses nothing has nothing else to hold out
    only = draw(counts, blocks, plan(expressed_share=1.0)) & (counts == 0)
    assert int(only[some].sum()) == 0


def broken_blocks(held, expressed, blocks) -> torch.Tensor:
    """Count the blocks of which a cell holds out some expressed genes but not all."""
    broken = torch.zeros(len(held), dtype=torch.long)
    for block in range(BLOCKS):
        inside = expressed & (blocks == block)
        count, total = (held & inside).sum(dim=1), inside.sum(dim=1)
        broken += ((count > 0) & (count < total)).long()
    return broken


def test_genes_of_a_block_go_together_when_masked_in_blocks(blocks) -> None:
    counts = torch.ones(CELLS, GENES)
    whole = broken_blocks(draw(counts, blocks, plan(block_share=1.0)), counts > 0, blocks)
    single = broken_blocks(draw(counts, blocks, plan(block_share=0.0)), counts > 0, blocks)
    # One block is cut to meet the share; two may be when their random scores nearly tie.
    assert float((whole <= 1).float().mean()) > 0.97
    assert float(single.float().mean()) > 4.0


def test_unexpressed_genes_go_with_the_blocks_of_the_expressed_ones(counts, blocks) -> None:
    held = draw(counts, blocks, plan(block_share=1.0))
    expressed, silent = counts > 0, held & (counts == 0)
    stray = torch.zeros(CELLS, dtype=torch.long)
    for block in range(BLOCKS):
        inside = blocks == block
        kept = (expressed & inside).any(dim=1) & ~(held & expressed & inside).any(dim=1)
        stray += (silent & inside).sum(dim=1) * kept
    assert int(silent.sum()) > CELLS
    assert int(stray.sum()) < 0.02 * int(silent.sum())


def test_half_of_the_cells_are_masked_in_blocks_by_a_share_of_one_half(blocks) -> None:
    counts = torch.ones(CELLS, GENES)
    broken = broken_blocks(draw(counts, blocks, plan(block_share=0.5)), counts > 0, blocks)
    assert 0.35 < float((broken <= 1).float().mean()) < 0.65


def test_masks_repeat_for_a_generator_and_differ_between_generators(counts, blocks) -> None:
    one, again = draw(counts, blocks, plan()), draw(counts, blocks, plan())
    assert torch.equal(one, again)
    assert not torch.equal(one, draw(counts, blocks, plan(), seed=1))


def test_every_gene_is_held_out_as_often_as_any_other(blocks) -> None:
    counts = torch.ones(2000, GENES)
    often = draw(counts, blocks, plan(block_share=0.0)).float().mean(dim=0)
    assert float((often - 0.5).abs().max()) < 0.06


def test_which_genes_are_held_out_depends_on_what_is_expressed_not_on_how_much(
    counts, blocks
) -> None:
    assert torch.equal(draw(counts, blocks, plan()), draw(9.0 * counts, blocks, plan()))
