"""Whole stages on tiny cells: the same seed, the same bytes, stopped or not."""

from __future__ import annotations

import os
import signal
from dataclasses import replace

import numpy as np
import pytest
import torch

from gpjepa.core.errors import CheckpointError, ConfigError
from gpjepa.training.pipeline import (
    Session,
    run_stage_a,
    run_stage_bc,
    seeded_encoder,
    seeded_world_model,
)
from gpjepa.training.processes import open_fabric


def stage_a(tiny, prepared, session: Session, **changes):
    config = tiny.make_config(**changes)
    encoder = seeded_encoder(prepared.moments, config, session.seed)
    table = prepared.training.table
    return run_stage_a(encoder, table, prepared.moments.target, config, session)


def stage_bc(tiny, prepared, session: Session, **changes):
    return run_stage_bc(prepared, None, None, tiny.make_config(**changes), session)


STAGES = {"pretrain": stage_a, "fit": stage_bc}


def same(one: torch.nn.Module, other: torch.nn.Module) -> bool:
    ours, theirs = one.state_dict(), other.state_dict()
    return ours.keys() == theirs.keys() and all(torch.equal(ours[k], theirs[k]) for k in ours)


def interrupting(session: Session, folder, step: int) -> Session:
    def watch(outlook) -> None:
        if outlook.step == step:
            os.kill(os.getpid(), signal.SIGINT)

    return replace(session, folder=folder, watch=watch, identity="run")


@pytest.mark.parametrize("step", [1, 5])
@pytest.mark.parametrize("name", STAGES)
def test_an_interrupted_stage_goes_on_bit_for_bit(
    tiny, prepared, session, tmp_path, name: str, step: int
) -> None:
    run = STAGES[name]
    whole, expected = run(tiny, prepared, session)
    with pytest.raises(KeyboardInterrupt):
        run(tiny, prepared, interrupting(session, tmp_path, step))
    assert (tmp_path / f"{name}.safetensors").exists()
    resuming = replace(session, folder=tmp_path, resume=True, identity="run")
    resumed, found = run(tiny, prepared, resuming)
    assert same(resumed, whole)
    assert found.history == expected.history
    assert found.best_step == expected.best_step


@pytest.mark.parametrize("name", STAGES)
def test_the_same_seed_gives_the_same_bytes_and_another_seed_others(
    tiny, prepared, session, name: str
) -> None:
    run = STAGES[name]
    first, again = run(tiny, prepared, session)[0], run(tiny, prepared, session)[0]
    other = run(tiny, prepared, replace(session, seed=1))[0]
    assert same(first, again)
    assert not same(first, other)


def test_the_global_random_state_neither_matters_nor_changes(tiny, prepared, session) -> None:
    first = stage_bc(tiny, prepared, session)[0]
    torch.manual_seed(99)
    np.random.seed(99)
    state = torch.random.get_rng_state()
    assert same(stage_bc(tiny, prepared, session)[0], first)
    assert torch.equal(torch.random.get_rng_state(), state)


def test_a_checkpoint_of_another_identity_is_refused(tiny, prepared, session, tmp_path) -> None:
    written = replace(session, folder=tmp_path, identity="run")
    stage_a(tiny, prepared, written)
    with pytest.raises(CheckpointError, match="other data, roles, split, config, seed"):
        stage_a(tiny, prepared, replace(written, resume=True, identity="other"))


def test_a_frozen_encoder_and_its_teacher_stay_as_they_were(tiny, prepared, session) -> None:
    pretrained = stage_a(tiny, prepared, session)[0]
    config = tiny.make_config(fit={"encoder": "frozen"})
    stage, _ = run_stage_bc(prepared, pretrained.encoder, pretrained.teacher, config, session)
    assert same(stage.model.encoder, pretrained.encoder)
    assert same(stage.teacher, pretrained.teacher)
    tuned, _ = run_stage_bc(
        prepared, pretrained.encoder, pretrained.teacher, tiny.make_config(), session
    )
    assert not same(tuned.model.encoder, pretrained.encoder)
    assert not same(tuned.teacher, pretrained.teacher)


def test_fitting_leaves_the_pretrained_encoder_and_teacher_alone(tiny, prepared, session) -> None:
    pretrained = stage_a(tiny, prepared, session)[0]
    before = {name: value.clone() for name, value in pretrained.state_dict().items()}
    run_stage_bc(prepared, pretrained.encoder, pretrained.teacher, tiny.make_config(), session)
    after = pretrained.state_dict()
    assert all(torch.equal(after[name], value) for name, value in before.items())


def test_stage_a_leaves_the_teacher_behind_the_encoder(tiny, prepared, session) -> None:
    stage, _ = stage_a(tiny, prepared, session)
    start = stage_a(tiny, prepared, session, pretrain={"epochs": 0})[0].encoder
    moved = (stage.encoder.embed.weight - start.embed.weight).norm()
    behind = (stage.teacher.embed.weight - start.embed.weight).norm()
    assert 0 < behind.item() < 0.1 * moved.item()


def test_steps_follow_epochs_between_their_limits(tiny, prepared, session) -> None:
    def steps(**pretrain) -> int:
        return stage_a(tiny, prepared, session, pretrain=pretrain)[1].step

    per_epoch = -(-len(prepared.training.table) // 32)
    assert steps(epochs=3, min_steps=0, max_steps=100) == 3 * per_epoch
    assert steps(epochs=3, min_steps=17, max_steps=100) == 17
    assert steps(epochs=3, min_steps=0, max_steps=4) == 4
    assert steps(epochs=0, min_steps=17) == 0


def test_the_initial_parameters_depend_on_the_seed_only(tiny, prepared) -> None:
    config = tiny.make_config()
    torch.manual_seed(5)
    first = seeded_world_model(prepared, config, 0)
    torch.manual_seed(6)
    assert same(seeded_world_model(prepared, config, 0), first)
    assert not same(seeded_world_model(prepared, config, 1), first)


def test_a_device_that_is_unknown_or_absent_is_refused(monkeypatch) -> None:
    with pytest.raises(ConfigError, match="device is 'tpu'; expected one of auto, cpu, cuda"):
        open_fabric("tpu")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(ConfigError, match="finds no CUDA device; .*use 'cpu' or 'auto'"):
        open_fabric("cuda")
    assert open_fabric("auto").device.type == "cpu"
