import pytest
import torch

from gpjepa.model.composition import Composition, Members, PairInteraction, PairKernel
from gpjepa.model.recall import Recall
from gpjepa.model.stacked import StackedComposition


def members(count=3, width=4):
    generator = torch.Generator().manual_seed(0)
    effects = torch.randn(count, 2, width, generator=generator, dtype=torch.float64)
    ids = torch.arange(2 * count).view(count, 2)
    return Members(effects, torch.zeros(count, 2, 1, dtype=torch.float64), ids)


def scaled(factor, width):
    none = Members(
        torch.zeros(0, 2, width, dtype=torch.float64),
        torch.zeros(0, 2, 1, dtype=torch.float64),
        torch.zeros((0, 2), dtype=torch.int64),
    )
    interaction = PairInteraction(PairKernel(1.0), none).double()
    return Composition(torch.full((width,), factor, dtype=torch.float64), interaction)


def weights(*values):
    return torch.tensor(values, dtype=torch.float64)


def test_the_sum_and_no_change_have_weights_of_their_own():
    given = members()
    total = given.effects.sum(dim=1)
    half = StackedComposition((), weights(0.5, 0.5))(given)
    torch.testing.assert_close(half.first_order, 0.5 * total)
    assert not half.second_order.any()


def test_compositions_are_averaged_by_weight():
    given = members()
    stacked = StackedComposition((scaled(0.2, 4), scaled(0.6, 4)), weights(0.25, 0.75, 0, 0))
    total = given.effects.sum(dim=1)
    torch.testing.assert_close(stacked(given).first_order, total * (0.05 + 0.45))


def test_a_composition_of_fewer_directions_leaves_the_others_alone():
    found = StackedComposition((scaled(1.0, 2),), weights(1.0, 0.0, 0.0))(members())
    assert found.first_order[:, :2].any()
    assert not found.first_order[:, 2:].any()


def test_the_sum_alone_is_averaged_over_the_directions_that_each_part_keeps():
    given = members()
    stacked = StackedComposition((scaled(0.3, 2),), weights(0.6, 0.2, 0.2))
    total = given.effects.sum(dim=1)
    kept = torch.tensor([1.0, 1.0, 0.25, 0.25], dtype=torch.float64)
    torch.testing.assert_close(stacked.alone(given), total * kept)
    torch.testing.assert_close(stacked.shares, weights(1.0))


@pytest.mark.parametrize("share", [0.0, 1.0])
def test_a_set_without_members_has_no_effect(share):
    given = members()
    empty = Members(given.effects, given.priors, torch.full_like(given.ids, -1))
    stacked = StackedComposition((scaled(1.0, 4),), weights(share, 1 - share, 0.0))
    assert not stacked(empty).first_order.any()


def test_only_sets_of_several_members_are_drawn_towards_measured_states():
    given = members()
    ids = given.ids.clone()
    ids[0, 1] = -1
    some = Members(given.effects * (ids >= 0)[..., None], given.priors, ids)
    states = some.effects.sum(dim=1) + 0.1
    recall = Recall(states, torch.eye(len(states), dtype=torch.float64), 1.0, 1.0)
    plain = StackedComposition((scaled(1.0, 4),), weights(1.0, 0.0, 0.0))(some)
    drawn = StackedComposition((scaled(1.0, 4),), weights(1.0, 0.0, 0.0), recall)(some)
    torch.testing.assert_close(drawn.first_order, plain.first_order)
    assert not drawn.second_order[0].any()
    assert drawn.second_order[1:].abs().min() > 1e-3


def test_a_saved_recall_fills_a_blank_module():
    saved = StackedComposition((), weights(1.0, 0.0), Recall(*torch.rand(2, 3, 3), 2.0, 0.5))
    blank = StackedComposition((), weights(0.0, 0.0))
    for name, tensor in saved.state_dict().items():
        path, _, leaf = name.rpartition(".")
        getattr(blank.get_submodule(path), leaf).data = torch.empty_like(tensor)
    blank.load_state_dict(saved.state_dict())
    effects = torch.rand(2, 3)
    torch.testing.assert_close(blank.recall(effects), saved.recall(effects))
