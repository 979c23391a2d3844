import math

import pytest
import torch

from gpjepa.model.composition import Composition, Members, PairInteraction, PairKernel
from gpjepa.model.error_bars import ErrorBars, describe, pair_doubt, strength, unjudged
from gpjepa.model.stacked import StackedComposition

BASIS = torch.eye(2, dtype=torch.float64)


def number(*values) -> torch.Tensor:
    return torch.tensor(values, dtype=torch.float64)


def of(ids, effects) -> Members:
    effects = torch.tensor(effects, dtype=torch.float64)
    return Members(effects, torch.zeros(*effects.shape[:2], 1).double(), torch.tensor(ids))


def nothing() -> Members:
    return Members(torch.zeros(0, 2, 2).double(), torch.zeros(0, 2, 1).double(), torch.zeros(0, 2))


def kernel(anchors: Members, noise: float, factor: float = 1.0) -> Composition:
    interaction = PairInteraction(PairKernel(2.0), anchors).double()
    interaction.requires_grad_(False)
    interaction.solve(torch.zeros(len(anchors.ids), 2).double(), number(noise)[0])
    return Composition(torch.full((2,), factor, dtype=torch.float64), interaction)


def halved() -> StackedComposition:
    return StackedComposition((kernel(nothing(), 1.0, 0.5),), number(1.0, 0.0, 0.0))


def bars(**others) -> ErrorBars:
    scales = unjudged(2, 3, [1.0])._replace(
        together=number(2.0, 4.0), alone=number(1.0, 3.0), doubt=number(0.0, 0.0, 2.0)
    )
    return ErrorBars(scales._replace(**others))


PAIR = [[[3.0, 0.0], [0.0, 4.0]]]


def test_doubt_without_a_kernel_is_the_root_of_the_length_of_the_sum():
    found = pair_doubt(kernel(nothing(), 1.0), of([[0, 1]], PAIR), number(0.3)[0])
    torch.testing.assert_close(found, number(2.5**0.5))


def test_doubt_of_a_pair_is_smaller_where_it_was_measured():
    part = kernel(of([[0, 1]], [[[1.0, 0.0], [0.0, 1.0]]]), 0.01)
    sets = of([[0, 1], [2, 3]], [[[1.0, 0.0], [0.0, 1.0]], [[-1.0, 0.0], [0.0, -1.0]]])
    near, far = pair_doubt(part, sets, number(0.01)[0])
    assert near < 0.5 * far


def test_traits_are_doubt_interaction_and_what_the_directions_leave_out():
    found = describe(halved(), of([[0, 1]], PAIR), number(1.0))
    torch.testing.assert_close(found[0, :2], torch.log(number(2.5**0.5, 2.5 + 0.005)))
    torch.testing.assert_close(found[0, 2], torch.log(number(0.005))[0])


def test_a_set_has_the_gene_scale_times_its_own_factor():
    sets = of([[0, 1]], PAIR)
    plain = bars(level=number(math.log(3.0))[0])(sets, halved(), BASIS)
    torch.testing.assert_close(plain[0], number(6.0, 12.0))
    steep = bars(slopes=number(2.0, 0.0, 0.0))(sets, halved(), BASIS)
    torch.testing.assert_close(steep[0], 2.5 * number(2.0, 4.0))
    restless = bars(restless=number(math.log(2.0), math.log(5.0), 9.0))(sets, halved(), BASIS)
    torch.testing.assert_close(restless[0], 10 * number(2.0, 4.0))


def test_traits_far_from_what_was_learned_from_count_as_far_at_most():
    sets = of([[0, 1]], [[[3e9, 0.0], [0.0, 4e9]]])
    found = bars(slopes=number(1.0, 0.0, 0.0))(sets, halved(), BASIS)
    torch.testing.assert_close(found[0], math.exp(3.0) * number(2.0, 4.0))


def test_a_gene_that_a_member_moves_far_is_less_certain_than_the_others():
    moved = strength(torch.tensor(PAIR, dtype=torch.float64), number(1.0, 1.0))
    expected = torch.log(number(10.0, 17.0))
    torch.testing.assert_close(moved[0], expected - expected.mean())
    found = bars(together=number(1.0, 1.0), reach=number(0.5)[0])(
        of([[0, 1]], PAIR), halved(), BASIS
    )
    torch.testing.assert_close(found[0], torch.exp(0.5 * moved[0]))


def test_a_guessed_gene_alone_has_its_own_doubt_and_a_measured_one_none():
    found = bars()(of([[2], [0]], [[[1.0, 0.0]], [[1.0, 0.0]]]), None, BASIS)
    torch.testing.assert_close(found[0], number(2.0, 6.0))
    assert torch.isnan(found[1]).all()


def test_variances_of_a_set_and_of_its_guessed_members_add():
    found = bars()(of([[0, 2]], PAIR), halved(), BASIS)
    torch.testing.assert_close(found[0], torch.sqrt(number(4.0 + 4.0, 16.0 + 36.0)))


@pytest.mark.parametrize("stacked", [None, "unjudged"])
def test_sets_without_evidence_have_none(stacked):
    sets = of([[0, 1]], PAIR)
    if stacked is None:
        assert torch.isnan(bars()(sets, None, BASIS)).all()
    else:
        assert torch.isnan(ErrorBars(unjudged(2, 3, [1.0]))(sets, halved(), BASIS)).all()
