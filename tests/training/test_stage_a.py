from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch

from gpjepa.core.config import Config
from gpjepa.core.random import torch_stream
from gpjepa.model.encoder import Views
from gpjepa.model.masking import hold_out
from gpjepa.model.sparse_counts import SparseCounts
from gpjepa.training.pipeline import seeded_encoder
from gpjepa.training.prepare import Prepared
from gpjepa.training.stage_a import StageA

CPU = torch.device("cpu")


@pytest.fixture
def make(tiny, prepared: Prepared) -> Callable[..., StageA]:
    def build(**pretrain) -> StageA:
        config: Config = tiny.make_config(pretrain=pretrain)
        encoder = seeded_encoder(prepared.moments, config, 0)
        blocks = np.arange(len(prepared.genes)) % 4
        torch.manual_seed(0)
        return StageA(encoder, prepared.training.table, blocks, config, seed=0)

    return build


def step(stage: StageA, seed: int = 0):
    return stage(stage.batch(0, CPU), 0, 10, torch_stream(seed, "test"))


def test_every_parameter_gets_a_gradient_and_the_teacher_none(make) -> None:
    stage = make()
    step(stage).total().backward()
    for name, parameter in stage.named_parameters():
        if name.startswith("teacher."):
            assert parameter.grad is None, name
        else:
            assert parameter.grad is not None, name
            assert float(parameter.grad.abs().sum()) > 0, name


def test_exactly_the_parameters_with_gradients_are_handed_to_the_optimizer(make) -> None:
    stage = make()
    handed = {id(p) for group in stage.parameter_groups(0.1) for p in group["params"]}
    assert handed == {id(p) for p in stage.parameters() if p.requires_grad}
    assert not handed & {id(p) for p in stage.teacher.parameters()}


def test_the_gradient_of_the_prediction_does_not_reach_the_teacher_as_target(make) -> None:
    stage = make()
    stage.teacher.requires_grad_(True)
    terms = {term.name: term for term in step(stage).terms}
    terms["predict"].value.backward()
    assert all(parameter.grad is None for parameter in stage.teacher.parameters())


def test_the_teacher_sees_the_held_out_genes_and_the_student_the_others(make) -> None:
    stage = make()
    seen = {}

    def spy(name):
        def hook(module, inputs):
            seen[name] = inputs[0].clone()

        return hook

    stage.predictor.body.register_forward_pre_hook(spy("asked"))
    batch = stage.batch(0, CPU)
    stage(batch, 0, 10, torch.Generator().manual_seed(0))
    held = hold_out(batch.counts, stage.blocks, stage.plan, torch.Generator().manual_seed(0))
    views = Views.of(stage.encoder.scaling, batch.counts, batch.library, held)
    asked = views.asked.dense() if isinstance(views.asked, SparseCounts) else views.asked
    hidden = asked > 0
    dense = batch.counts.dense()
    with torch.no_grad():
        context = stage.encoder(dense, batch.library, ~hidden)
        target = stage.teacher(dense, batch.library, hidden)
        assert torch.allclose(stage.teacher.of_views(views, "target"), target, atol=1e-5)
    assert torch.allclose(seen["asked"][:, : context.shape[1]], context, atol=1e-5)
    assert hidden.any(dim=1).all()
    assert not hidden.all(dim=1).any()


def test_the_teacher_follows_its_schedule(make) -> None:
    stage = make(ema_start=0.9)
    before = stage.teacher.embed.weight.clone()
    with torch.no_grad():
        stage.encoder.embed.weight.add_(1.0)
    stage.after_step(0, 10)
    assert torch.allclose(stage.teacher.embed.weight, before + 0.1, atol=1e-6)
    moved = stage.teacher.embed.weight.clone()
    stage.after_step(10, 10)
    assert torch.equal(stage.teacher.embed.weight, moved)


def test_the_same_generator_gives_the_same_terms(make) -> None:
    stage = make()
    first, again, other = (
        [term.value.item() for term in step(stage, seed).terms] for seed in (0, 0, 1)
    )
    assert first == again != other


def test_a_short_training_lowers_the_loss_without_collapse(make) -> None:
    stage = make()
    optimizer = torch.optim.AdamW(stage.parameter_groups(3e-3)[0]["params"], lr=3e-3)
    totals, spreads = [], []
    for number in range(60):
        terms = stage(stage.batch(number, CPU), number, 60, torch_stream(0, "t", number))
        optimizer.zero_grad()
        terms.total().backward()
        optimizer.step()
        stage.after_step(number, 60)
        totals.append(terms.total().item())
        spreads.append(terms.terms[2].value.item())
    assert np.mean(totals[-10:]) < 0.7 * np.mean(totals[:10])
    assert spreads[-1] > 0.1


def test_every_cell_is_visited_once_an_epoch(make, prepared) -> None:
    stage = make()
    rows = np.concatenate([stage.batches.indices(n) for n in range(stage.batches.per_epoch)])
    assert set(rows) == set(range(len(prepared.training.table)))
