from __future__ import annotations

import torch

from gpjepa.core.random import torch_stream
from gpjepa.model.mean_state import MeanState


def draw(number: int, rows: int = 64) -> torch.Tensor:
    return torch.randn((rows, 3), generator=torch_stream(number, "states")) + torch.arange(3.0)


def test_in_training_every_cell_gets_the_mean_of_the_batch_and_gradients_reach_all_cells() -> None:
    state = draw(0).requires_grad_(True)
    found = MeanState(3)(state)
    assert torch.allclose(found, state.mean(dim=0).expand_as(state))
    found.sum().backward()
    assert torch.allclose(state.grad, torch.ones_like(state))


def test_afterwards_the_running_mean_answers_whatever_is_given() -> None:
    module = MeanState(3)
    batches = [draw(number) for number in range(20)]
    for batch in batches:
        module(batch)
    module.eval()
    expected = torch.stack(batches).mean(dim=(0, 1))
    assert torch.allclose(module(draw(99)), expected.expand(64, 3), atol=1e-5)
    assert torch.equal(module(draw(99)), module(draw(98) + 5.0))


def test_old_batches_are_forgotten() -> None:
    module = MeanState(3)
    module(draw(0) + 100.0)
    for number in range(1000):
        module(draw(number))
    assert torch.allclose(module.mean, torch.arange(3.0), atol=0.1)
