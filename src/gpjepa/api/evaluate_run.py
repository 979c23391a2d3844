"""Evaluating a run on the perturbations that its own split held out."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path
from typing import Any

from gpjepa.api.artefacts import write_artefacts
from gpjepa.api.assessment import Assessment, assess
from gpjepa.api.depth import depth_robustness
from gpjepa.api.headline import headline_rows
from gpjepa.api.model import GPJEPA
from gpjepa.api.options import RoleOptions, RunOptions
from gpjepa.api.run import DataRecord, read_data_record, read_split
from gpjepa.api.screen import screen_pairs
from gpjepa.core.errors import CheckpointError, DataError
from gpjepa.core.files import refuse_existing, write_atomic, write_json
from gpjepa.data.perturbseq import PerturbSeq


def evaluate_run(
    run: Path, out: Path | None, data: str | None, options: RunOptions
) -> dict[str, Any]:
    """Predict and score the held-out perturbations of a run's split, baselines beside them.

    Writes metrics.json, metrics.csv and what the report shows into RUN/evaluation, or into `out`.
    `data` replaces the recorded path of the training file. Raises `DataError` when the file is
    not the one that the run was trained on, and when an axis could not be scored.
    """
    target = refuse_existing(out or run / "evaluation", options.force)
    model = GPJEPA.load(run, options.device)
    options.apply_threads(len(model.bundle.panel.names))
    record = read_data_record(run)
    cells = _training_file(record, data)
    return evaluate_model(model, cells, run, target, options, record)


def evaluate_model(
    model: GPJEPA,
    data: PerturbSeq,
    run: Path,
    out: Path,
    options: RunOptions,
    record: DataRecord,
) -> dict[str, Any]:
    """Evaluate a loaded model on data that are read already; see `evaluate_run`."""
    started = time.perf_counter()
    split = read_split(run)
    assessed = assess(model, data, split, options.seed)
    if assessed.report.missing_axes:
        missing = ", ".join(assessed.report.missing_axes)
        raise DataError(
            f"the evaluation lacks an axis ({missing}); expected effect, representation and "
            "generative scores; check the observed cells"
        )
    depth = depth_robustness(model, assessed, options.seed)
    if depth is not None:
        assessed = replace(assessed, report=assessed.report.extended(depth))
    write_artefacts(model, assessed, out, options.seed)
    screened = screen_pairs(model, data.perturbations, assessed.gated, options.seed)
    write_atomic(out / "screen.csv", lambda path: screened.to_csv(path, index=False))
    summary = summarise(model, data, assessed, record, options.seed)
    summary["wall_seconds"] = round(time.perf_counter() - started, 1)
    summary["verdicts"].update(screened["verdict"].value_counts().sort_index().to_dict())
    write_json(out / "summary.json", summary)
    return {"evaluation": str(out), **summary}


def summarise(
    model: GPJEPA, data: PerturbSeq, assessed: Assessment, record: DataRecord, seed: int
) -> dict[str, Any]:
    """Return what the top of a report says, losses as plainly as wins."""
    split, report = assessed.split, assessed.report
    name = "+".join(Path(path).stem for path in record.paths)
    notes = [*report.notes, *data.notes]
    if assessed.fit_only:
        notes.insert(0, "nothing was held out: these scores are of fit, not of prediction")
    if assessed.unpredictable:
        names = ", ".join(assessed.unpredictable)
        notes.append(f"held out without training cells or features, not predicted: {names}")
    if not model.bundle.calibration.calibrated:
        count = model.bundle.calibration.perturbations
        notes.append(f"effect intervals are uncalibrated: {count} validation perturbations")
    return {
        "title": f"Predicted perturbations of {name}",
        "dataset": name,
        "simulated": record.simulated,
        "split": {
            "scheme": split.scheme,
            "train": len(split.train),
            "validation": len(split.validation),
            "test": list(split.test),
        },
        "cells": data.n_cells,
        "genes": len(model.bundle.panel.names),
        "perturbations": len(data.perturbations),
        "seed": seed,
        "verdicts": {},
        "headline": headline_rows(report, split.groups),
        "notes": notes,
    }


def _training_file(record: DataRecord, data: str | None) -> PerturbSeq:
    """Read the file that a run was trained on and check that it is still the same."""
    source = data or record.path
    if data is None and not all(Path(path).exists() for path in record.paths):
        raise DataError(
            f"the training file {source!r} is not there; expected the file that the run was "
            "trained on; say where it is with --data"
        )
    found = RoleOptions(**record.roles).read(source, announce=False)
    if found.fingerprint() != record.fingerprint:
        raise CheckpointError(
            f"file {source!r} is not the one that the run was trained on (its cells, genes, labels "
            "or counts differ); expected the same file; say where it is with --data"
        )
    return found
