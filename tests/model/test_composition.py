import pytest
import torch

from gpjepa.model.composition import Composition, Members, PairInteraction, PairKernel, pairs_of


def some_members(count: int, size: int, seed: int = 0) -> Members:
    """Return sets of different genes out of 20; a gene is the same wherever it appears."""
    generator = torch.Generator().manual_seed(99)
    effects = torch.randn(20, 6, generator=generator, dtype=torch.float64)
    priors = torch.randn(20, 3, generator=generator, dtype=torch.float64)
    priors = priors / priors.norm(dim=1, keepdim=True)
    draw = torch.Generator().manual_seed(seed)
    sets = [torch.randperm(20, generator=draw)[:size] for _ in range(count)]
    ids = torch.stack(sets) if sets else torch.zeros(0, size, dtype=torch.int64)
    return Members(effects[ids], priors[ids], ids)


def swapped(members: Members) -> Members:
    return Members(*(part.flip(1) for part in members))


@pytest.fixture
def fitted() -> PairInteraction:
    interaction = PairInteraction(PairKernel(2.0), some_members(9, 2)).double()
    interaction.requires_grad_(False)
    generator = torch.Generator().manual_seed(1)
    interaction.solve(
        torch.randn(9, 6, generator=generator, dtype=torch.float64), torch.tensor(0.3)
    )
    return interaction


def test_the_kernel_does_not_see_the_order_of_members():
    kernel = PairKernel(2.0).double()
    left, right = some_members(5, 2, 1), some_members(4, 2, 2)
    expected = kernel(left, right)
    torch.testing.assert_close(kernel(swapped(left), right), expected)
    torch.testing.assert_close(kernel(left, swapped(right)), expected)
    torch.testing.assert_close(kernel(right, left).T, expected)


def test_the_kernel_is_positive_definite_and_knows_its_diagonal():
    kernel = PairKernel(2.0).double()
    pairs = some_members(12, 2)
    matrix = kernel(pairs, pairs)
    assert torch.linalg.eigvalsh(matrix).min() > -1e-9
    torch.testing.assert_close(kernel.diagonal(pairs), torch.diagonal(matrix))


def test_an_interaction_returns_to_its_measured_pairs_without_noise():
    anchors = some_members(9, 2, 10)
    interaction = PairInteraction(PairKernel(2.0), anchors).double().requires_grad_(False)
    residuals = torch.randn(9, 6, dtype=torch.float64, generator=torch.Generator().manual_seed(4))
    interaction.solve(residuals, torch.tensor(1e-9))
    torch.testing.assert_close(interaction(anchors), residuals, atol=1e-4, rtol=0)
    assert interaction.variance(anchors).max() < 1e-6
    assert interaction.variance(some_members(3, 2, 8)).min() > 1e-3


def test_without_anchors_there_is_no_interaction():
    interaction = PairInteraction(PairKernel(1.0), some_members(0, 2)).double()
    assert not interaction(some_members(4, 2)).any()


def test_one_member_is_left_as_it_is_and_several_are_rescaled(fitted):
    factors = torch.full((6,), 0.5, dtype=torch.float64)
    composition = Composition(factors, fitted)
    one = some_members(3, 1)
    composed = composition(one)
    torch.testing.assert_close(composed.first_order, one.effects[:, 0])
    assert not composed.second_order.any()
    two = some_members(3, 2)
    torch.testing.assert_close(composition(two).first_order, 0.5 * two.effects.sum(dim=1))


def test_a_set_has_the_interactions_of_all_its_pairs_whatever_its_order(fitted):
    composition = Composition(torch.ones(6, dtype=torch.float64), fitted)
    three = some_members(2, 3)
    expected = sum(
        fitted(three.pick(torch.arange(2), torch.tensor([[a, b]] * 2)))
        for a, b in ((0, 1), (0, 2), (1, 2))
    )
    torch.testing.assert_close(composition(three).second_order, expected)
    torch.testing.assert_close(composition(swapped(three)).second_order, expected)


def test_absent_members_add_nothing(fitted):
    composition = Composition(torch.ones(6, dtype=torch.float64), fitted)
    two, padded = some_members(2, 2), some_members(2, 3)
    ids = torch.cat((two.ids, torch.full((2, 1), -1)), dim=1)
    effects = torch.cat((two.effects, padded.effects[:, 2:]), dim=1)
    priors = torch.cat((two.priors, padded.priors[:, 2:]), dim=1)
    composed = composition(Members(effects, priors, ids))
    torch.testing.assert_close(composed.first_order, composition(two).first_order)
    torch.testing.assert_close(composed.second_order, composition(two).second_order)


def test_pairs_of_sets_are_listed_once():
    present = torch.tensor([[1, 1, 1], [1, 0, 1], [1, 0, 0]], dtype=torch.bool)
    owner, columns = pairs_of(present)
    assert owner.tolist() == [0, 0, 0, 1]
    assert columns.tolist() == [[0, 1], [0, 2], [1, 2], [0, 2]]
