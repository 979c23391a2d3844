from __future__ import annotations

import pytest
import torch
from torch import nn

from gpjepa.model.perturbation import Condition, ConditionEncoder, ConditionSpec

MEASURED, NOVEL = torch.arange(4), torch.tensor([4, 5])


def test_rows_of_a_condition_keep_members_covariates_and_dose_together() -> None:
    whole = Condition(
        torch.tensor([[0, 1], [2, -1]]), torch.tensor([[5], [6]]), torch.tensor([1.0, 2.0])
    )
    picked = whole.rows(torch.tensor([1, 1, 0]))
    assert picked.members.tolist() == [[2, -1], [2, -1], [0, 1]]
    assert picked.covariates.tolist() == [[6], [6], [5]]
    assert picked.dose.tolist() == [2.0, 2.0, 1.0]
    assert whole.to(torch.device("cpu")).rows(torch.tensor([0])).dose.tolist() == [1.0]


def test_rows_of_a_condition_without_dose_have_none(given) -> None:
    assert given((0,), (1,)).rows(torch.tensor([0])).dose is None


def test_the_embedding_is_a_module_whose_parameters_train(embedding) -> None:
    assert isinstance(embedding, nn.Module)
    embedding.member_tokens(MEASURED).square().sum().backward()
    gradients = {name: p.grad for name, p in embedding.named_parameters()}
    assert {"shared", "residual", "project.weight", "out.0.weight"} <= set(gradients)
    assert all(g is not None and float(g.abs().sum()) > 0 for g in gradients.values())


def test_prior_features_are_kept_but_not_trained(embedding) -> None:
    assert "features" in embedding.state_dict()
    assert "features" not in dict(embedding.named_parameters())


def test_every_member_has_its_own_token(embedding) -> None:
    tokens = embedding.member_tokens(torch.arange(6)).detach()
    distance = torch.cdist(tokens, tokens) + 9.0 * torch.eye(6)
    assert float(distance.min()) > 1e-3


def test_a_member_without_data_is_placed_by_its_features_alone(embedding) -> None:
    before = embedding.member_tokens(NOVEL)
    with torch.no_grad():
        embedding.residual += 3.0
    assert torch.equal(embedding.member_tokens(NOVEL), before)
    embedding.features[4] += 1.0
    after = embedding.member_tokens(NOVEL)
    assert not torch.allclose(after[0], before[0])
    assert torch.equal(after[1], before[1])


def test_members_without_data_that_share_their_features_share_their_token(embedding) -> None:
    embedding.features[5] = embedding.features[4]
    tokens = embedding.member_tokens(NOVEL)
    assert torch.equal(tokens[0], tokens[1])


def test_hiding_a_measured_member_drops_its_own_residual_only(embedding) -> None:
    hidden = torch.tensor([False, True, False, False])
    plain, part = embedding.member_tokens(MEASURED), embedding.member_tokens(MEASURED, hidden)
    assert torch.equal(part[[0, 2, 3]], plain[[0, 2, 3]])
    with torch.no_grad():
        embedding.residual[1] = 0.0
    torch.testing.assert_close(part[1], embedding.member_tokens(MEASURED)[1])
    assert not torch.allclose(part[1], plain[1])


def test_feature_trust_scales_the_features_of_members_without_data_only(embedding) -> None:
    before = embedding.member_tokens(torch.arange(6))
    embedding.feature_trust.fill_(0.0)
    after = embedding.member_tokens(torch.arange(6))
    assert torch.equal(after[:4], before[:4])
    # Without any trust in features nothing is left to tell two such members apart.
    assert torch.equal(after[4], after[5])
    assert not torch.allclose(before[4], before[5])


def test_trust_is_one_for_measured_members_and_the_novel_scale_for_others(embedding) -> None:
    embedding.novel_scale.fill_(0.25)
    members = torch.tensor([[0, 5], [4, -1], [-1, -1]])
    assert embedding.trust(members).tolist() == [[1.0, 0.25], [0.25, 0.0], [0.0, 0.0]]


def test_what_was_chosen_on_validation_is_kept_with_the_weights(embedding) -> None:
    embedding.novel_scale.fill_(0.25)
    embedding.feature_trust.fill_(0.5)
    kept = embedding.state_dict()
    assert (float(kept["novel_scale"]), float(kept["feature_trust"])) == (0.25, 0.5)


def test_without_prior_features_only_the_residual_tells_members_apart() -> None:
    torch.manual_seed(0)
    own = ConditionEncoder(ConditionSpec(torch.zeros((3, 0)), 3), 8)
    tokens = own.member_tokens(torch.arange(3))
    assert own.project is None
    assert not torch.allclose(tokens[0], tokens[1])
    everyone = own.member_tokens(torch.arange(3), torch.ones(3, dtype=torch.bool))
    assert torch.equal(everyone[0], everyone[1])


def test_no_covariates_give_no_context_tokens(embedding, given) -> None:
    assert embedding.context_tokens(given((0,), ())).shape == (2, 0, 8)


@pytest.fixture
def contextual() -> ConditionEncoder:
    torch.manual_seed(1)
    return ConditionEncoder(ConditionSpec(torch.zeros((3, 2)), 3, (2, 5), dose=True), 8)


def test_each_covariate_and_the_dose_give_one_token(contextual) -> None:
    members = torch.tensor([[0], [0], [0]])
    levels = torch.tensor([[0, 4], [1, 4], [0, 4]])
    tokens = contextual.context_tokens(Condition(members, levels, torch.tensor([0.0, 1.0, 10.0])))
    assert tokens.shape == (3, 3, 8)
    assert torch.equal(tokens[0, :2], tokens[2, :2])
    assert not torch.allclose(tokens[0, 0], tokens[1, 0])
    assert torch.equal(tokens[0, 1], tokens[1, 1])
    assert not torch.allclose(tokens[0, 2], tokens[2, 2])


def test_how_a_member_is_perturbed_is_part_of_its_token() -> None:
    torch.manual_seed(0)
    features = torch.ones((4, 2))
    spec = ConditionSpec(features, 2, modality=torch.tensor([0, 1, 0, 1]))
    embedding = ConditionEncoder(spec, 8)
    tokens = embedding.member_tokens(torch.tensor([2, 3]))
    assert not torch.allclose(tokens[0], tokens[1])  # alike in all else
    with torch.no_grad():
        embedding.ways.weight[1] = embedding.ways.weight[0]
    same = embedding.member_tokens(torch.tensor([2, 3]))
    assert torch.allclose(same[0], same[1])
    assert ConditionEncoder(ConditionSpec(features, 2), 8).ways is None
