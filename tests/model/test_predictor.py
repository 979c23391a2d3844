from __future__ import annotations

import itertools
from collections.abc import Iterator

import pytest
import torch

from gpjepa.model.effect_composition import EffectComposition, Known
from gpjepa.model.perturbation import ConditionEncoder, ConditionSpec
from gpjepa.model.predictor import (
    LOG_VARIANCE_LIMIT,
    AttentionBlock,
    ConditionalTransformer,
    Prediction,
    Predictor,
)

LATENT, WIDTH, TOKENS = 6, 8, 4


@pytest.fixture(autouse=True)
def without_gradients() -> Iterator[None]:
    with torch.no_grad():
        yield


@pytest.fixture
def predict(awake, embedding, state, given):
    """Predict for sets of members from one state, with every part of the predictor awake."""

    def answer(*sets: tuple[int, ...]) -> Prediction:
        return awake(state.expand(len(sets), -1), given(*sets), embedding)

    return answer


def same(one: torch.Tensor, other: torch.Tensor) -> None:
    torch.testing.assert_close(one, other, rtol=1e-5, atol=1e-5)


def test_a_prediction_departs_from_the_state_that_it_was_given(predict, state) -> None:
    same(predict((0,), (0, 1)).start, state.expand(2, -1))


@pytest.mark.parametrize("members", [(0, 1), (0, 1, 2), (3, 5, 0, 2)])
def test_order_of_members_in_a_combination_is_irrelevant(predict, members) -> None:
    orders = list(itertools.permutations(members))[:8]
    found = predict(*orders)
    for part in (found.mean, found.log_variance, found.first_order, found.second_order):
        same(part, part[:1].expand_as(part))


def test_padding_is_irrelevant_wherever_it_stands(awake, embedding, state, given) -> None:
    plain = awake(state, given((0, 1)), embedding)
    for padded in ((0, 1, -1), (0, -1, 1), (-1, 1, -1, 0)):
        found = awake(state, given(padded), embedding)
        same(found.mean, plain.mean)
        same(found.log_variance, plain.log_variance)


def test_a_batch_of_mixed_sets_is_predicted_as_each_set_by_itself(predict) -> None:
    sets = ((0,), (), (1, 2), (2, 1, 0), (4,), (3, 5))
    together = predict(*sets)
    for row, members in enumerate(sets):
        alone = predict(members)
        for part in ("mean", "log_variance", "first_order", "second_order"):
            same(getattr(together, part)[row], getattr(alone, part)[0])


def test_pair_shifts_are_zero_at_initialisation(fresh, embedding, state, given) -> None:
    found = fresh(state.expand(2, -1), given((0, 1), (0, 1, 2)), embedding)
    assert float(found.second_order.abs().max()) == 0.0
    assert float(found.first_order.abs().min()) > 0.0


def test_the_empty_set_leaves_the_mean_in_place(predict, state) -> None:
    found = predict((), (0,))
    assert torch.equal(found.mean[0], state[0])
    assert not torch.allclose(found.mean[1], state[0])


def test_a_combination_shifts_by_the_sum_of_its_singles(predict) -> None:
    singles = predict((0,), (1,), (3,)).first_order
    same(predict((0, 1)).first_order[0], singles[:2].sum(dim=0))
    same(predict((0, 1, 3)).first_order[0], singles.sum(dim=0))


def test_a_set_of_three_adds_the_shifts_of_its_pairs(predict) -> None:
    pairs = predict((0, 1), (0, 3), (1, 3)).second_order
    assert float(pairs.abs().min()) > 0.0
    same(predict((0, 1, 3)).second_order[0], pairs.sum(dim=0))


def test_the_mean_is_the_state_plus_first_and_second_order(predict, state) -> None:
    found = predict((0, 1), (2, 3), (0, 1, 2), (1,))
    same(found.mean, state + found.first_order + found.second_order)
    assert float(found.second_order[3].abs().max()) == 0.0


def test_the_pair_shift_belongs_to_the_pair(predict) -> None:
    shifts = predict((0, 1), (0, 2), (1, 2)).second_order
    assert float((torch.cdist(shifts, shifts) + torch.eye(3)).min()) > 1e-3


