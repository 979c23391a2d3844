"""The loop, on a stage of one line."""

from __future__ import annotations

import json
import os
import signal
import threading
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from torch import nn

from gpjepa.core.errors import CheckpointError, NumericError
from gpjepa.objectives.weights import Term, Terms
from gpjepa.training.processes import open_fabric
from gpjepa.training.trainer import Plan, rate_factor, train_stage


class Line(nn.Module):
    """Fits w·x to 3x; `scores` are told at each validation."""

    name = "line"

    def __init__(self, scores: list[float] | None = None, poison: int | None = None) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(2))
        self.register_buffer("teacher", torch.zeros(2))
        self.scores, self.poison = scores, poison
        self.at_validation: list[torch.Tensor] = []
        self.training_modes: list[bool] = []

    def batch(self, step: int, device: torch.device) -> SimpleNamespace:
        x = torch.randn(8, 2, generator=torch.Generator().manual_seed(step))
        return SimpleNamespace(counts=x)

    def forward(self, batch, step: int, steps: int, generator) -> Terms:
        self.training_modes.append(self.training)
        noise = 0.1 * torch.randn(8, generator=generator)
        miss = (batch.counts @ self.weight - 3.0 * batch.counts.sum(dim=1) + noise).square().mean()
        if step == self.poison:
            miss = miss * float("nan")
        return Terms((Term("miss", miss, 2.0), Term("watched", self.weight.detach().sum(), 0.0)))

    def after_step(self, step: int, steps: int) -> None:
        with torch.no_grad():
            self.teacher.lerp_(self.weight, 0.5)

    def parameter_groups(self, rate: float) -> list[dict]:
        return [{"params": [self.weight], "lr": rate}]

    def validate(self, device: torch.device) -> dict[str, float]:
        self.training_modes.append(self.training)
        self.at_validation.append(self.weight.detach().clone())
        if self.scores is None:
            return {}
        return {"score": self.scores[len(self.at_validation) - 1], "other": 5.0}


def plan(steps: int = 12, interval: int = 3, patience: int | None = 10, identity="run") -> Plan:
    return Plan(
        steps=steps,
        steps_per_epoch=6,
        interval=interval,
        learning_rate=0.1,
        weight_decay=0.01,
        clip=10.0,
        seed=0,
        patience=patience,
        identity=identity,
    )


FABRIC = open_fabric("cpu")
FALLING = [9.0, 8.0, 7.0, 6.0]


def test_the_rate_warms_up_and_falls_to_zero_along_a_cosine() -> None:
    values = [rate_factor(step, 100) for step in range(101)]
    assert values[:5] == pytest.approx([0.2, 0.4, 0.6, 0.8, 1.0])
    assert max(values) == 1.0
    assert values[100] == pytest.approx(0.0, abs=1e-12)
    assert values[5:] == sorted(values[5:], reverse=True)


def test_the_loop_fits() -> None:
    stage = Line()
    train_stage(stage, plan(steps=400, interval=100), FABRIC)
    assert torch.allclose(stage.weight, torch.full((2,), 3.0), atol=0.2)


def test_history_has_every_term_with_value_and_weight_and_every_validation_number() -> None:
    progress = train_stage(Line(FALLING), plan(), FABRIC)
    rows = progress.history
    assert {(row["set"], row["term"]) for row in rows} == {
        ("train", "miss"),
        ("train", "watched"),
        ("train", "total"),
        ("validation", "score"),
        ("validation", "other"),
    }
    assert [row["step"] for row in rows if row["term"] == "score"] == [3, 6, 9, 12]
    assert [row["epoch"] for row in rows if row["term"] == "score"] == [0.5, 1.0, 1.5, 2.0]
    for step in (3, 6, 9, 12):
        here = {row["term"]: row for row in rows if row["step"] == step}
        assert here["miss"]["weighted"] == pytest.approx(2.0 * here["miss"]["value"])
        assert here["watched"]["weighted"] == 0.0
        assert here["total"]["value"] == pytest.approx(here["miss"]["weighted"])
    assert rows[0]["stage"] == "line"


def test_a_row_is_the_mean_over_its_interval() -> None:
    fine = train_stage(Line(), plan(interval=1), FABRIC).history
    coarse = train_stage(Line(), plan(interval=4), FABRIC).history
    each = [row["value"] for row in fine if row["term"] == "miss"]
    means = [row["value"] for row in coarse if row["term"] == "miss"]
    assert means == pytest.approx([sum(each[i : i + 4]) / 4 for i in (0, 4, 8)])


def test_it_ends_with_the_parameters_that_scored_best() -> None:
    stage = Line([9.0, 2.0, 3.0, 4.0])
    progress = train_stage(stage, plan(), FABRIC)
    assert (progress.best_step, progress.best_score, progress.step) == (6, 2.0, 12)
    assert torch.equal(stage.weight, stage.at_validation[1])
    assert not torch.equal(stage.weight, stage.at_validation[3])


def test_it_stops_after_its_patience_without_gain() -> None:
    stage = Line([9.0, 2.0, 3.0, 2.0, 1.0, 0.0, 0.0, 0.0])
    progress = train_stage(stage, plan(steps=24, patience=2), FABRIC)
    assert (progress.step, progress.best_step, progress.finished) == (12, 6, True)
    assert torch.equal(stage.weight, stage.at_validation[1])


