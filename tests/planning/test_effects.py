import runpy
from pathlib import Path
from types import SimpleNamespace

import torch

from gpjepa.planning.effects import EffectMap, gene_weights, responding

worlds = SimpleNamespace(**runpy.run_path(str(Path(__file__).with_name("worlds.py"))))


def decoded(origin, shift: torch.Tensor) -> torch.Tensor:
    """Return the effect of a shift of all cells, every cell decoded by itself."""
    bulks = [
        torch.log1p(100.0 * (origin.weight @ origin.model.decoder.mean_shares(state)))
        for state in (origin.start, origin.start + shift)
    ]
    return (bulks[1] - bulks[0]).detach()


def test_a_linear_decoder_needs_no_cells() -> None:
    origin = worlds.make_origin()
    shift = 0.3 * torch.randn(6, generator=torch.Generator().manual_seed(2))
    effects = EffectMap(origin)
    found = effects((effects.mean + shift)[None])[0].detach()
    expected = decoded(origin, shift)
    assert (found - expected).norm() < 0.05 * expected.norm()


def test_another_decoder_is_run_on_few_cells_and_exact_on_those() -> None:
    origin = worlds.make_origin(cells=10, hidden=8)
    shift = torch.randn(6, generator=torch.Generator().manual_seed(2))
    effects = EffectMap(origin)
    found = effects((effects.mean + shift)[None])[0].detach()
    torch.testing.assert_close(found, decoded(origin, shift), atol=1e-5, rtol=1e-4)


def test_effects_have_gradients_that_differences_confirm() -> None:
    for hidden in (0, 8):
        effects = EffectMap(worlds.make_origin(hidden=hidden))
        latent = effects.mean[None].clone().requires_grad_()
        (slope,) = torch.autograd.grad(effects(latent)[0, 3], latent)
        step = torch.zeros(6)
        step[2] = 1e-2
        ends = [effects((effects.mean + way * step)[None])[0, 3].detach() for way in (1, -1)]
        torch.testing.assert_close((ends[0] - ends[1]) / 2e-2, slope[0, 2], atol=1e-3, rtol=0)


def test_genes_measured_better_count_for_more_and_the_mean_is_one() -> None:
    origin = worlds.make_origin()
    error = torch.linspace(0.1, 1.0, 12)
    weights = gene_weights(origin, error)
    assert (weights.diff() < 0).all()
    torch.testing.assert_close(weights[responding(origin)].mean(), torch.tensor(1.0))
    torch.testing.assert_close(gene_weights(origin), torch.ones(12))
