from __future__ import annotations

import copy

import numpy as np
import pytest
import torch
from torch import nn

from gpjepa.core.random import torch_stream
from gpjepa.data.perturbseq import read
from gpjepa.model.variational import HeadOutput, PredictiveHead, RecognitionHead
from gpjepa.training.ema import make_teacher
from gpjepa.training.prepare import prepare

CPU = torch.device("cpu")
MODES = {
    "finetune": {},
    "frozen": {"fit": {"encoder": "frozen"}},
    "predictive": {"head": {"recognition": "predictive"}},
    "zinb": {"decoder": {"distribution": "zinb", "hidden": 8}},
    "random pairing": {"predictor": {"pairing": "random"}},
    "frozen predictive zinb": {
        "fit": {"encoder": "frozen"},
        "head": {"recognition": "predictive"},
        "decoder": {"distribution": "zinb"},
    },
}


@pytest.fixture(scope="module")
def rich(tiny):
    """Data with every kind of condition: combinations, batch, cell type, dose and features."""
    from gpjepa.data.feature_table import GeneFeatures

    adata = tiny.make_cells(batches=2, cell_types=2, doses=(1.0, 5.0))
    data = read(adata, dose="dose", announce=False)
    values = np.random.default_rng(0).normal(size=(7, 3)).astype(np.float32)
    features = GeneFeatures((*"ABCDEF", "NEW"), values)
    return prepare(data, tiny.make_split(data), tiny.make_config(), features)


def terms_of(stage, number: int = 0, seed: int = 0):
    return stage(stage.batch(number, CPU), number, 8, torch_stream(seed, "test", number))


def perturb_second_order(stage) -> None:
    """Leave the point where the pair shift is zero, at which nothing behind it can learn."""
    with torch.no_grad():
        stage.model.predictor.transformer.second.weight.add_(0.01)


@pytest.mark.parametrize("mode", MODES)
def test_every_parameter_gets_a_gradient_in_its_mode_and_none_elsewhere(
    tiny, rich, make_stage, mode: str
) -> None:
    stage = make_stage(rich, tiny.make_config(**MODES[mode]))
    perturb_second_order(stage)
    for number in range(3):
        terms_of(stage, number).total().backward()
    frozen = MODES[mode].get("fit", {}).get("encoder") == "frozen"
    names = [name for name, _ in stage.named_parameters()]
    assert any(name.startswith("model.condition.covariates.") for name in names)
    assert any(name.startswith("model.condition.dose.") for name in names)
    for name, parameter in stage.named_parameters():
        untouched = name.startswith("teacher.") or (frozen and name.startswith("model.encoder."))
        if untouched:
            assert parameter.grad is None, name
        else:
            assert parameter.grad is not None, name
            assert float(parameter.grad.abs().sum()) > 0, name


@pytest.mark.parametrize("mode", MODES)
def test_exactly_the_parameters_with_gradients_are_handed_to_the_optimizer(
    tiny, rich, make_stage, mode: str
) -> None:
    stage = make_stage(rich, tiny.make_config(**MODES[mode]))
    handed = [p for group in stage.parameter_groups(1.0) for p in group["params"]]
    assert len(handed) == len({id(p) for p in handed})
    assert {id(p) for p in handed} == {id(p) for p in stage.parameters() if p.requires_grad}


def test_the_encoder_learns_at_its_share_of_the_rate(tiny, prepared, make_stage) -> None:
    stage = make_stage(prepared, tiny.make_config(fit={"encoder_rate": 0.25}))
    rates = {id(p): g["lr"] for g in stage.parameter_groups(0.1) for p in g["params"]}
    encoder = {id(p) for p in stage.model.encoder.parameters()}
    assert {rates[key] for key in encoder} == {0.025}
    assert {rate for key, rate in rates.items() if key not in encoder} == {0.1}


class CopiesTarget(nn.Module):
    """A recognition that returns the encoded target, and samples as the real head does."""

    def __init__(self, real: RecognitionHead) -> None:
        super().__init__()
        self.real = real

    def train_step(self, prediction, target, generator) -> HeadOutput:
        return HeadOutput(target, torch.zeros_like(target))

    def sample(self, prediction, generator):
        return self.real.sample(prediction, generator)


def test_replacing_recognition_by_a_copy_of_the_target_leaves_the_prediction_loss_unchanged(
    tiny, prepared, make_stage
) -> None:
    stage = make_stage(prepared, tiny.make_config())
    before = {term.name: term.value.item() for term in terms_of(stage).terms}
    stage.model.head = CopiesTarget(stage.model.head)
    after = {term.name: term.value.item() for term in terms_of(stage).terms}
    assert after["predict"] == before["predict"]
    assert after["nb"] != before["nb"]
    assert after["kl"] != before["kl"]


