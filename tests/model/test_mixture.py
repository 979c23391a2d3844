from __future__ import annotations

import pytest
import torch

from gpjepa.model.composed_responders import ComposedResponders
from gpjepa.model.composition import Composition, Members, PairInteraction, PairKernel
from gpjepa.model.distributions import NegativeBinomial, ZeroInflatedNegativeBinomial
from gpjepa.model.effect_composition import EffectComposition, Known
from gpjepa.model.mixture import (
    INDEPENDENT,
    LEAST_RATIO,
    SHARED,
    ResponderMixture,
    blank_mixture,
    responder_ratio,
)
from gpjepa.model.stacked import StackedComposition

SETS = torch.tensor([[0, -1], [1, -1], [0, 1]])
BELIEF = torch.tensor([[5.0, 5.0], [8.0, 2.0], [3.0, 7.0]])
PRIOR = torch.tensor([6.0, 4.0])


def mixture(rule: int = SHARED) -> ResponderMixture:
    return ResponderMixture(SETS, BELIEF, PRIOR, rule)


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize("fraction", [0.2, 0.5, 0.95, 1.0])
def test_responders_and_escapers_together_have_the_mean_of_all(fraction) -> None:
    ratio = torch.linspace(1.0 - 0.9 * fraction, 4.0, 20)
    own = responder_ratio(ratio, fraction)
    torch.testing.assert_close(fraction * own + 1.0 - fraction, ratio)


def test_a_loss_larger_than_responders_have_is_bounded() -> None:
    assert responder_ratio(torch.tensor([0.1]), 0.5).item() == pytest.approx(LEAST_RATIO)


def test_measured_sets_have_their_own_fraction_in_any_order_and_width() -> None:
    asked = torch.tensor([[1, 0, -1], [0, -1, -1], [-1, 1, -1]])
    torch.testing.assert_close(mixture().fraction(asked), torch.tensor([0.3, 0.5, 0.8]))


def test_nothing_escapes_the_empty_set() -> None:
    assert mixture().fraction(torch.tensor([[-1, -1]])).item() == 1.0


def test_sets_never_measured_have_the_prior() -> None:
    found = mixture().fraction(torch.tensor([[0, 2], [2, -1]]))
    torch.testing.assert_close(found, torch.tensor([0.6, 0.6]))


def test_independent_guides_multiply_where_all_members_are_measured() -> None:
    apart = ResponderMixture(SETS[:2], BELIEF[:2], PRIOR, INDEPENDENT)
    asked = torch.tensor([[0, 1], [0, 2], [0, -1], [2, -1]])
    torch.testing.assert_close(apart.fraction(asked), torch.tensor([0.4, 0.6, 0.5, 0.6]))
    torch.testing.assert_close(apart.beliefs(asked).sum(dim=1)[0], PRIOR.sum())


def test_a_set_with_cells_of_its_own_is_not_predicted_from_its_members() -> None:
    assert mixture(INDEPENDENT).fraction(torch.tensor([[0, 1]])).item() == pytest.approx(0.3)


def test_cells_respond_as_often_as_said_and_their_mean_is_kept() -> None:
    cells = 20_000
    before = NegativeBinomial(torch.full((cells, 3), 10.0), torch.ones(3))
    after = NegativeBinomial(torch.tensor([[20.0, 9.0, 10.0]]).expand(cells, 3), torch.ones(3))
    members = torch.tensor([[0, 1]]).expand(cells, 2)
    drawn = mixture()(members, before, after, generator())
    assert isinstance(drawn, NegativeBinomial)
    responds = drawn.mu[:, 0] != 10.0
    assert responds.float().mean().item() == pytest.approx(0.3, abs=0.02)
    torch.testing.assert_close(drawn.mu.mean(dim=0), after.mu[0], rtol=0.02, atol=0.0)
    expected = torch.tensor([10.0 + 10.0 / 0.3, 10.0 - 1.0 / 0.3, 10.0])
    torch.testing.assert_close(drawn.mu[responds][0], expected)
    torch.testing.assert_close(drawn.mu[~responds][0], before.mu[0])


def test_without_escapers_nothing_changes_and_nothing_is_drawn() -> None:
    everyone = ResponderMixture(SETS, torch.tensor([[9.0, 0.0]] * 3), PRIOR, SHARED)
    before, after = (NegativeBinomial(torch.rand(4, 3), torch.ones(3)) for _ in range(2))
    stream = generator()
    state = stream.get_state()
    assert everyone(torch.tensor([[0, -1]] * 4), before, after, stream) is after
    assert torch.equal(stream.get_state(), state)


def test_zero_inflated_counts_are_left_as_they_are() -> None:
    inflated = ZeroInflatedNegativeBinomial(torch.ones(2, 3), torch.ones(3), torch.zeros(2, 3))
    members = torch.tensor([[0, -1]] * 2)
    assert mixture()(members, inflated, inflated, generator()) is inflated


