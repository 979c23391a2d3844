from __future__ import annotations

import pytest
import torch

from gpjepa.model.composed_responders import ComposedResponders, blank_composed
from gpjepa.model.composition import Composition, Members, PairInteraction, PairKernel
from gpjepa.model.effect_composition import EffectComposition, Known
from gpjepa.model.stacked import StackedComposition

EFFECTS = torch.tensor([[0.5, -0.2], [0.4, 0.1], [2.0, 2.0]])  # the third by relations alone
CHANGE = torch.tensor([[0.3, 9.0, 1.0], [0.1, 9.0, -0.4]])
VARIANCE = torch.tensor([[0.02, 1.0, 0.0], [0.02, 1.0, 0.0]])


@pytest.fixture
def composed() -> ComposedResponders:
    known = Known(
        torch.tensor([0, 1, 2, -1]),
        EFFECTS,
        EFFECTS,
        torch.zeros(3, 1),
        torch.tensor([True, True, False]),
        torch.eye(2),
        torch.tensor([0, 2]),
    )
    none = Members(
        torch.zeros(0, 2, 2).double(), torch.zeros(0, 2, 1).double(), torch.zeros(0, 2).long()
    )
    part = Composition(torch.ones(2).double(), PairInteraction(PairKernel(1.0), none).double())
    stacked = StackedComposition((part,), torch.tensor([1.0, 0.0, 0.0]).double())
    return ComposedResponders(EffectComposition(known, stacked, 4, True), CHANGE, VARIANCE)


def test_changes_are_between_composed_effects_and_shrunk_sums(composed) -> None:
    found = composed(torch.tensor([[0, 1], [1, 0]]))
    # .4³ / (.4² + .04) and a sum known exactly, beside the sums of composed effects
    expected = torch.tensor([(0.9 + 0.064 / 0.2) / 2, (-0.1 + 0.6) / 2])
    torch.testing.assert_close(found, expected.expand(2, 2))


def test_only_sets_of_members_with_cells_of_their_own_are_composed(composed) -> None:
    sets = torch.tensor([[0, 1], [0, -1], [0, 2], [0, 3], [-1, -1]])
    assert composed.composes(sets).tolist() == [True, False, False, False, False]


def test_a_change_that_is_not_known_at_all_counts_for_nothing(composed) -> None:
    composed.change.zero_()
    composed.variance.zero_()
    found = composed(torch.tensor([[0, 1]]))
    torch.testing.assert_close(found, torch.tensor([[0.45, -0.05]]))


def test_a_saved_module_comes_back(composed) -> None:
    made = blank_composed(composed.state_dict())
    assert made is not None
    made.load_state_dict(composed.state_dict(), strict=True)
    asked = torch.tensor([[1, 0, -1]])
    torch.testing.assert_close(made(asked), composed(asked))
    assert blank_composed({}) is None
