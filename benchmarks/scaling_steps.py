"""What `scaling` times at one size: every step from reading to planning, by CPU time."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

import gpjepa
from gpjepa.api import training
from gpjepa.evaluation.measurable import measurable

CELLS = 64  # predicted of each perturbation
REPEATS = 5  # of a step at most
ENOUGH = 1.0  # CPU seconds after which a step is not repeated
SINGLES = 0.6  # share of the perturbations that are of one gene
STEPS = (
    "read",
    "check",
    "prepare",
    "stage A",
    "stages B and C",
    "composition",
    "calibration",
    "embed",
    "effects",
    "predict",
    "plan",
)


def settings() -> gpjepa.Config:
    """Return settings with which both stages go over the cells once, all genes modelled."""
    once = {"epochs": 1, "min_steps": 0}
    return gpjepa.Config(data={"genes": None}, pretrain=once, fit=once)


def seconds_of(path: Path) -> dict[str, float]:
    """Return the CPU seconds of each of `STEPS` on one file.

    What takes little is repeated and the least taken; training runs once.
    """
    spent: dict[str, float] = {}

    def timed(name: str, work: Callable[[], Any], most: int = REPEATS) -> Any:
        spans: list[float] = []
        while not spans or (len(spans) < most and sum(spans) < ENOUGH):
            start = time.process_time()
            found = work()
            spans.append(time.process_time() - start)
        spent[name] = min(spans)
        return found

    data = timed("read", lambda: _read(path))
    timed("check", lambda: measurable(data))
    model = timed("prepare", lambda: gpjepa.GPJEPA(data, settings()))
    timed("stage A", model.pretrain, 1)
    spent |= fitted(model)
    timed("embed", lambda: model.embed(path))
    labels = list(data.perturbations)
    timed("effects", lambda: model.effects(labels))
    timed("predict", lambda: model.predict(labels, cells=CELLS))
    timed("plan", lambda: _first_pass(model, list(data.members)))
    return {name: spent[name] for name in STEPS}


def fitted(model: gpjepa.GPJEPA) -> dict[str, float]:
    """Fit a model; return what its parts took: how effects compose, training, the rest."""
    parts = {"composition": 0.0, "stages B and C": 0.0}
    composed, trained = training.Trainee._composition, training.run_stage_bc

    def kept(name: str, work: Callable[..., Any]) -> Callable[..., Any]:
        def call(*given: Any) -> Any:
            start = time.process_time()
            found = work(*given)
            parts[name] += time.process_time() - start
            return found

        return call

    training.Trainee._composition = kept("composition", composed)  # type: ignore[method-assign]
    training.run_stage_bc = kept("stages B and C", trained)
    try:
        start = time.process_time()
        model.fit()
        whole = time.process_time() - start
    finally:
        training.Trainee._composition = composed  # type: ignore[method-assign]
        training.run_stage_bc = trained
    return {**parts, "calibration": whole - sum(parts.values())}


def _read(path: Path) -> gpjepa.PerturbSeq:
    return gpjepa.read(path, perturbation="perturbation", library="total_counts", announce=False)


def _first_pass(model: gpjepa.GPJEPA, candidates: list[str]) -> None:
    """Score every candidate alone, as a search begins."""
    goal = model.embed(model.predict(candidates[0], cells=CELLS)).mean(axis=0)
    gpjepa.virtual_screen_perturbations(
        model,
        np.asarray(goal),
        max_size=1,
        planner="exhaustive",
        budget=len(candidates),
        candidates=candidates,
    )


def parts(perturbations: int) -> dict[str, int]:
    """Return how many singles and pairs make up a number of perturbations."""
    singles = round(SINGLES * perturbations)
    return {"singles": singles, "pairs": perturbations - singles}
