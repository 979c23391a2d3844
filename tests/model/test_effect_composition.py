import pytest
import torch

from gpjepa.model.composition import Composition, Members, PairInteraction, PairKernel
from gpjepa.model.effect_composition import EffectComposition, Known, blank
from gpjepa.model.error_bars import ErrorBars, unjudged
from gpjepa.model.stacked import StackedComposition

LATENT, DIRECTIONS, GENES = 3, 4, 5
NAMES = 6  # the first three measured alone, the fourth only in sets, two known by relations


def rescaled(factor: float, anchors: int = 0) -> Composition:
    effects = torch.ones(anchors, 2, DIRECTIONS, dtype=torch.float64)
    ids = torch.arange(2 * anchors).view(anchors, 2)
    priors = torch.zeros(anchors, 2, 2, dtype=torch.float64)
    interaction = PairInteraction(PairKernel(1.0), Members(effects, priors, ids)).double()
    return Composition(torch.full((DIRECTIONS,), factor, dtype=torch.float64), interaction)


def known() -> Known:
    generator = torch.Generator().manual_seed(0)
    basis = torch.linalg.qr(torch.randn(GENES, DIRECTIONS, generator=generator))[0].T
    return Known(
        torch.tensor([0, 1, 2, -1, 3, 4]),
        torch.randn(5, DIRECTIONS, generator=generator),
        torch.randn(5, DIRECTIONS, generator=generator),
        torch.zeros(5, 2),
        torch.tensor([True, True, True, False, False]),
        basis.contiguous(),
        torch.arange(GENES),
    )


def bars(parts: int) -> ErrorBars:
    scales = unjudged(GENES, 5, [1.0] * parts)
    return ErrorBars(
        scales._replace(
            together=torch.arange(1.0, GENES + 1).double(),
            alone=torch.ones(GENES).double(),
            doubt=torch.tensor([0.0, 0.0, 0.0, 2.0, 3.0]).double(),
        )
    )


@pytest.fixture
def composition() -> EffectComposition:
    stacked = StackedComposition((rescaled(0.5),), torch.tensor([1.0, 0, 0], dtype=torch.float64))
    module = EffectComposition(known(), stacked, LATENT, True)
    generator = torch.Generator().manual_seed(1)
    jacobian = torch.randn(GENES, LATENT, generator=generator)
    module.align(jacobian, torch.randn(3, GENES, generator=generator), 1e-6)
    return module


def test_before_alignment_nothing_is_shifted():
    module = EffectComposition(known(), None, LATENT, True)
    found = module(torch.tensor([[0, 1], [4, -1]]))
    assert not found.alone.any()
    assert not found.together.any()


def test_a_member_alone_is_shifted_by_what_its_decoded_effect_lacks(composition):
    found = composition(torch.tensor([[0, -1], [-1, -1]]))
    lacking = composition.denoised[0] - composition.own[0]
    torch.testing.assert_close(found.alone[0], lacking @ composition.readout)
    assert not found.alone[1].any()
    assert not found.together.any()
    assert not found.composed.any()


def test_a_set_is_shifted_by_its_composed_effect_beyond_the_sum(composition):
    found = composition(torch.tensor([[0, 2]]))
    beyond = 0.5 * composition.effects[[0, 2]].sum(dim=0) - composition.denoised[[0, 2]].sum(dim=0)
    torch.testing.assert_close(found.together[0], beyond @ composition.readout)
    assert found.composed.tolist() == [True]


def test_the_readout_undoes_the_decoder_where_it_can():
    module = EffectComposition(known(), None, LATENT, True)
    jacobian = module.basis.T[:, :LATENT] @ torch.diag(torch.tensor([1.0, 2.0, 3.0]))
    module.align(jacobian, torch.zeros(3, GENES), 1e-9)
    wanted = torch.tensor([[0.3, -0.2, 0.5, 0.0]])
    torch.testing.assert_close((wanted @ module.readout) @ jacobian.T, wanted @ module.basis)


def test_the_order_of_a_set_and_its_padding_cannot_matter(composition):
    sets = torch.tensor([[0, 2, -1], [2, -1, 0], [2, 0, -1]])
    found = composition(sets).together
    torch.testing.assert_close(found[0], found[1])
    torch.testing.assert_close(found[0], found[2])


def test_a_set_of_three_is_composed(composition):
    found = composition(torch.tensor([[0, 1, 2]]))
    beyond = 0.5 * composition.effects[:3].sum(dim=0) - composition.denoised[:3].sum(dim=0)
    torch.testing.assert_close(found.together[0], beyond @ composition.readout)