def test_the_prediction_loss_reaches_neither_teacher_nor_recognition_nor_decoder(
    tiny, prepared, make_stage
) -> None:
    stage = make_stage(prepared, tiny.make_config())
    perturb_second_order(stage)
    stage.teacher.requires_grad_(True)
    terms = {term.name: term for term in terms_of(stage).terms}
    terms["predict"].value.backward()
    untouched = ("teacher.", "model.head.", "model.decoder.")
    for name, parameter in stage.named_parameters():
        if name.startswith(untouched):
            assert parameter.grad is None, name
    reached = stage.model.predictor.transformer.first.weight.grad
    assert float(reached.abs().sum()) > 0


def test_the_prediction_loss_is_half_the_squared_distance_to_the_teacher(
    tiny, prepared, make_stage
) -> None:
    config = tiny.make_config(predictor={"pairing": "random"}, perturbation={"residual_dropout": 0})
    stage = make_stage(prepared, config)
    batch, model = stage.batch(0, CPU), stage.model
    state = model.encoder(batch.control, batch.control_library)
    order = stage.pair(batch, state, state)
    mean = model.predict(state[order], batch.condition).mean
    target = stage.teacher(batch.counts, batch.library)
    expected = 0.5 * (mean - target).square().sum(dim=1).mean()
    found = {term.name: term.value.item() for term in terms_of(stage).terms}["predict"]
    assert found == pytest.approx(expected.item(), rel=1e-5)


def test_weights_of_the_terms_are_those_of_the_settings(tiny, prepared, make_stage) -> None:
    loss = {
        "predict": 2.0,
        "vicreg": 3.0,
        "nb": 5.0,
        "predictor_nb": 0.5,
        "population": 0.25,
        "kl": 7.0,
        "shift": 11.0,
        "interaction": 13.0,
    }
    stage = make_stage(prepared, tiny.make_config(loss=loss, head={"kl_warmup": 0.5}))
    first = {term.name: term.weight for term in terms_of(stage, 0).terms}
    late = {term.name: term.weight for term in terms_of(stage, 7).terms}
    expected = {**loss, "predictor_nb": 2.5, "population": 1.25}
    assert {name: late[name] for name in expected} == expected
    assert first["kl"] == pytest.approx(7.0 / 4)  # the first of four warm-up steps
    assert {late[name] for name in late if name.startswith("monitor/")} == {0.0}


def test_the_population_term_is_zero_for_effects_that_are_met_and_grows_by_their_distance(
    tiny, prepared, make_stage
) -> None:
    stage = make_stage(prepared, tiny.make_config())
    batch = stage.batch(0, CPU)
    state = stage.model.encoder(batch.control, batch.control_library).detach()

    def term() -> torch.Tensor:
        terms = stage._counts(batch, state, state, state, batch.control_library)
        return {term.name: term.value.detach() for term in terms}["population"]

    stage.effect.zero_()
    same = term()
    stage.effect.fill_(0.3)
    stage.error.fill_(0.1)
    off = term()
    assert float(same) == pytest.approx(0.0, abs=1e-4)
    assert off.item() == pytest.approx(0.5 * 9.0 * stage.effect.shape[1], rel=1e-3)


def test_the_teacher_moves_while_the_encoder_learns_and_stays_when_it_is_frozen(
    tiny, prepared, make_stage
) -> None:
    for frozen in (False, True):
        mode = {"encoder": "frozen" if frozen else "finetune", "ema_start": 0.9}
        stage = make_stage(prepared, tiny.make_config(fit=mode))
        before = stage.teacher.embed.weight.clone()
        with torch.no_grad():
            stage.model.encoder.embed.weight.add_(1.0)
        stage.after_step(0, 10)
        expected = before if frozen else before + 0.1
        assert torch.allclose(stage.teacher.embed.weight, expected, atol=1e-6)


def test_a_teacher_that_is_given_is_copied_and_never_trained(tiny, prepared, make_stage) -> None:
    config = tiny.make_config()
    given = make_teacher(make_stage(prepared, config).model.encoder)
    with torch.no_grad():
        given.embed.weight.fill_(0.5)
    kept = copy.deepcopy(given)
    stage = make_stage(prepared, config, teacher=given)
    assert torch.equal(stage.teacher.embed.weight, given.embed.weight)
    stage.after_step(0, 10)
    assert not torch.equal(stage.teacher.embed.weight, kept.embed.weight)
    assert torch.equal(given.embed.weight, kept.embed.weight)
    assert not any(parameter.requires_grad for parameter in stage.teacher.parameters())


def test_own_embeddings_are_hidden_at_their_rate(tiny, prepared, make_stage) -> None:
    for rate in (0.0, 0.3, 1.0):
        config = tiny.make_config(perturbation={"residual_dropout": rate})
        stage = make_stage(prepared, config)
        draws = torch.stack([stage._hidden(torch_stream(0, "d", n)) for n in range(300)])
        assert float(draws.float().mean()) == pytest.approx(rate, abs=0.04)


def test_both_readings_of_the_head_are_built(tiny, prepared, make_stage) -> None:
    for reading, kind in (("target", RecognitionHead), ("predictive", PredictiveHead)):
        config = tiny.make_config(head={"recognition": reading})
        assert type(make_stage(prepared, config).model.head) is kind
