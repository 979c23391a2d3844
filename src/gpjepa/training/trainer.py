"""The loop: forward, backward and step, move the teacher; resumable after any step."""

from __future__ import annotations

import math
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import torch
from lightning_fabric import Fabric
from torch import Generator, Tensor, nn

from gpjepa.core.errors import DataError, NumericError
from gpjepa.core.random import torch_stream
from gpjepa.objectives.weights import Terms
from gpjepa.training.checkpoint import Progress, load_checkpoint, save_checkpoint

WARMUP_SHARE = 0.05
BEST = ".best"  # suffix of the checkpoint that scored best
SCORE = "score"  # the validation number that chooses the model; lower is better


class Stage(Protocol):
    """What the loop needs of a stage; a stage is an nn.Module."""

    name: str

    def batch(self, step: int, device: torch.device) -> Any:
        """Return the batch of a step, a pure function of the step."""
        ...

    def __call__(self, batch: Any, step: int, steps: int, generator: Generator) -> Terms:
        """Return the terms of the objective."""
        ...

    def after_step(self, step: int, steps: int) -> None:
        """Do what follows an optimizer step."""
        ...

    def parameter_groups(self, rate: float) -> list[dict[str, Any]]:
        """Return parameters with their peak learning rates."""
        ...

    def validate(self, device: torch.device) -> dict[str, float]:
        """Return validation numbers; `score` among them chooses the model."""
        ...


@dataclass(frozen=True, kw_only=True)
class Plan:
    """How long and how fast a stage is trained."""

    steps: int
    steps_per_epoch: int
    interval: int  # steps between history rows, validations and checkpoints
    learning_rate: float
    weight_decay: float
    clip: float
    seed: int
    patience: int | None = None  # validations without gain before stopping
    identity: str = ""  # of the run, for resuming


@dataclass(frozen=True)
class Outlook:
    """What a progress display is told after each step."""

    stage: str
    step: int
    steps: int
    loss: float
    cells_per_second: float


def rate_factor(step: int, steps: int) -> float:
    """Return the share of the peak learning rate: linear warm-up, then a cosine to zero."""
    warmup = max(1, round(WARMUP_SHARE * steps))
    if step < warmup:
        return (step + 1) / warmup
    return 0.5 * (1.0 + math.cos(math.pi * (step - warmup) / max(1, steps - warmup)))


def train_stage(
    stage: Any,
    plan: Plan,
    fabric: Fabric,
    folder: Path | None = None,
    resume: bool = False,
    watch: Callable[[Outlook], None] | None = None,
) -> Progress:
    """Train `stage` in place; with a score, end with the parameters that scored best.

    With `folder`, a checkpoint is written at every interval and when interrupted; `resume`
    continues from it exactly. Raises `KeyboardInterrupt` after saving when asked to stop.
    """
    stage.to(fabric.device)
    optimizer = torch.optim.AdamW(
        stage.parameter_groups(plan.learning_rate), weight_decay=plan.weight_decay, fused=True
    )
    peaks = [group["lr"] for group in optimizer.param_groups]
    objective = Objective(stage, plan)
    wrapped, stepper = fabric.setup(objective, optimizer)
    progress, kept = _restore(folder if resume else None, stage, optimizer, plan.identity)

    def save(suffix: str = "") -> None:
        if folder is not None:
            path = _checkpoint(folder, stage, suffix)
            save_checkpoint(path, stage, optimizer, progress, plan.identity)

    with _stop_requests() as stop_requested, _saving(save):
        while progress.step < plan.steps and not progress.finished:
            started = time.perf_counter()
            _set_rates(optimizer, peaks, rate_factor(progress.step, plan.steps))
            loss = _step(objective, wrapped, stepper, fabric, progress)
            progress.step += 1
            elapsed = time.perf_counter() - started
            progress.seconds += elapsed
            if watch is not None:
                speed = objective.cells / elapsed
                watch(Outlook(stage.name, progress.step, plan.steps, loss, speed))
            if progress.step % plan.interval == 0 or progress.step == plan.steps:
                if _close_interval(stage, plan, progress, fabric.device):
                    kept = _snapshot(stage)
                    save(BEST)
                save()
            if stop_requested():
                save()
                raise KeyboardInterrupt
    if kept:
        stage.load_state_dict(kept)
    progress.finished = True
    return progress


