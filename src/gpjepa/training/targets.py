"""What decoded effects are compared with in training: denoised effects, composed for sets."""

from __future__ import annotations

import numpy as np
import torch

from gpjepa.model.effect_composition import EffectComposition
from gpjepa.training.measured_effects import ERROR_FLOOR
from gpjepa.training.prepare import Prepared
from gpjepa.training.stage_bc import EffectTargets


def effect_targets(prepared: Prepared, composition: EffectComposition | None) -> EffectTargets:
    """Return denoised effects of the training perturbations, [P, G].

    A set that is composed has the composed effect as its target: its own measurement is part of
    that, and a second opinion would pull its members away from theirs.
    """
    measured, posterior = prepared.observed, prepared.observed.posterior
    effect = torch.from_numpy(posterior.mean).float()
    if composition is not None and composition.stacked is not None:
        members = torch.from_numpy(prepared.vocabulary.encode(measured.labels))
        at = composition.composes(members).nonzero().squeeze(1)
        effect[at[:, None], composition.genes[None]] = composition.target(members[at])
    error = torch.from_numpy(np.hypot(posterior.deviation, ERROR_FLOOR)).float()
    return EffectTargets(effect, error, prepared.moments.target)