def test_a_saved_mixture_comes_back() -> None:
    whole = mixture(INDEPENDENT)
    made = blank_mixture(whole.state_dict())
    assert made is not None
    made.load_state_dict(whole.state_dict())
    asked = torch.tensor([[0, 1], [0, -1], [2, -1]])
    torch.testing.assert_close(made.beliefs(asked), whole.beliefs(asked))
    assert blank_mixture({}) is None


@pytest.fixture
def composing() -> ResponderMixture:
    """Return a mixture whose responders add what their members change on genes 0 and 2."""
    effects = torch.tensor([[0.5, -0.2], [0.4, 0.1]])
    known = Known(
        torch.tensor([0, 1, -1]),
        effects,
        effects,
        torch.zeros(2, 1),
        torch.ones(2, dtype=torch.bool),
        torch.eye(2),
        torch.tensor([0, 2]),
    )
    none = Members(
        torch.zeros(0, 2, 2).double(), torch.zeros(0, 2, 1).double(), torch.zeros(0, 2).long()
    )
    part = Composition(torch.ones(2).double(), PairInteraction(PairKernel(1.0), none).double())
    stacked = StackedComposition((part,), torch.tensor([1.0, 0.0, 0.0]).double())
    composition = EffectComposition(known, stacked, 4, True)
    composed = ComposedResponders(composition, torch.full((2, 3), 9.0), torch.zeros(2, 3))
    composed.change[:, [0, 2]] = effects
    return ResponderMixture(SETS, BELIEF, PRIOR, SHARED, composed)


def populations(cells: int) -> tuple[NegativeBinomial, NegativeBinomial, torch.Tensor]:
    before = NegativeBinomial(torch.full((cells, 3), 10.0), torch.ones(3))
    after = NegativeBinomial(torch.tensor([[20.0, 9.0, 10.0]]).expand(cells, 3), torch.ones(3))
    return before, after, torch.tensor([[0, 1]]).expand(cells, 2)


def test_composed_responders_have_the_sum_of_what_their_members_change(composing) -> None:
    before, after, members = populations(20_000)
    drawn = composing(members, before, after, generator())
    assert isinstance(drawn, NegativeBinomial)
    responds = drawn.mu[:, 1] != 10.0
    assert responds.float().mean().item() == pytest.approx(0.3, abs=0.02)
    expected = 10.0 * torch.exp(torch.tensor([0.9, -0.1]))
    torch.testing.assert_close(drawn.mu[responds][0, [0, 2]], expected)
    # what nothing is composed on keeps the mean of all cells
    assert drawn.mu[responds][0, 1].item() == pytest.approx(10.0 - 1.0 / 0.3)
    torch.testing.assert_close(drawn.mu[~responds][0], before.mu[0])


def test_the_mean_of_composed_cells_is_the_mean_that_is_said(composing) -> None:
    before, after, members = populations(20_000)
    drawn = composing(members, before, after, generator())
    said = composing.mean(members, before.mu, after.mu)
    torch.testing.assert_close(drawn.mu.mean(dim=0), said[0], rtol=0.02, atol=0.0)
    mixed = 10.0 * (0.3 * torch.exp(torch.tensor([0.9, -0.1])) + 0.7)
    torch.testing.assert_close(said[0, [0, 2]], mixed)
    assert said[0, 1].item() == pytest.approx(9.0)


def test_sets_that_are_not_composed_keep_the_decoded_mean(composing) -> None:
    before, after, _ = populations(1)
    for members in (torch.tensor([[0, -1]]), torch.tensor([[0, 2]]), torch.tensor([[-1, -1]])):
        assert composing.mean(members, before.mu, after.mu) is after.mu
        plain = mixture()(members, before, after, generator())
        assert isinstance(plain, NegativeBinomial)
        found = composing(members, before, after, generator())
        assert isinstance(found, NegativeBinomial)
        assert torch.equal(found.mu, plain.mu)


def test_cells_led_to_a_mean_keep_it_whatever_is_composed(composing) -> None:
    before, after, members = populations(20_000)
    drawn = composing(members, before, after, generator(), led=True)
    assert isinstance(drawn, NegativeBinomial)
    torch.testing.assert_close(drawn.mu.mean(dim=0), after.mu[0], rtol=0.02, atol=0.0)


def test_a_saved_mixture_comes_back_with_its_composition(composing) -> None:
    made = blank_mixture(composing.state_dict())
    assert made is not None
    made.load_state_dict(composing.state_dict(), strict=True)
    before, after, members = populations(4)
    torch.testing.assert_close(
        made.mean(members, before.mu, after.mu), composing.mean(members, before.mu, after.mu)
    )
