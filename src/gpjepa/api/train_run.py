"""Training into a run directory."""

from __future__ import annotations

import hashlib
import json
import sys
import warnings
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from gpjepa.api.model import GPJEPA
from gpjepa.api.options import RoleOptions, RunOptions, training_session
from gpjepa.api.record import TrainingRecord
from gpjepa.api.run import (
    HEAD,
    DataRecord,
    begin,
    begin_records,
    read_data_record,
    read_split,
    split_identity,
    write_history,
    write_model,
)
from gpjepa.core.config import Config
from gpjepa.core.errors import CheckpointError
from gpjepa.core.files import sha256, write_json
from gpjepa.core.provenance import provenance
from gpjepa.core.ranks import started_by
from gpjepa.data.given_features import FeatureFile, feature_file
from gpjepa.data.partition import Split
from gpjepa.data.perturbseq import PerturbSeq
from gpjepa.data.several import all_sources
from gpjepa.inference.bundle import WEIGHTS, load_encoder, save_encoder
from gpjepa.training.checkpoint import refuse_other
from gpjepa.training.processes import meet


def pretrain_run(
    source: str | Sequence[str],
    out: Path,
    *,
    roles: RoleOptions,
    split: str | None,
    config: Config,
    options: RunOptions,
    resume: bool = False,
) -> dict[str, Any]:
    """Run Stage A on the training cells of a split (None: on all cells) into a run directory.

    Returns a summary. Raises `KeyboardInterrupt` after a checkpoint when asked to stop; `resume`
    continues from it exactly.
    """
    begin(out, force=options.force, resume=resume)
    options.open_fabric()
    data = roles.read(source, options.announce, options.backed)
    options.apply_threads(data.n_genes)
    parts = data.split(split or "none", seed=options.seed)
    model = GPJEPA(data, config, parts, seed=options.seed, device=options.device)
    record = data_record(source, data, roles)
    name = identity("pretrain", record, parts, config, options.seed)
    origin = provenance(options.command, options.seed)
    _open_records(out, parts, record, config, origin, name if resume else None)
    with training_session(options, out / "checkpoints", name, resume) as session:
        trained = model.pretrain(session=session)
    if started_by()[1].first:
        save_encoder(out, model.encoder_bundle())
        write_history(out, [trained.history])
    meet()
    return _summary(out, data, parts, [trained])


def train_run(
    source: str | Sequence[str],
    out: Path,
    *,
    roles: RoleOptions,
    split: str,
    context_column: str | None,
    config: Config,
    encoder: Path | None,
    resume: bool,
    options: RunOptions,
    features: Sequence[Path] = (),
) -> dict[str, Any]:
    """Run Stage A (or take `encoder`), then Stages B and C, into a run directory.

    `features` are files of feature tables; a run that is resumed remembers its own. `resume`
    continues an interrupted run exactly. Returns a summary.
    """
    begin(out, force=options.force, resume=resume)
    options.open_fabric()
    data = roles.read(source, options.announce, options.backed)
    options.apply_threads(data.n_genes)
    parts = data.split(split, seed=options.seed, context_column=context_column)
    paths = features or (recorded_features(out) if resume else ())
    tables = [feature_file(path, data.members) for path in paths]
    if options.announce:
        for table in tables:
            print("\n".join(table.describe()), file=sys.stderr)
    return train_data(
        data,
        source,
        out,
        parts,
        roles,
        config,
        encoder=encoder,
        resume=resume,
        options=options,
        features=tables,
    )