def test_the_log_variance_is_that_of_the_whole_set(predict, awake, embedding, state) -> None:
    sets = ((), (0,), (0, 1), (0, 1, 2), (0, 1, 2, 3))
    spread = predict(*sets).log_variance
    assert float((torch.cdist(spread, spread) + torch.eye(5)).min()) > 1e-3
    for row, members in enumerate(sets):
        tokens = embedding.member_tokens(torch.tensor(members, dtype=torch.long)).unsqueeze(0)
        present = torch.ones(tokens.shape[:2], dtype=torch.bool)
        same(spread[row], awake.transformer(state, tokens, present)[2][0])


def test_the_log_variance_stays_within_its_limit(awake, embedding, state, given) -> None:
    awake.transformer.log_variance.weight *= 1e4
    spread = awake(state.expand(3, -1), given((0,), (0, 1), ()), embedding).log_variance
    assert float(spread.abs().max()) <= LOG_VARIANCE_LIMIT
    assert float(spread.abs().max()) > 0.9 * LOG_VARIANCE_LIMIT


def test_what_a_perturbation_does_depends_on_the_cell(awake, embedding, state, given) -> None:
    states = torch.cat((state, state.flip(1)))
    shift = awake(states, given((0,), (0,)), embedding).first_order
    other = awake(states, given((1,), (1,)), embedding).first_order
    assert float((shift[0] - shift[1]).norm()) > 0.01
    # Not one shift per cell plus one per perturbation: their cross term is there too.
    assert float((shift[0] - shift[1] - other[0] + other[1]).norm()) > 0.01


def test_ablating_one_cell_token_changes_how_the_condition_acts_on_the_others(embedding) -> None:
    torch.manual_seed(0)
    own = ConditionalTransformer(LATENT, WIDTH, TOKENS, 2, 2)
    own.first.weight[:, WIDTH:] = 0.0  # read the first cell token only
    state = torch.randn(1, LATENT)
    present = torch.ones((1, 1), dtype=torch.bool)

    def contrast() -> torch.Tensor:
        one, two = (embedding.member_tokens(torch.tensor([m])).unsqueeze(0) for m in (0, 1))
        return own(state, one, present)[0] - own(state, two, present)[0]

    before = contrast()
    last = slice((TOKENS - 1) * WIDTH, None)
    own.split.weight[last] = 0.0
    own.split.bias[last] = 0.0
    change = (contrast() - before).norm() / before.norm()
    assert float(change) > 0.01


def test_absent_tokens_are_not_looked_at() -> None:
    torch.manual_seed(1)
    block = AttentionBlock(WIDTH, 2)
    tokens = torch.randn(2, 5, WIDTH)
    present = torch.tensor([[True, True, True, False, False]]).expand(2, -1)
    changed = tokens.clone()
    changed[:, 3:] += 10.0
    assert torch.equal(block(tokens, present)[:, :3], block(changed, present)[:, :3])
    same(block(tokens, present)[:, :3], block(tokens[:, :3], present[:, :3]))


def test_the_novel_scale_scales_the_shift_of_unmeasured_members_only(predict, embedding) -> None:
    sets = ((0,), (4,), (0, 1), (0, 4), (4, 5))
    before = predict(*sets)
    embedding.novel_scale.fill_(0.5)
    after = predict(*sets)
    first = before.first_order
    same(after.first_order[0], first[0])
    same(after.first_order[1], 0.5 * first[1])
    same(after.first_order[2], first[2])
    same(after.first_order[3], first[0] + 0.5 * first[1])
    same(after.second_order[2], before.second_order[2])
    same(after.second_order[3], 0.5 * before.second_order[3])
    same(after.second_order[4], 0.25 * before.second_order[4])
    belief = torch.tensor([[1.0], [0.5], [1.0], [0.5], [0.25]])
    same(after.log_variance, before.log_variance + 2.0 * belief.log())