def test_a_member_known_by_relations_is_shifted_by_its_predicted_effect(composition):
    found = composition(torch.tensor([[4, -1]]))
    torch.testing.assert_close(found.alone[0], composition.denoised[3] @ composition.readout)
    placed = composition.places(torch.tensor([[0, 3, 4, -1]]))
    assert placed.tolist() == [[False, False, True, False]]


def test_a_set_with_a_member_of_unknown_effect_is_left_to_the_transformer(composition):
    found = composition(torch.tensor([[0, 3], [0, 1]]))
    assert found.composed.tolist() == [False, True]
    assert not found.together[0].any()


def test_a_blank_takes_the_shapes_of_a_saved_one_whatever_its_size():
    weights = torch.tensor([0.5, 0.25, 0.25, 0.0], dtype=torch.float64)
    stacked = StackedComposition((rescaled(0.5), rescaled(0.7, anchors=3)), weights)
    saved = EffectComposition(known(), stacked, LATENT, True)
    made = blank(saved.state_dict(), LATENT)
    made.load_state_dict(saved.state_dict(), strict=True)
    sets = torch.tensor([[0, 2], [1, 4]])
    torch.testing.assert_close(made(sets).together, saved(sets).together)
    assert blank({}, LATENT) is None


def test_error_bars_are_saved_with_the_composition_and_a_run_without_them_has_none():
    stacked = StackedComposition((rescaled(0.5),), torch.tensor([1.0, 0, 0], dtype=torch.float64))
    saved = EffectComposition(known(), stacked, LATENT, True, bars(1))
    made = blank(saved.state_dict(), LATENT)
    made.load_state_dict(saved.state_dict(), strict=True)
    sets = torch.tensor([[0, 2], [1, 4], [5, -1]])
    found = made.spread(sets)
    torch.testing.assert_close(found, saved.spread(sets))
    torch.testing.assert_close(found[2], torch.full((GENES,), 3.0))
    assert (found[:2] > 0).all()
    older = {name: value for name, value in saved.state_dict().items() if "errors" not in name}
    without = blank(older, LATENT)
    without.load_state_dict(older, strict=True)
    assert torch.isnan(without.spread(sets)).all()


def test_what_was_measured_or_is_not_composed_has_no_error_bar():
    module = EffectComposition(known(), None, LATENT, True, bars(0))
    found = module.spread(torch.tensor([[0, -1], [0, 1], [3, -1], [-1, -1], [4, 0]]))
    assert torch.isnan(found).all()


def test_a_departure_is_the_composed_effect_less_the_effects_of_the_members(composition):
    members = torch.tensor([[0, 2], [0, -1], [0, 3]])
    own = composition.own_effects(members)
    expected = composition.effects[[0, 2]].sum(dim=0) @ composition.basis
    torch.testing.assert_close(own[0], expected)
    found = composition.departure(members)
    torch.testing.assert_close(found[0], -0.5 * expected)
    assert not found[1:].any()


PAIRS = torch.tensor([[0, 1], [1, 0], [0, 2], [1, 2], [0, 3], [3, 5]])


def test_without_composition_pairs_do_together_what_trained_or_what_features_say():
    trained = torch.tensor([[0, 1], [2, 3]])
    module = EffectComposition(known(), None, LATENT, True, trained=trained)
    assert module.learned(PAIRS).tolist() == [True, True, False, False, True, True]
    none = EffectComposition(known(), None, LATENT, True, trained=trained[:0])
    assert none.learned(PAIRS).tolist() == [False, False, False, False, True, True]
    none.priors[:2, 1] = 0.5  # the first two names are related to others
    assert none.learned(PAIRS).tolist() == [True, True, False, False, True, True]


def test_where_pairs_are_composed_or_an_older_run_does_not_say_nothing_is_held_back(composition):
    composition.trained = torch.tensor([[0, 1]])
    assert composition.learned(PAIRS).all()
    assert EffectComposition(known(), None, LATENT, True).learned(PAIRS).all()


def test_trained_pairs_are_saved_with_the_composition():
    saved = EffectComposition(known(), None, LATENT, True, trained=torch.tensor([[0, 1]]))
    made = blank(saved.state_dict(), LATENT)
    made.load_state_dict(saved.state_dict(), strict=True)
    assert made.learned(PAIRS).tolist() == [True, True, False, False, True, True]
    older = {name: value for name, value in saved.state_dict().items() if name != "trained"}
    assert blank(older, LATENT).trained is None