def test_without_a_score_or_patience_the_last_parameters_stay() -> None:
    for stage, patience in ((Line(), 2), (Line([1.0, 2.0, 3.0, 4.0]), None)):
        progress = train_stage(stage, plan(patience=patience), FABRIC)
        assert progress.step == 12
        assert progress.best_score is None
        assert torch.equal(stage.weight, stage.at_validation[-1])


def test_it_trains_in_training_mode_and_validates_in_evaluation_mode() -> None:
    stage = Line(FALLING)
    train_stage(stage, plan(), FABRIC)
    assert stage.training_modes == [True, True, True, False] * 4


def test_each_step_is_told_with_loss_and_speed() -> None:
    told = []
    train_stage(Line(), plan(), FABRIC, watch=told.append)
    assert [outlook.step for outlook in told] == list(range(1, 13))
    assert {(outlook.stage, outlook.steps) for outlook in told} == {("line", 12)}
    assert all(outlook.cells_per_second > 0 for outlook in told)
    assert told[-1].loss < told[0].loss


def test_a_loss_that_is_not_finite_stops_before_the_parameters_are_touched() -> None:
    stage = Line(poison=4)
    seen = []
    with pytest.raises(NumericError, match="'line'.*at step 4 .terms: miss.*lower the learning"):
        train_stage(stage, plan(), FABRIC, watch=lambda _: seen.append(stage.weight.clone()))
    assert torch.equal(stage.weight, seen[-1])
    assert torch.isfinite(stage.weight).all()


def interrupt_at(step: int, number: int = signal.SIGINT):
    def watch(outlook) -> None:
        if outlook.step == step:
            os.kill(os.getpid(), number)

    return watch


@pytest.mark.parametrize("step", [1, 3, 7, 11, 12])
@pytest.mark.parametrize("scores", [None, [9.0, 2.0, 3.0, 4.0]])
def test_an_interrupted_training_goes_on_exactly(tmp_path: Path, step: int, scores) -> None:
    whole = Line(scores)
    expected = train_stage(whole, plan(), FABRIC)
    with pytest.raises(KeyboardInterrupt):
        train_stage(Line(scores), plan(), FABRIC, tmp_path, watch=interrupt_at(step))
    resumed = Line(scores)
    resumed.at_validation = [torch.zeros(2)] * (step // 3)  # those that were told before
    found = train_stage(resumed, plan(), FABRIC, tmp_path, resume=True)
    assert torch.equal(resumed.weight, whole.weight)
    assert torch.equal(resumed.teacher, whole.teacher)
    assert found.history == expected.history
    assert (found.step, found.best_step) == (expected.step, expected.best_step)


def test_a_training_that_was_killed_goes_on_from_its_last_interval(tmp_path: Path) -> None:
    whole = Line(FALLING)
    train_stage(whole, plan(), FABRIC)

    def die(outlook) -> None:
        if outlook.step == 8:
            raise RuntimeError("killed")

    with pytest.raises(RuntimeError, match="killed"):
        train_stage(Line(FALLING), plan(), FABRIC, tmp_path, watch=die)
    resumed = Line(FALLING)
    resumed.at_validation = [torch.zeros(2)] * 2
    told = []
    train_stage(resumed, plan(), FABRIC, tmp_path, resume=True, watch=told.append)
    assert told[0].step == 7
    assert torch.equal(resumed.weight, whole.weight)


def test_a_stage_that_stopped_early_is_not_trained_on_when_resumed(tmp_path: Path) -> None:
    scores = [2.0, 3.0, 4.0, 5.0]
    whole = Line(scores)
    train_stage(whole, plan(patience=2), FABRIC, tmp_path)
    resumed = Line(scores)
    told = []
    train_stage(resumed, plan(patience=2), FABRIC, tmp_path, resume=True, watch=told.append)
    assert told == []
    assert torch.equal(resumed.weight, whole.weight)


def test_a_checkpoint_of_another_run_is_not_resumed(tmp_path: Path) -> None:
    train_stage(Line(), plan(), FABRIC, tmp_path)
    with pytest.raises(CheckpointError, match="another run"):
        train_stage(Line(), plan(identity="other"), FABRIC, tmp_path, resume=True)


def test_without_resume_an_old_checkpoint_is_not_read(tmp_path: Path) -> None:
    train_stage(Line(), plan(identity="other"), FABRIC, tmp_path)
    told = []
    train_stage(Line(), plan(), FABRIC, tmp_path, watch=told.append)
    assert told[0].step == 1


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_signals_are_heard_while_training_and_their_handlers_come_back(
    tmp_path: Path, number: int
) -> None:
    before = signal.getsignal(number)
    with pytest.raises(KeyboardInterrupt):
        train_stage(Line(), plan(), FABRIC, tmp_path, watch=interrupt_at(5, number))
    assert signal.getsignal(number) is before
    from safetensors import safe_open

    with safe_open(tmp_path / "line.safetensors", framework="pt") as stream:
        assert json.loads(stream.metadata()["progress"])["step"] == 5


def test_it_trains_in_a_thread_that_hears_no_signals() -> None:
    done = []
    thread = threading.Thread(target=lambda: done.append(train_stage(Line(), plan(), FABRIC)))
    thread.start()
    thread.join()
    assert done[0].step == 12
