"""One function for each verb of the command."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gpjepa.api.cell_eval import with_controls
from gpjepa.api.embed_run import embed_file
from gpjepa.api.evaluate_run import evaluate_run
from gpjepa.api.model import GPJEPA
from gpjepa.api.options import RoleOptions, RunOptions
from gpjepa.api.run import read_data_record, read_split
from gpjepa.api.together import predicted_together
from gpjepa.api.train_run import pretrain_run, train_run
from gpjepa.core.errors import ConfigError, DataError, unknown
from gpjepa.core.files import read_json, refuse_existing, write_atomic, write_json
from gpjepa.data.audit import audit
from gpjepa.data.given_features import FeatureFile, feature_file
from gpjepa.evaluation.evaluator import evaluate
from gpjepa.evaluation.gate import CONTROL_MEAN
from gpjepa.evaluation.measurable import FEWEST_GENES, measurable
from gpjepa.inference.bundle import load_encoder
from gpjepa.training.feature_blocks import refuse_useless
from gpjepa.training.processes import meet

if TYPE_CHECKING:
    from pandas import DataFrame

    from gpjepa.evaluation.request import Values

__all__ = [
    "RoleOptions",
    "RunOptions",
    "check_file",
    "describe_run",
    "embed_file",
    "evaluate_files",
    "evaluate_run",
    "predict_file",
    "pretrain_run",
    "train_run",
]

NOT_RECORDED = "not recorded"
FORMATS = ("anndata", "cell-eval")


def check_file(
    source: str | Sequence[str],
    roles: RoleOptions,
    split: str | None,
    options: RunOptions,
    context_column: str | None = None,
    features: Sequence[Path] = (),
) -> dict[str, Any]:
    """Read a file and say what is in it, what is odd, and what can be measured.

    Returns `roles` and `problems` (lines), `table` (a record per perturbation: cells, effect
    size, split-half ceiling) and, with a split, `leaks` and the labels of its parts. `features`
    are files of feature tables: lines say what each covers, and `problems` where that is little
    or nothing. Raises `DataError` for one that cannot be read.
    """
    data = roles.read(source, announce=False, backed=options.backed)
    tables = [feature_file(path, data.members) for path in features]
    table = measurable(data, options.seed)
    found: dict[str, Any] = {
        "roles": data.roles.describe(),
        "cells": data.n_cells,
        "genes": data.n_genes,
        "problems": [*data.notes, *_few_genes(table)],
        "table": table.to_dict(orient="records"),
    }
    if tables:
        covered = [table.describe() for table in tables]
        found["features"] = [first for first, *_ in covered]
        found["problems"] += [
            line.removeprefix("warning: ") for _, *more in covered for line in more
        ]
        found["problems"] += [told for table in tables for told in _useless(table, data.members)]
    if split is not None:
        made = data.split(split, seed=options.seed, context_column=context_column)
        found["leaks"] = audit(made, data)
        found["split"] = {
            part: list(getattr(made, part)) for part in ("train", "validation", "test")
        }
    return found


def _few_genes(table: DataFrame) -> list[str]:
    """Return why nothing can be measured; nothing where enough genes count."""
    genes = int(table.attrs["genes"])
    if genes >= FEWEST_GENES:
        return []
    return [
        f"genes with a mean of {CONTROL_MEAN} counts in control cells that are not perturbed: "
        f"{genes}; with fewer than {FEWEST_GENES} no effect can be measured"
    ]


def _useless(file: FeatureFile, perturbed: Sequence[str]) -> list[str]:
    """Return why training would refuse a feature table; nothing where it would not."""
    try:
        refuse_useless([file.table], perturbed)
    except DataError as error:
        return [f"{Path(file.path).name}: {error}"]
    return []


def predict_file(
    run: Path,
    labels: Sequence[str],
    cells: int,
    out: Path,
    format: str,
    options: RunOptions,
    modality: str | None = None,
) -> dict[str, Any]:
    """Sample populations of raw counts into an h5ad file, with controls for cell-eval."""
    refuse_existing(out, options.force)
    options.open_fabric()
    options.apply_threads()
    if format not in FORMATS:
        raise ConfigError(unknown("format", format, FORMATS, "leave it out for 'anndata'"))
    model = GPJEPA.load(run, options.device)
    found = predicted_together(model, labels, cells, options.seed, modality)
    if found is not None:
        predicted = found.cells
        if format == "cell-eval":
            predicted = with_controls(predicted, model.controls, model.bundle.panel.names)
        write_atomic(out, predicted.write_h5ad)
    meet()
    if found is None:
        return {"out": str(out), "perturbations": []}
    return {
        "out": str(out),
        "cells": predicted.n_obs,
        "genes": predicted.n_vars,
        "perturbations": found.told,
    }


def evaluate_files(
    predicted: Path,
    observed: Path,
    train: Path | None,
    out: Path | None,
    options: RunOptions,
    metrics: Sequence[str] = (),
    values: Values = "counts",
) -> dict[str, Any]:
    """Score anyone's predictions against observed cells; write metrics when `out` is given.

    `metrics` are those to compute, all when there are none; predicted means (`values`) need some.
    """
    if out is not None:
        refuse_existing(out, options.force)
    report = evaluate(
        predicted,
        observed,
        train=train,
        seed=options.seed,
        name="predicted",
        metrics=metrics or None,
        values=values,
    )
    document = report.to_json()
    if out is not None:
        out.mkdir(parents=True, exist_ok=True)
        write_json(out / "metrics.json", document)
        write_atomic(out / "metrics.csv", lambda path: report.table.to_csv(path, index=False))
    headline = report.headline(metrics) if metrics else report.headline()
    return {**document, "headline": headline}


def _describe_split(run: Path) -> dict[str, Any] | str:
    if not (run / "split.json").exists():
        return NOT_RECORDED
    split = read_split(run)
    return {
        "scheme": split.scheme,
        "seed": split.seed,
        "train": len(split.train),
        "validation": len(split.validation),
        "test": list(split.test),
    }


def describe_run(run: Path) -> dict[str, Any]:
    """Say what a run is: data, split, settings, training and versions.

    A model that was saved by itself has neither a record of data nor a split.
    """
    bundle = load_encoder(run)
    fitted = (run / "vocabulary.json").exists()
    document: dict[str, Any] = {
        "kind": "world model" if fitted else "encoder",
        "data": asdict(read_data_record(run)) if (run / "data.json").exists() else NOT_RECORDED,
        "genes": len(bundle.panel.names),
        "rest_of_transcriptome": bundle.panel.has_rest,
        "split": _describe_split(run),
        "config": bundle.config.model_dump(mode="json"),
    }
    if fitted:
        model = GPJEPA.load(run)
        vocabulary, calibration = model.bundle.vocabulary, model.bundle.calibration
        document["measured_perturbations"] = list(vocabulary.members[: vocabulary.measured])
        document["perturbations_with_features"] = len(vocabulary.members)
        document["calibrated"] = calibration.calibrated
        document["supports_interactions"] = calibration.supports_interactions
        document["supports_novel"] = calibration.supports_novel
    if (run / "provenance.json").exists():
        document["provenance"] = read_json(run / "provenance.json")
    return document
