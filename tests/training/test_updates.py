from __future__ import annotations

import copy

import pytest
import torch
from torch import nn

from gpjepa.training.processes import open_fabric
from gpjepa.training.updates import SMALL, CutUpdates, PackedUpdates, updates_of

WIDTH = 200  # its square is above SMALL
RATES = (0.05, 0.005)


def network() -> nn.Sequential:
    torch.manual_seed(0)
    made = nn.Sequential(
        nn.Linear(3, WIDTH), nn.GELU(), nn.Linear(WIDTH, WIDTH), nn.LayerNorm(WIDTH)
    )
    assert made[2].weight.numel() > SMALL > made[0].weight.numel()
    return made


def groups(module: nn.Sequential) -> list[dict]:
    """Return two groups, the second of which learns more slowly."""
    rest = [*module[2].parameters(), *module[3].parameters()]
    return [
        {"params": list(module[0].parameters()), "lr": RATES[0]},
        {"params": rest, "lr": RATES[1]},
    ]


def pull(module: nn.Module, step: int) -> None:
    """Make gradients."""
    x = torch.randn(16, 3, generator=torch.Generator().manual_seed(step))
    (module(x) * torch.linspace(-1, 3, WIDTH)).square().sum().backward()


@pytest.mark.parametrize("clip", [0.1, 1e9])
def test_parameters_in_one_piece_change_as_they_do_one_by_one(clip: float) -> None:
    ours, theirs = network(), network()
    updates = PackedUpdates(groups(ours), 0.1, clip)
    reference = torch.optim.AdamW(groups(theirs), weight_decay=0.1)
    for step in range(6):
        for module in (ours, theirs):
            pull(module, step)
        share = 1.0 - step / 10
        updates.set_rate(share)
        for group, rate in zip(reference.param_groups, RATES, strict=True):
            group["lr"] = rate * share
        updates.step()
        nn.utils.clip_grad_norm_(theirs.parameters(), clip)
        reference.step()
        reference.zero_grad()
    for name, value in theirs.named_parameters():
        assert torch.allclose(ours.get_parameter(name), value, rtol=1e-5, atol=1e-6), name
        assert not torch.equal(network().get_parameter(name), value), name


def test_small_parameters_lie_side_by_side_and_stay_what_they_are() -> None:
    module = network()
    before = {name: (p, p.detach().clone()) for name, p in module.named_parameters()}
    PackedUpdates(groups(module), 0.1, 1.0)
    for name, parameter in module.named_parameters():
        assert parameter is before[name][0]
        assert torch.equal(parameter, before[name][1])
        assert parameter.is_leaf
    memory = {name: p.untyped_storage().data_ptr() for name, p in module.named_parameters()}
    assert memory["0.weight"] == memory["0.bias"]
    assert memory["2.bias"] == memory["3.weight"] == memory["3.bias"]
    assert len(set(memory.values())) == 3
    taken = copy.deepcopy(module[0])
    assert taken.weight.untyped_storage().nbytes() == 4 * 3 * WIDTH


def test_gradients_are_gone_after_a_step() -> None:
    module = network()
    updates = PackedUpdates(groups(module), 0.1, 1.0)
    pull(module, 0)
    updates.step()
    assert all(parameter.grad is None for parameter in module.parameters())


def test_a_small_parameter_without_gradient_has_one_of_zero() -> None:
    ours, theirs = network(), network()
    for module in (ours, theirs):
        updates = PackedUpdates(groups(module), 0.1, 1.0)
        for step in range(3):
            pull(module, step)
            module[0].bias.grad = None if module is ours else torch.zeros(WIDTH)
            updates.step()
    for name, value in theirs.named_parameters():
        assert torch.equal(ours.get_parameter(name), value), name


def test_what_is_kept_goes_on_in_another_as_if_there_had_been_one() -> None:
    module = network()
    updates = PackedUpdates(groups(module), 0.1, 1.0)
    assert updates.states() == [{}] * 6
    for step in range(3):
        pull(module, step)
        updates.step()
    other = network()
    other.load_state_dict(module.state_dict())
    fresh = PackedUpdates(groups(other), 0.1, 1.0)
    fresh.restore(updates.states())
    assert [float(state["step"]) for state in fresh.states()] == [3.0] * 6
    for step in range(3, 5):
        for which, own in ((module, updates), (other, fresh)):
            pull(which, step)
            own.step()
    for name, value in module.named_parameters():
        assert torch.equal(other.get_parameter(name), value), name


def test_what_is_kept_has_the_shapes_of_the_parameters() -> None:
    module = network()
    updates = PackedUpdates(groups(module), 0.1, 1.0)
    pull(module, 0)
    updates.step()
    handed = [p for group in groups(module) for p in group["params"]]
    for parameter, state in zip(handed, updates.states(), strict=True):
        assert state["exp_avg"].shape == state["exp_avg_sq"].shape == parameter.shape


def test_parameters_of_two_precisions_are_updated_too() -> None:
    ours = nn.ParameterList([torch.ones(2), torch.ones(2, dtype=torch.float64)])
    updates = PackedUpdates([{"params": list(ours), "lr": 0.1}], 0.0, 1e9)
    (ours[0].double() + ours[1]).sum().backward()
    updates.step()
    assert all(torch.allclose(p.double(), torch.full((2,), 0.9).double()) for p in ours)


def test_parameters_that_a_process_has_whole_are_packed() -> None:
    class Plan:
        learning_rate, weight_decay, clip = 0.1, 0.01, 1.0

    class Stage(nn.Linear):
        def parameter_groups(self, rate: float) -> list[dict]:
            return [{"params": list(self.parameters()), "lr": rate}]

    stage = Stage(2, 2)
    made = updates_of(stage, stage, open_fabric("cpu"), Plan())
    assert isinstance(made, PackedUpdates)
    assert not isinstance(made, CutUpdates)
