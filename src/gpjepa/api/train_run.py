"""Training into a run directory."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

from gpjepa.api.model import GPJEPA
from gpjepa.api.options import RoleOptions, RunOptions, training_session
from gpjepa.api.record import TrainingRecord
from gpjepa.api.run import (
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
from gpjepa.core.files import sha256
from gpjepa.core.provenance import provenance
from gpjepa.data.partition import Split
from gpjepa.data.perturbseq import PerturbSeq
from gpjepa.inference.bundle import WEIGHTS, load_encoder, save_encoder
from gpjepa.training.checkpoint import refuse_other


def pretrain_run(
    source: str,
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
    data = roles.read(source, options.announce)
    options.apply_threads(data.n_genes)
    parts = data.split(split or "none", seed=options.seed)
    model = GPJEPA(data, config, parts, seed=options.seed, device=options.device)
    record = data_record(source, data, roles)
    name = identity("pretrain", record, parts, config, options.seed)
    if resume:
        refuse_other(out / "checkpoints", name)
    else:
        begin_records(out, parts, record, config, provenance(options.command, options.seed))
    with training_session(options, out / "checkpoints", name, resume) as session:
        trained = model.pretrain(session=session)
    save_encoder(out, model.encoder_bundle())
    write_history(out, [trained.history])
    return _summary(out, data, parts, [trained])


def train_run(
    source: str,
    out: Path,
    *,
    roles: RoleOptions,
    split: str,
    context_column: str | None,
    config: Config,
    encoder: Path | None,
    resume: bool,
    options: RunOptions,
) -> dict[str, Any]:
    """Run Stage A (or take `encoder`), then Stages B and C, into a run directory.

    `resume` continues an interrupted run exactly. Returns a summary.
    """
    begin(out, force=options.force, resume=resume)
    data = roles.read(source, options.announce)
    options.apply_threads(data.n_genes)
    parts = data.split(split, seed=options.seed, context_column=context_column)
    return train_data(
        data, source, out, parts, roles, config, encoder=encoder, resume=resume, options=options
    )


def train_data(
    data: PerturbSeq,
    source: str,
    out: Path,
    split: Split,
    roles: RoleOptions,
    config: Config,
    *,
    encoder: Path | None,
    resume: bool,
    options: RunOptions,
) -> dict[str, Any]:
    """Train on data that are read and split already; see `train_run`."""
    record = data_record(source, data, roles)
    if encoder is not None:
        _refuse_foreign(encoder, record, split)
        loaded = load_encoder(encoder)
        settings = config.model_dump()
        settings["encoder"] = loaded.config.encoder.model_dump()
        if "encoder" not in config.fit.model_fields_set:
            settings["fit"]["encoder"] = "frozen"
        config = Config(**settings)
    model = GPJEPA(data, config, split, seed=options.seed, device=options.device)
    name = identity("train", record, split, config, options.seed, encoder)
    if resume:
        refuse_other(out / "checkpoints", name)
    else:
        begin_records(out, split, record, config, provenance(options.command, options.seed))
    records = []
    with training_session(options, out / "checkpoints", name, resume) as session:
        if encoder is not None:
            model.use_encoder(loaded)
        else:
            records.append(model.pretrain(session=session))
        records.append(model.fit(session=session))
    write_model(model, out)
    write_history(out, [record.history for record in records])
    return _summary(out, data, split, records)


def data_record(source: str, data: PerturbSeq, roles: RoleOptions) -> DataRecord:
    """Record which data a run is trained on."""
    chosen = {name: getattr(data.roles, name) for name in asdict(roles)}
    return DataRecord(
        str(source), data.fingerprint(), chosen, data.n_cells, data.n_genes, data.simulated
    )


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
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


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
    }
