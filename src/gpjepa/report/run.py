"""What a report is made of: the files of one run directory."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from gpjepa.core.errors import CheckpointError
from gpjepa.core.files import read_json
from gpjepa.report.plan_file import Plan, read_plans
from gpjepa.report.tables import (
    CURVES,
    EFFECTS,
    HISTOGRAMS,
    HISTORY,
    LATENT,
    METRICS,
    POPULATIONS,
    RESPONDERS,
    SCREEN,
    SPREAD,
    TableSpec,
    in_order,
    read_optional,
    read_table,
    text_of,
    values_of,
)

AXES = ("effect", "representation", "generative")
MODEL = "gpjepa"
VERSUS = " − "  # joins model and rival where metrics.csv holds their paired difference
EVALUATION = "evaluation"  # the folder that `gpjepa evaluate` fills
EVALUATION_FILES = (
    *(spec.name for spec in (METRICS, EFFECTS, POPULATIONS, HISTOGRAMS, LATENT, SCREEN)),
    "summary.json",
)
RUN_FILES = (HISTORY.name, "config.json", "split.json", "provenance.json")


@dataclass(frozen=True, eq=False)
class Run:
    """The tables and documents of a finished, evaluated run.

    `curves`, `spread`, `responders`, `head` and `plans` are empty where the run has none.
    """

    name: str
    metrics: pd.DataFrame
    effects: pd.DataFrame
    populations: pd.DataFrame
    histograms: pd.DataFrame
    latent: pd.DataFrame
    screen: pd.DataFrame
    history: pd.DataFrame
    summary: dict[str, Any]
    config: dict[str, Any]
    split: dict[str, Any]
    provenance: dict[str, Any]
    data: dict[str, Any]
    curves: pd.DataFrame
    spread: pd.DataFrame
    responders: pd.DataFrame
    head: dict[str, Any]
    plans: tuple[Plan, ...] = ()

    @property
    def notes(self) -> list[str]:
        """Return what the evaluation had to say beside its numbers."""
        recorded = self.summary.get("notes")
        return [str(note) for note in recorded] if isinstance(recorded, list) else []

    @property
    def model(self) -> str:
        """Return the name that the metrics give to the model under test."""
        names = [name for name in in_order(text_of(self.metrics, "model")) if VERSUS not in name]
        return MODEL if MODEL in names or not names else names[0]


def read_run(run: Path | str) -> Run:
    """Read the files of a run directory that a report needs.

    Raises:
        CheckpointError: files are missing or damaged, or an axis of the evaluation is missing.
    """
    folder = Path(run)
    _require_files(folder)
    evaluation = folder / EVALUATION

    def table(spec: TableSpec) -> pd.DataFrame:
        return read_table(evaluation / spec.name, spec)

    loaded = Run(
        name=folder.resolve().name,
        metrics=table(METRICS),
        effects=table(EFFECTS),
        populations=table(POPULATIONS),
        histograms=table(HISTOGRAMS),
        latent=table(LATENT),
        screen=table(SCREEN),
        history=read_table(folder / HISTORY.name, HISTORY),
        summary=_document(evaluation / "summary.json"),
        config=_document(folder / "config.json"),
        split=_document(folder / "split.json"),
        provenance=_document(folder / "provenance.json"),
        data=_optional_document(folder / "data.json"),
        curves=read_optional(evaluation / CURVES.name, CURVES),
        spread=read_optional(evaluation / SPREAD.name, SPREAD),
        responders=read_optional(evaluation / RESPONDERS.name, RESPONDERS),
        head=_optional_document(folder / "head.json"),
        plans=read_plans(folder),
    )
    _require_axes(loaded)
    return loaded


def _require_files(folder: Path) -> None:
    """Raise `CheckpointError` naming every file that a report needs and that is not there."""
    if not folder.is_dir():
        raise CheckpointError(
            f"run directory {str(folder)!r} does not exist; expected one written by "
            "`gpjepa train` or `gpjepa demo`; check the path"
        )
    trained = [name for name in RUN_FILES if not (folder / name).is_file()]
    evaluated = [name for name in EVALUATION_FILES if not (folder / EVALUATION / name).is_file()]
    if not trained and not evaluated:
        return
    missing = [*trained, *(f"{EVALUATION}/{name}" for name in evaluated)]
    steps = [
        *(["finish the training (`gpjepa train --resume`)"] if trained else []),
        *([f"run `gpjepa evaluate {folder.name}`"] if evaluated else []),
    ]
    raise CheckpointError(
        f"run directory {str(folder)!r} lacks {', '.join(missing)}; expected the files of a "
        f"trained and evaluated run; {' and '.join(steps)}"
    )


def _require_axes(run: Run) -> None:
    """Raise `CheckpointError` unless the model has a number on each of the three axes."""
    axes = np.array(text_of(run.metrics, "axis"), dtype=object)
    models = np.array(text_of(run.metrics, "model"), dtype=object)
    scored = np.isfinite(values_of(run.metrics, "value")) & (models == run.model)
    missing = [axis for axis in AXES if not np.any(scored & (axes == axis))]
    if missing:
        plural = "axis" if len(missing) == 1 else "axes"
        raise CheckpointError(
            f"metrics.csv has no score of {run.model} on the {plural} {' and '.join(missing)}; "
            f"expected all of {', '.join(AXES)}, because one of them alone misleads; "
            f"run `gpjepa evaluate {run.name}` so that every axis is scored"
        )


def _optional_document(path: Path) -> dict[str, Any]:
    return _document(path) if path.is_file() else {}


def _document(path: Path) -> dict[str, Any]:
    """Read a JSON object.

    Raises:
        CheckpointError: the file is not JSON or holds something else than an object.
    """
    try:
        document = read_json(path)
    except (OSError, UnicodeDecodeError, json.JSONDecodeError) as error:
        raise CheckpointError(
            f"{path.name} cannot be read ({error}); expected a JSON object; "
            "evaluate or train the run again"
        ) from error
    if not isinstance(document, dict):
        raise CheckpointError(
            f"{path.name} holds a {type(document).__name__}; expected a JSON object; "
            "evaluate or train the run again"
        )
    return document