def test_an_unmeasured_member_that_is_not_trusted_at_all_leaves_the_cell_as_it_was(
    predict, embedding, state
) -> None:
    embedding.novel_scale.fill_(0.0)
    found = predict((4,), (0, 4), (0,))
    assert torch.equal(found.mean[0], state[0])
    same(found.mean[1], found.mean[2])
    assert bool(torch.isfinite(found.log_variance).all())
    assert float(found.log_variance[0].max()) < float(found.log_variance[2].min())


def test_a_gene_with_features_but_no_data_differs_from_control_and_from_another(predict) -> None:
    means = predict((), (4,), (5,), (0,)).mean
    assert float((torch.cdist(means, means) + torch.eye(4)).min()) > 0.01


def test_the_context_changes_what_a_perturbation_does_but_not_control(given, awaken) -> None:
    torch.manual_seed(2)
    embedding = ConditionEncoder(ConditionSpec(torch.zeros((3, 2)), 3, (2,)), WIDTH)
    own = Predictor(LATENT, WIDTH, TOKENS, 2, 2)
    awaken(own)
    state = torch.randn(1, LATENT).expand(2, -1)
    here, there = (own(state, given((0,), (), levels=(x,)), embedding) for x in (0, 1))
    assert float((here.mean[0] - there.mean[0]).norm()) > 0.01
    assert torch.equal(here.mean[1], there.mean[1])
    assert float((here.log_variance[1] - there.log_variance[1]).norm()) > 0.001


@pytest.fixture
def free(awaken) -> Predictor:
    torch.manual_seed(3)
    own = Predictor(LATENT, WIDTH, TOKENS, 2, 2, form="free")
    awaken(own)
    return own


def test_the_free_form_is_no_sum_of_singles_and_knows_no_order(
    free, embedding, state, given
) -> None:
    found = free(state.expand(4, -1), given((0, 1), (1, 0), (0,), (1,)), embedding)
    same(found.mean[0], found.mean[1])
    gap = found.first_order[0] - found.first_order[2] - found.first_order[3]
    assert float(gap.norm()) > 0.01
    assert float(found.second_order.abs().max()) == 0.0


def test_the_free_form_leaves_the_mean_of_the_empty_set_in_place(
    free, embedding, state, given
) -> None:
    found = free(state.expand(2, -1), given((), (0, 1, 2)), embedding)
    assert torch.equal(found.mean[0], state[0])
    assert float((found.mean[1] - state[0]).norm()) > 0.01


def test_without_pair_shifts_the_mean_is_the_state_and_first_order_and_the_spread_stays(
    predict, state
) -> None:
    found = predict((0, 1), (0, 1, 2), (3,))
    plain = found.without_pairs()
    same(plain.mean, state + found.first_order)
    assert torch.equal(plain.log_variance, found.log_variance)
    assert float((found.mean - plain.mean)[:2].abs().min()) > 0
    same(plain.mean[2], found.mean[2])


def test_rows_of_a_prediction_are_those_of_its_cells(predict) -> None:
    found, alone = predict((0,), (1, 2), (4,)), predict((1, 2), (0,))
    picked = found.rows(torch.tensor([1, 0]))
    for part in ("mean", "log_variance", "first_order", "second_order"):
        same(getattr(picked, part), getattr(alone, part))


def test_members_without_features_do_together_what_trained_or_what_an_unknown_one_may(
    predict, awake
) -> None:
    free = predict((0, 1), (0, 2), (0, 3), (0, 1, 2))
    known = Known(
        torch.tensor([0, 1, 2, -1, -1, -1]),
        torch.zeros(3, 2),
        torch.zeros(3, 2),
        torch.zeros(3, 1),
        torch.ones(3, dtype=torch.bool),
        torch.eye(2, 4),
        torch.arange(4),
    )
    awake.composition = EffectComposition(known, None, LATENT, True, trained=torch.tensor([[0, 1]]))
    held = predict((0, 1), (0, 2), (0, 3), (0, 1, 2))
    same(held.second_order[[0, 2]], free.second_order[[0, 2]])
    assert not held.second_order[1].any()
    same(held.second_order[3], free.second_order[0])
    same(held.first_order, free.first_order)
