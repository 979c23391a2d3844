"""Which latent head a fitted model draws from: chosen after fitting, or swapped later."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from gpjepa.api.record import TrainingRecord
from gpjepa.core.config import Config, HeadKind
from gpjepa.core.contradictions import LEARNED
from gpjepa.core.errors import CheckpointError, ConfigError
from gpjepa.data.vocabulary import Vocabulary
from gpjepa.inference.bundle import Bundle
from gpjepa.training.checkpoint import Progress
from gpjepa.training.escalation import HeadFitting
from gpjepa.training.pipeline import Session
from gpjepa.training.population_validation import make_population_validation
from gpjepa.training.prepare import Prepared
from gpjepa.training.validation import make_validation

SWAPPED = ("variational", *LEARNED)


def head_fitting(
    prepared: Prepared, vocabulary: Vocabulary, gated: np.ndarray, config: Config, used: Session
) -> HeadFitting:
    """Bind what fits and chooses heads to training and validation cells."""
    controls, target, seed = prepared.controls, prepared.moments.target, used.seed
    populations = make_population_validation(
        controls, prepared.checked, vocabulary, gated, target, seed
    )
    effects = make_validation(controls, prepared.validation, vocabulary, target, seed)
    return HeadFitting(prepared, vocabulary, populations, effects, config, used)


def swapped(
    bundle: Bundle, prepared: Prepared, gated: np.ndarray, kind: HeadKind, used: Session
) -> tuple[TrainingRecord, Bundle]:
    """Return the model with another head, fitted on the prepared training cells.

    Everything else is shared with the model given. Interval widths stay: they are of the
    mean effects, which predictor and decoder make. Raises `ConfigError` for a head that cannot
    be fitted afterwards, `CheckpointError` for other data than the model's.
    """
    if kind not in SWAPPED:
        raise ConfigError(
            f"the head {kind!r} cannot be swapped in; expected one of {', '.join(SWAPPED)}; "
            "train a model with the other one"
        )
    _require_same(bundle, prepared)
    fitting = head_fitting(prepared, bundle.vocabulary, gated, bundle.config, used)
    choice, progress = fitting.choose(bundle.model, kind)
    record = TrainingRecord.of(progress or Progress(finished=True), head=choice)
    return record, replace(bundle, config=bundle.config.with_head(choice.kind))


def _require_same(bundle: Bundle, prepared: Prepared) -> None:
    """Raise `CheckpointError` unless the data are those that the model was trained on."""
    own, given = bundle.vocabulary, prepared.vocabulary
    if bundle.panel.names != prepared.genes:
        raise CheckpointError(
            f"the data model {len(prepared.genes)} genes, the model {len(bundle.panel.names)}, or "
            "others; expected the data and split that the model was trained on; pass those"
        )
    measured = own.members[: own.measured], given.members[: given.measured]
    if measured[0] != measured[1] or own.covariates != given.covariates:
        raise CheckpointError(
            f"the data have {len(measured[1])} perturbed genes in training cells, the model knows "
            f"{len(measured[0])}, or others; expected the data and split that the model was "
            "trained on; pass those"
        )
