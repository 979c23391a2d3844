from __future__ import annotations

from itertools import combinations

import torch

from gpjepa.model.composition import Composition, Members, PairInteraction, PairKernel
from gpjepa.model.pair_table import pair_table
from gpjepa.model.recall import Recall
from gpjepa.model.stacked import StackedComposition

MEMBERS, DIRECTIONS, FEATURES = 6, 5, 3


def parts() -> tuple[Members, StackedComposition]:
    """Six members, and two compositions of other widths with all parts of their kernels awake."""
    generator = torch.Generator().manual_seed(0)

    def normal(*shape: int) -> torch.Tensor:
        return torch.randn(shape, generator=generator, dtype=torch.float64)

    effects, priors = normal(MEMBERS, 1, DIRECTIONS), 0.5 * normal(MEMBERS, 1, FEATURES)
    members = Members(effects, priors, torch.arange(MEMBERS)[:, None])
    compositions = []
    for width in (DIRECTIONS, DIRECTIONS - 2):
        ids = torch.tensor([[0, 1], [0, 2], [3, 5]])
        anchors = Members(effects[ids, 0, :width], priors[ids, 0], ids)
        kernel = PairKernel(1.3).double()
        with torch.no_grad():
            kernel.log_weight.copy_(normal(5) * 0.3)
            kernel.log_bandwidth.copy_(normal(2) * 0.3)
        interaction = PairInteraction(kernel, anchors)
        interaction.weights.copy_(normal(3, width))
        compositions.append(Composition(normal(width).abs(), interaction))
    weights = torch.tensor([0.5, 0.2, 0.2, 0.1], dtype=torch.float64)
    states = normal(7, DIRECTIONS)
    precision = torch.eye(7, dtype=torch.float64) * 0.8
    recall = Recall(states, precision, 2.0, 0.6)
    return members, StackedComposition(compositions, weights, recall)


def test_pairs_and_larger_sets_are_composed_as_by_the_composition_itself() -> None:
    members, stacked = parts()
    table = pair_table(stacked, members)
    assert table is not None
    for size in (2, 3, 4):
        sets = torch.tensor(list(combinations(range(MEMBERS), size)))
        terms = torch.zeros(len(sets), DIRECTIONS, dtype=torch.float64)
        for one, other in combinations(range(size), 2):
            terms += table.pairs(sets[:, one], sets[:, other])
        found = table.composed(members.effects[sets, 0].sum(dim=1), terms)
        whole = stacked(Members(members.effects[sets, 0], members.priors[sets, 0], sets))
        torch.testing.assert_close(found, whole.first_order + whole.second_order)


def test_the_order_of_a_pair_cannot_matter() -> None:
    members, stacked = parts()
    table = pair_table(stacked, members)
    assert table is not None
    one, other = torch.tensor([0, 3, 4]), torch.tensor([2, 1, 5])
    torch.testing.assert_close(table.pairs(one, other), table.pairs(other, one))


def test_without_a_composition_there_is_no_table() -> None:
    assert pair_table(None, parts()[0]) is None
