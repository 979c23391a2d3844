"""Stage A, then Stages B and C, on prepared data."""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from lightning_fabric import Fabric

from gpjepa.core.config import Config
from gpjepa.core.contradictions import LEARNED
from gpjepa.core.random import derive_seed
from gpjepa.data.vocabulary import Vocabulary
from gpjepa.inference.cells import CellTable
from gpjepa.model.diffusion.residual_head import ResidualHead
from gpjepa.model.effect_composition import EffectComposition
from gpjepa.model.encoder import CellEncoder
from gpjepa.model.gpjepa import GeneMoments, WorldModel, build_encoder, learned_head
from gpjepa.model.variational import RecognitionHead
from gpjepa.training.ablations.decode import StageDecode
from gpjepa.training.ablations.reconstruction import StageReconstruction
from gpjepa.training.cells import coexpression_blocks, start_from_coexpression
from gpjepa.training.checkpoint import Progress
from gpjepa.training.head_fit import make_stage_head, variational_head
from gpjepa.training.pair_batch import pairing_of
from gpjepa.training.pairs import make_pairs
from gpjepa.training.prepare import Prepared
from gpjepa.training.stage import Outlook, Plan, Stage
from gpjepa.training.stage_a import StageA
from gpjepa.training.stage_bc import StageBC
from gpjepa.training.targets import effect_targets
from gpjepa.training.trainer import train_stage
from gpjepa.training.validation import make_validation

INTERVALS = 20  # history rows, checkpoints and validations of a stage


@dataclass(frozen=True, kw_only=True)
class Session:
    """Where and how a stage is run; `identity` ties checkpoints to their run.

    `threads` are CPU threads; None is one for panels below 2,000 genes.
    """

    fabric: Fabric
    seed: int = 0
    threads: int | None = None
    folder: Path | None = None
    resume: bool = False
    watch: Callable[[Outlook], None] | None = None
    identity: str = ""


def seeded_encoder(moments: GeneMoments, config: Config, seed: int) -> CellEncoder:
    """Build an encoder whose initial parameters depend on the seed only."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(derive_seed(seed, "encoder"))
        return build_encoder(moments, config)


def seeded_world_model(prepared: Prepared, config: Config, seed: int) -> WorldModel:
    """Build a world model whose initial parameters depend on the seed only.

    A head that is fitted afterwards begins as the variational one that it is fitted around.
    """
    begun = config.with_head("variational") if config.head.kind in LEARNED else config
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(derive_seed(seed, "model"))
        return WorldModel(prepared.moments, prepared.spec, begun)


def run_stage_a(
    encoder: CellEncoder, cells: CellTable, target: float, config: Config, session: Session
) -> tuple[StageA | StageReconstruction, Progress]:
    """Pretrain `encoder` in place on cells without labels."""
    part = config.pretrain
    if part.start == "coexpression":
        start_from_coexpression(encoder, cells, derive_seed(session.seed, "start") % 2**31)
    stage_of = StageA if part.objective == "jepa" else StageReconstruction
    blocks = coexpression_blocks(cells, target, derive_seed(session.seed, "blocks") % 2**31)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(derive_seed(session.seed, "pretrain"))
        stage = stage_of(encoder, cells, blocks, config, session.seed)
    per_epoch = stage.batches.per_epoch
    steps = min(max(part.epochs * per_epoch, part.min_steps), part.max_steps) * bool(part.epochs)
    plan = Plan(
        steps=steps,
        steps_per_epoch=per_epoch,
        interval=max(1, steps // INTERVALS),
        learning_rate=part.learning_rate,
        weight_decay=part.weight_decay,
        clip=config.fit.clip,
        seed=session.seed,
        identity=session.identity,
    )
    return stage, _trained(stage, plan, session)


def run_stage_bc(
    prepared: Prepared,
    encoder: CellEncoder | None,
    teacher: CellEncoder | None,
    config: Config,
    session: Session,
    composition: EffectComposition | None = None,
) -> tuple[StageBC, Progress]:
    """Fit predictor, head and decoder on an encoder from Stage A (or from scratch: None).

    `composition` denoises the effects of measured combinations that the predictor is to reach.
    """
    model = seeded_world_model(prepared, config, session.seed)
    if encoder is not None:
        model.encoder.load_state_dict(encoder.state_dict())
    seed, moments = session.seed, prepared.moments
    pairs = make_pairs(
        prepared.training, prepared.observed.labels, prepared.vocabulary, config, seed
    )
    validation = make_validation(
        prepared.controls, prepared.validation, prepared.vocabulary, moments.target, seed
    )
    observed = effect_targets(prepared, composition)
    pairing = pairing_of(config.predictor.pairing)
    stage = StageBC(model, teacher, observed, pairs, pairing, config, validation)
    per_epoch = max(1, -(-len(prepared.training.table) // config.fit.batch_size))
    plan = replace(_fit_plan(config, per_epoch, session), patience=config.fit.patience)
    return stage, _trained(stage, plan, session)


def run_head(
    model: WorldModel,
    prepared: Prepared,
    vocabulary: Vocabulary,
    config: Config,
    session: Session,
) -> tuple[ResidualHead, Progress]:
    """Fit the diffusion or flow that `config` names around the head of `model`.

    `model` is not changed: its variational head is copied into the one that is returned.
    """
    seed = derive_seed(session.seed, "head")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        head = learned_head(deepcopy(variational_head(model)), config)
    assert not isinstance(head, RecognitionHead)
    stage = make_stage_head(model, head, prepared, vocabulary, config, seed)
    per_epoch = max(1, -(-len(prepared.training.table) // config.fit.batch_size))
    steps = config.head.fitting_steps
    plan = replace(
        _fit_plan(config, per_epoch, session),
        steps=steps,
        interval=max(1, steps // config.fit.validations),
        learning_rate=config.head.fitting_rate,
        patience=config.fit.patience,
    )
    progress = _trained(stage, plan, session)
    head.finish()
    return head.eval().requires_grad_(False), progress


def run_decode(model: WorldModel, prepared: Prepared, config: Config, session: Session) -> Progress:
    """Fit the decoder of `model` in place to the latents of the training cells."""
    stage = StageDecode(model, prepared.training.table, config.fit.batch_size, session.seed)
    return _trained(stage, _fit_plan(config, stage.batches.per_epoch, session), session)


def _fit_plan(config: Config, per_epoch: int, session: Session) -> Plan:
    """Return the plan of a stage that keeps to the settings of `fit`, whole schedule."""
    part = config.fit
    steps = min(max(part.epochs * per_epoch, part.min_steps), part.max_steps)
    return Plan(
        steps=steps,
        steps_per_epoch=per_epoch,
        interval=max(1, steps // part.validations),
        learning_rate=part.learning_rate,
        weight_decay=part.weight_decay,
        clip=part.clip,
        seed=session.seed,
        identity=session.identity,
    )


def _trained(stage: Stage, plan: Plan, session: Session) -> Progress:
    """Train a stage where and how the session says."""
    return train_stage(stage, plan, session.fabric, session.folder, session.resume, session.watch)