def train_data(
    data: PerturbSeq,
    source: str | Sequence[str],
    out: Path,
    split: Split,
    roles: RoleOptions,
    config: Config,
    *,
    encoder: Path | None,
    resume: bool,
    options: RunOptions,
    features: Sequence[FeatureFile] = (),
) -> dict[str, Any]:
    """Train on data that are read and split already; see `train_run`."""
    record = replace(
        data_record(source, data, roles), features=[table.to_json() for table in features]
    )
    if encoder is not None:
        _refuse_foreign(encoder, record, split)
        loaded = load_encoder(encoder)
        settings = config.model_dump()
        settings["encoder"] = loaded.config.encoder.model_dump()
        if "encoder" not in config.fit.model_fields_set:
            settings["fit"]["encoder"] = "frozen"
        config = Config(**settings)
    tables = [file.table for file in features]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # what they cover was told by file already
        model = GPJEPA(
            data, config, split, features=tables, seed=options.seed, device=options.device
        )
    name = identity("train", record, split, config, options.seed, encoder)
    origin = _provenance(options, features)
    _open_records(out, split, record, config, origin, name if resume else None)
    records = []
    with training_session(options, out / "checkpoints", name, resume) as session:
        if encoder is not None:
            model.use_encoder(loaded)
        else:
            records.append(model.pretrain(session=session))
        records.append(model.fit(session=session))
    if started_by()[1].first:
        write_model(model, out)
        write_history(out, [record.history for record in records])
        choice = records[-1].head
        if choice is not None:
            write_json(out / HEAD, choice.to_json())
    meet()
    return _summary(out, data, split, records)


def _open_records(
    out: Path,
    split: Split,
    record: DataRecord,
    config: Config,
    origin: dict[str, Any],
    resumed: str | None,
) -> None:
    """Begin a run directory, or check that the one which is `resumed` is of this run.

    Of several processes the first one writes, after all have looked at the directory.
    """
    meet()
    if resumed is not None:
        refuse_other(out / "checkpoints", resumed)
    elif started_by()[1].first:
        begin_records(out, split, record, config, origin)
    meet()


def data_record(source: str | Sequence[str], data: PerturbSeq, roles: RoleOptions) -> DataRecord:
    """Record which data a run is trained on."""
    chosen = {name: getattr(data.roles, name) for name in asdict(roles)}
    files = all_sources(source)
    path = files if isinstance(files, str) else [str(each) for each in files]
    return DataRecord(path, data.fingerprint(), chosen, data.n_cells, data.n_genes, data.simulated)


def identity(
    stage: str,
    data: DataRecord,
    split: Split,
    config: Config,
    seed: int,
    encoder: Path | None = None,
) -> str:
    """Return what a checkpoint must agree on to be resumed."""
    settings = config.model_dump(mode="json")
    adopted = None if encoder is None else sha256(encoder / WEIGHTS)
    parts = [stage, data.fingerprint, data.roles, split_identity(split), settings, seed, adopted]
    parts += [entry["sha256"] for entry in data.features]
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def _provenance(options: RunOptions, features: Sequence[FeatureFile]) -> dict[str, Any]:
    """Return the provenance of a run with the names and checksums of its feature tables."""
    found = provenance(options.command, options.seed)
    tables = [{"file": Path(table.path).name, "sha256": table.sha256} for table in features]
    return {**found, "features": tables} if tables else found


def recorded_features(run: Path) -> list[Path]:
    """Return the feature tables of a run; raise `CheckpointError` when one is not as it was."""
    paths = []
    for entry in read_data_record(run).features:
        path = Path(entry["path"])
        if not path.exists() or sha256(path) != entry["sha256"]:
            raise CheckpointError(
                f"feature table {str(path)!r} is not there or has changed; expected the table that "
                "the run began with; restore it, or say where it is with --features"
            )
        paths.append(path)
    return paths


def _refuse_foreign(encoder: Path, data: DataRecord, split: Split) -> None:
    """Refuse an encoder that was pretrained on another split of the same cells."""
    own = read_data_record(encoder)
    if own.fingerprint != data.fingerprint:
        return
    if split_identity(read_split(encoder)) != split_identity(split):
        raise CheckpointError(
            f"encoder {str(encoder)!r} was pretrained on another split of the same cells, so it "
            "has seen cells that this split holds out; expected the same split and seed; "
            "pretrain with them"
        )


def _summary(
    out: Path, data: PerturbSeq, split: Split, records: list[TrainingRecord]
) -> dict[str, Any]:
    last = records[-1]
    choice = last.head
    chosen = {} if choice is None else {"head": choice.kind, "head_reason": choice.reason}
    return {
        "run": str(out),
        "cells": data.n_cells,
        "genes": data.n_genes,
        "training_perturbations": len(split.train),
        "validation_perturbations": len(split.validation),
        "test_perturbations": len(split.test),
        "steps": [record.steps for record in records],
        "best_step": last.best_step,
        "best_score": last.best_score,
        "seconds": round(sum(record.seconds for record in records), 1),
        **chosen,
    }