class Objective(nn.Module):
    """The objective of a step as a module, so that a strategy can wrap it.

    Keeps the terms and the number of cells of the last step beside the sum that it returns.
    """

    def __init__(self, stage: Any, plan: Plan) -> None:
        super().__init__()
        self.stage, self.plan = stage, plan
        self.terms: Terms | None = None
        self.cells = 0

    def forward(self, step: int, device: torch.device) -> Tensor:
        """Return the weighted sum of the terms of a step."""
        batch = self.stage.batch(step, device)
        generator = torch_stream(self.plan.seed, self.stage.name, "step", step, device=device)
        self.terms = self.stage(batch, step, self.plan.steps, generator)
        self.cells = batch.counts.shape[0]
        return self.terms.total()


def _step(
    objective: Objective, wrapped: Any, optimizer: Any, fabric: Fabric, progress: Progress
) -> float:
    """Do one step and return the loss."""
    stage, plan, step = objective.stage, objective.plan, progress.step
    stage.train()

    # forward
    total = wrapped(step, fabric.device)
    loss = total.item()
    terms = objective.terms.terms if objective.terms else ()
    if not math.isfinite(loss):
        bad = ", ".join(term.name for term in terms if not math.isfinite(term.value.item()))
        raise NumericError(
            f"stage {stage.name!r} left the finite numbers at step {step} (terms: {bad}); "
            "expected finite losses; lower the learning rate or check the counts"
        )

    # backward and step
    optimizer.zero_grad()
    fabric.backward(total)
    fabric.clip_gradients(wrapped, optimizer, max_norm=plan.clip, error_if_nonfinite=False)
    optimizer.step()

    # move the teacher
    stage.after_step(step, plan.steps)

    for term in terms:
        sums = progress.sums.setdefault(term.name, [0.0, 0.0, 0.0])
        value = term.value.item()
        sums[0] += value
        sums[1] += term.weight * value
        sums[2] += 1.0
    return loss


def _close_interval(stage: Any, plan: Plan, progress: Progress, device: torch.device) -> bool:
    """Log the interval, validate, and say whether this is the best model so far."""
    epoch = progress.step / plan.steps_per_epoch

    def row(kind: str, term: str, value: float, weighted: float) -> None:
        progress.history.append(
            {
                "stage": stage.name,
                "epoch": round(epoch, 3),
                "step": progress.step,
                "set": kind,
                "term": term,
                "value": value,
                "weighted": weighted,
            }
        )

    total = 0.0
    for name, (value, weighted, count) in progress.sums.items():
        row("train", name, value / count, weighted / count)
        total += weighted / count
    row("train", "total", total, total)
    progress.sums.clear()
    stage.eval()
    scores = stage.validate(device)
    for name, value in scores.items():
        row("validation", name, value, 0.0)
    score = scores.get(SCORE)
    if score is None or plan.patience is None:
        return False
    if progress.best_score is None or score < progress.best_score:
        progress.best_score, progress.best_step, progress.stale = score, progress.step, 0
        return True
    progress.stale += 1
    progress.finished = progress.stale >= plan.patience
    return False


def _snapshot(stage: nn.Module) -> dict[str, Tensor]:
    return {name: value.detach().clone() for name, value in stage.state_dict().items()}


def _checkpoint(folder: Path, stage: Any, suffix: str = "") -> Path:
    return folder / f"{stage.name}{suffix}.safetensors"


def _set_rates(optimizer: torch.optim.Optimizer, peaks: list[float], share: float) -> None:
    for group, peak in zip(optimizer.param_groups, peaks, strict=True):
        group["lr"] = peak * share


def _restore(
    folder: Path | None, stage: Any, optimizer: torch.optim.Optimizer, identity: str
) -> tuple[Progress, dict[str, Tensor]]:
    """Bring stage and optimizer to the last checkpoint if there is one; return the best too."""
    if folder is None or not _checkpoint(folder, stage).exists():
        return Progress(), {}
    last, best = _checkpoint(folder, stage), _checkpoint(folder, stage, BEST)
    progress = load_checkpoint(last, stage, optimizer, identity)
    if progress.best_score is None or not best.exists():
        return progress, {}
    load_checkpoint(best, stage, optimizer, identity)
    kept = _snapshot(stage)
    return load_checkpoint(last, stage, optimizer, identity), kept


@contextmanager
def _saving(save: Callable[[], None]) -> Iterator[None]:
    """Save when cells on disk cannot be read: a batch is read before a step changes anything."""
    try:
        yield
    except DataError:
        save()
        raise


@contextmanager
def _stop_requests() -> Iterator[Callable[[], bool]]:
    """Turn SIGINT and SIGTERM into a question asked between steps."""
    asked = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield asked.is_set
        return
    signals = (signal.SIGINT, signal.SIGTERM)
    before = [signal.signal(number, lambda *_: asked.set()) for number in signals]
    try:
        yield asked.is_set
    finally:
        for number, handler in zip(signals, before, strict=True):
            signal.signal(number, handler)
