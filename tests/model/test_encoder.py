from __future__ import annotations

import pytest
import torch

from gpjepa.model.encoder import CellEncoder, HeldOutPredictor, ResidualBlock
from gpjepa.model.genes import GeneScaling
from gpjepa.model.masking import MaskPlan, draw_held_out

GENES, LATENT = 30, 5


@pytest.fixture
def encoder() -> CellEncoder:
    torch.manual_seed(0)
    scaling = GeneScaling(torch.full((GENES,), 0.7), torch.full((GENES,), 0.5), 60.0)
    return CellEncoder(scaling, LATENT, 16, 2)


@pytest.fixture
def counts() -> torch.Tensor:
    return torch.poisson(torch.full((9, GENES), 2.0), torch.Generator().manual_seed(1))


@pytest.fixture
def library() -> torch.Tensor:
    return torch.linspace(50.0, 90.0, 9)


@pytest.fixture
def visible() -> torch.Tensor:
    return torch.rand((9, GENES), generator=torch.Generator().manual_seed(2)) < 0.6


def test_counts_of_hidden_genes_do_not_matter(encoder, counts, library, visible) -> None:
    other = torch.where(visible, counts, counts.flip(0) + 17.0)
    assert torch.equal(encoder(counts, library, visible), encoder(other, library, visible))


def test_the_context_never_sees_a_gene_that_is_held_out(encoder, counts, library) -> None:
    plan = MaskPlan(low=0.3, high=0.7, expressed_share=0.5, block_share=0.5)
    blocks = torch.arange(GENES) % 5
    held_out = draw_held_out(counts, blocks, plan, torch.Generator().manual_seed(3))
    changed = torch.where(held_out, counts + 40.0, counts)
    assert torch.equal(encoder(counts, library, ~held_out), encoder(changed, library, ~held_out))
    told = encoder(counts, library, held_out), encoder(changed, library, held_out)
    assert not torch.allclose(*told)  # the teacher does see them


def test_counts_of_every_visible_gene_matter(encoder, counts, library, visible) -> None:
    seen = torch.nonzero(visible[0]).flatten()
    cell, size = counts[:1].repeat(len(seen), 1), library[:1].repeat(len(seen))
    moved = cell.clone()
    moved[torch.arange(len(seen)), seen] += 5.0
    mask = visible[:1].repeat(len(seen), 1)
    change = (encoder(moved, size, mask) - encoder(cell, size, mask)).norm(dim=1)
    assert float(change.detach().min()) > 1e-3


def test_no_gradient_reaches_a_hidden_gene(encoder, counts, library, visible) -> None:
    counts.requires_grad_()
    encoder(counts, library, visible).square().sum().backward()
    assert bool((counts.grad[~visible] == 0).all())
    assert bool((counts.grad[visible] != 0).any())


def test_seeing_every_gene_is_seeing_without_a_mask(encoder, counts, library) -> None:
    everything = torch.ones_like(counts, dtype=torch.bool)
    masked, plain = encoder(counts, library, everything), encoder(counts, library)
    torch.testing.assert_close(masked, plain, rtol=1e-5, atol=1e-5)


def test_views_of_different_sizes_are_of_the_same_magnitude() -> None:
    torch.manual_seed(3)
    genes = 400
    scaling = GeneScaling(torch.zeros(genes), torch.ones(genes), 800.0)
    encoder = CellEncoder(scaling, LATENT, 64, 1)
    inputs: list[torch.Tensor] = []
    encoder.embed.register_forward_pre_hook(lambda _, given: inputs.append(given[0]))
    counts = torch.poisson(torch.full((50, genes), 2.0))
    library = torch.full((50,), 800.0)
    for share in (0.3, 1.0):
        encoder(counts, library, torch.rand(50, genes) < share)
    few, all_genes = (view.norm(dim=1).mean() for view in inputs)
    assert float(few / all_genes) == pytest.approx(1.0, abs=0.05)


def test_a_cell_with_nothing_visible_is_finite_and_the_same_for_all(encoder, counts, library):
    nothing = torch.zeros_like(counts, dtype=torch.bool)
    latent = encoder(counts, library, nothing)
    assert bool(torch.isfinite(latent).all())
    assert torch.equal(latent, latent[:1].expand_as(latent))


def test_cells_do_not_see_each_other(encoder, counts, library) -> None:
    torch.testing.assert_close(encoder(counts, library)[:3], encoder(counts[:3], library[:3]))


def test_a_residual_block_with_silent_output_changes_nothing() -> None:
    torch.manual_seed(4)
    block, x = ResidualBlock(6), torch.randn(3, 6)
    assert not torch.equal(block(x), x)
    torch.nn.init.zeros_(block.body[-1].weight)
    torch.nn.init.zeros_(block.body[-1].bias)
    assert torch.equal(block(x), x)


def test_the_held_out_predictor_answers_for_the_genes_it_is_asked(counts) -> None:
    torch.manual_seed(5)
    predictor = HeldOutPredictor(GENES, LATENT, 16)
    context = torch.randn(2, LATENT)
    asked = torch.zeros((2, GENES), dtype=torch.bool)
    asked[:, :10] = True
    other = asked.roll(7, dims=1)
    assert not torch.allclose(predictor(context, asked), predictor(context, other))
    assert not torch.allclose(predictor(context, asked), predictor(context.flip(0), asked))
    nothing = predictor(context, torch.zeros_like(asked))
    assert bool(torch.isfinite(nothing).all())


def test_gradients_of_the_held_out_predictor_reach_only_genes_asked_for() -> None:
    torch.manual_seed(6)
    predictor = HeldOutPredictor(GENES, LATENT, 16)
    asked = torch.zeros((3, GENES), dtype=torch.bool)
    asked[:, 4:9] = True
    predictor(torch.randn(3, LATENT), asked).square().sum().backward()
    reached = predictor.genes.grad.norm(dim=1) > 0
    assert torch.equal(reached, asked[0])
