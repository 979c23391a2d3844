"""Run directories: what a training run leaves behind, and a model read from it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gpjepa.api.controls import ControlCells, load_controls, save_controls
from gpjepa.core.config import Config
from gpjepa.core.errors import CheckpointError, ConfigError, DataError
from gpjepa.core.files import (
    clear,
    read_json,
    refuse_existing,
    write_atomic,
    write_json,
    write_text,
)
from gpjepa.data.partition import Split
from gpjepa.inference.bundle import Bundle, load_bundle, save_bundle
from gpjepa.training.processes import open_fabric

if TYPE_CHECKING:
    from pandas import DataFrame

    from gpjepa.api.model import GPJEPA

HEAD = "head.json"  # which latent head was chosen and why
PLANS = "plans"  # the folder of a run where the report looks for plans


@dataclass(frozen=True)
class DataRecord:
    """Which file a run was trained on and how its columns were read.

    `path` is as it was given; `roles` are the arguments of `gpjepa.read`; `features` say of each
    table of features where it was, its checksum and what it covers.
    """

    path: str | Sequence[str]  # several files are read as one
    fingerprint: str
    roles: dict[str, str | None]
    cells: int
    genes: int
    simulated: bool
    features: Sequence[dict[str, Any]] = ()

    @property
    def paths(self) -> list[str]:
        """Return the files, one or several."""
        return [self.path] if isinstance(self.path, str) else list(self.path)

    def to_json(self) -> dict[str, Any]:
        """Return a JSON document."""
        return dict(self.__dict__)


def split_identity(split: Split) -> str:
    """Return a short hash of a split: two runs with one identity trained on the same cells."""
    text = json.dumps(split.to_json(), sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def save_model(model: GPJEPA, path: Path, force: bool) -> Path:
    """Write a fitted model to a directory of its own."""
    refuse_existing(path, force)
    if force:
        _clear_run(path)
    write_model(model, path)
    return path


def write_model(model: GPJEPA, path: Path) -> None:
    """Write the fitted parts and the control cells into `path`."""
    save_bundle(path, model.bundle)
    save_controls(model.controls, model.bundle.panel, path / "controls.h5ad")


def load_model(path: Path, device: str) -> tuple[Bundle, ControlCells]:
    """Read the fitted parts and the control cells of a run."""
    bundle = load_bundle(path)
    chosen = open_fabric(device).device
    bundle.model.to(chosen)
    bundle.teacher.to(chosen)
    controls = load_controls(path / "controls.h5ad", bundle.panel, bundle.vocabulary)
    return bundle, controls


def read_split(path: Path) -> Split:
    """Read the split of a run; raise `CheckpointError` when it is missing or damaged."""
    try:
        return Split.from_json(read_json(path / "split.json"))
    except (OSError, ValueError, DataError) as error:
        raise CheckpointError(
            f"split.json in run {str(path)!r} cannot be read ({error}); expected the split that "
            "the run was trained on; restore it or train again"
        ) from error


def read_data_record(path: Path) -> DataRecord:
    """Read which data a run was trained on; raise `CheckpointError` when it is not recorded."""
    try:
        return DataRecord(**read_json(path / "data.json"))
    except (OSError, ValueError, TypeError) as error:
        raise CheckpointError(
            f"data.json in run {str(path)!r} cannot be read ({error}); expected the record of the "
            "training data; restore it or train again"
        ) from error


def write_history(path: Path, records: Sequence[DataFrame]) -> None:
    """Write the history of all stages as history.csv and history.jsonl."""
    import pandas

    history = pandas.concat(list(records), ignore_index=True)
    write_atomic(path / "history.csv", lambda target: history.to_csv(target, index=False))
    rows = [json.dumps(row) for row in history.to_dict(orient="records")]
    write_text(path / "history.jsonl", "".join(f"{row}\n" for row in rows))


def begin(path: Path, *, force: bool, resume: bool) -> None:
    """Refuse an occupied directory unless it is resumed or forced; nothing is touched yet."""
    if resume:
        if not (path / "checkpoints").is_dir():
            raise ConfigError(
                f"run {str(path)!r} has no checkpoints; expected an interrupted run to resume; "
                "leave out --resume to start it"
            )
        return
    refuse_existing(path, force)


def _clear_run(path: Path) -> None:
    """Remove what an earlier run wrote, and nothing else."""
    for name in (
        "model.safetensors",
        "config.json",
        "genes.json",
        "vocabulary.json",
        "calibration.json",
        "evidence.safetensors",
        "contexts.safetensors",
        HEAD,
        "provenance.json",
        "split.json",
        "data.json",
        "history.csv",
        "history.jsonl",
        "controls.h5ad",
        "checkpoints",
        "evaluation",
        PLANS,
    ):
        clear(path / name)


def begin_records(
    path: Path, split: Split, data: DataRecord, config: Config, provenance: dict[str, Any]
) -> None:
    """Clear what an earlier run left and write what identifies this one, before its first step."""
    path.mkdir(parents=True, exist_ok=True)
    _clear_run(path)
    write_json(path / "split.json", split.to_json())
    write_json(path / "data.json", data.to_json())
    write_json(path / "config.json", config.model_dump(mode="json"))
    write_json(path / "provenance.json", provenance)
