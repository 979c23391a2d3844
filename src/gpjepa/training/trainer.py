"""The loop: forward, backward and step, move the teacher; resumable after any step."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from lightning_fabric import Fabric
from torch import Tensor, nn

from gpjepa.core.errors import DataError, NumericError
from gpjepa.core.memory import keep_freed_memory
from gpjepa.core.random import torch_stream
from gpjepa.core.ranks import Ranks
from gpjepa.objectives.weights import Terms
from gpjepa.training.checkpoint import Progress, load_checkpoint, save_checkpoint
from gpjepa.training.processes import Processes, answering
from gpjepa.training.sharding import refresh, working_copy
from gpjepa.training.stage import Outlook, Plan
from gpjepa.training.stops import stop_requests
from gpjepa.training.updates import Updates, updates_of

WARMUP_SHARE = 0.05
BEST = ".best"  # suffix of the checkpoint that scored best
SCORE = "score"  # the validation number that chooses the model; lower is better


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
    continues from it exactly, also on another number of processes. Of several processes all
    end alike and the first writes. Raises `KeyboardInterrupt` after saving when asked to stop,
    and `ProcessError` when another process is gone.
    """
    processes = Processes(fabric)
    with answering():
        return _train(stage, plan, processes, folder, resume, watch)


def _train(
    stage: Any,
    plan: Plan,
    processes: Processes,
    folder: Path | None,
    resume: bool,
    watch: Callable[[Outlook], None] | None,
) -> Progress:
    """Do what `train_stage` promises."""
    working = _set_up(stage, plan, processes)
    working.objective.train()
    progress, kept = _restore(folder if resume else None, stage, working, plan.identity)
    processes.alike(progress.step, "a checkpoint of step")

    def save(suffix: str = "") -> None:
        if folder is not None:
            state = (working.objective.stage, working.updates, progress, plan.identity)
            save_checkpoint(_checkpoint(folder, stage, suffix), *state, processes.ranks.first)
            processes.meet()

    with stop_requests() as stop_requested, _saving(save, processes.ranks):
        while progress.step < plan.steps and not progress.finished:
            started = time.perf_counter()
            working.updates.set_rate(rate_factor(progress.step, plan.steps))
            loss = _step(working, processes, progress)
            progress.step += 1
            elapsed = time.perf_counter() - started
            progress.seconds += elapsed
            if watch is not None:
                speed = working.objective.cells / elapsed
                watch(Outlook(stage.name, progress.step, plan.steps, loss, speed))
            if progress.step % plan.interval == 0 or progress.step == plan.steps:
                refresh(stage, working.objective.stage)
                if _close_interval(stage, plan, progress, processes):
                    kept = _snapshot(stage)
                    save(BEST)
                save()
            if processes.any(stop_requested()):
                save()
                raise KeyboardInterrupt
    refresh(stage, working.objective.stage)
    if kept:
        stage.load_state_dict(kept)
    progress.finished = True
    return progress


@dataclass(frozen=True, eq=False)
class _Working:
    """What steps: the objective of a stage, or of its copy that is cut among processes."""

    objective: Objective
    wrapped: Any
    updates: Updates


def _set_up(stage: Any, plan: Plan, processes: Processes) -> _Working:
    """Bring a stage to its device and share it with the other processes."""
    fabric = processes.fabric
    keep_freed_memory()
    stage.to(fabric.device)
    if processes.ranks.size > 1:
        stage.share(processes.ranks)
        processes.meet()
    objective = Objective(working_copy(stage, fabric), plan)
    wrapped = fabric.setup_module(objective)
    return _Working(objective, wrapped, updates_of(objective.stage, wrapped, fabric, plan))


class Objective(nn.Module):
    """The objective of a step as a module, so that a strategy can wrap it.

    Keeps the terms and the cells of the last step, of all processes, beside the sum it returns.
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
        self.cells = getattr(batch, "total", batch.counts.shape[0])
        return self.terms.total()


def _step(working: _Working, processes: Processes, progress: Progress) -> float:
    """Do one step and return the loss; it and the terms are means over processes."""
    objective, wrapped = working.objective, working.wrapped
    stage, plan, step = objective.stage, objective.plan, progress.step
    fabric = processes.fabric
    if not stage.training:
        stage.train()

    # forward
    total = wrapped(step, fabric.device)
    terms = objective.terms.terms if objective.terms else ()
    loss, *values = processes.averaged([total.item(), *(term.value.item() for term in terms)])
    if not math.isfinite(loss):
        named = zip(terms, values, strict=True)
        bad = ", ".join(term.name for term, value in named if not math.isfinite(value))
        raise NumericError(
            f"stage {stage.name!r} left the finite numbers at step {step} (terms: {bad}); "
            "expected finite losses; lower the learning rate or check the counts"
        )

    # backward and step
    fabric.backward(total)
    working.updates.step()

    # move the teacher
    stage.after_step(step, plan.steps)

    for term, value in zip(terms, values, strict=True):
        sums = progress.sums.setdefault(term.name, [0.0, 0.0, 0.0])
        sums[0] += value
        sums[1] += term.weight * value
        sums[2] += 1.0
    return loss


def _close_interval(stage: Any, plan: Plan, progress: Progress, processes: Processes) -> bool:
    """Log the interval, validate, and say whether this is the best model so far.

    All processes validate, what the first one finds is so.
    """
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
    found = stage.validate(processes.fabric.device)
    processes.meet()
    scores = processes.of_first(found)
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


def _restore(
    folder: Path | None, stage: Any, working: _Working, identity: str
) -> tuple[Progress, dict[str, Tensor]]:
    """Bring what is trained to the last checkpoint if there is one; return the best too."""
    if folder is None or not _checkpoint(folder, stage).exists():
        return Progress(), {}
    last, best = _checkpoint(folder, stage), _checkpoint(folder, stage, BEST)
    state = (working.objective.stage, working.updates, identity)
    progress = load_checkpoint(last, *state)
    if progress.best_score is None or not best.exists():
        return progress, {}
    load_checkpoint(best, *state)
    refresh(stage, working.objective.stage)
    kept = _snapshot(stage)
    return load_checkpoint(last, *state), kept


@contextmanager
def _saving(save: Callable[[], None], ranks: Ranks) -> Iterator[None]:
    """Save when cells on disk cannot be read: a batch is read before a step changes anything.

    One of several processes cannot: the others do not come to save with it.
    """
    try:
        yield
    except DataError:
        if ranks.size == 1:
            save()
        raise
