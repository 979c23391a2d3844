"""How far a prediction lies from what was trained, and what to make of it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from gpjepa.data.labels import members_of
from gpjepa.data.vocabulary import Vocabulary
from gpjepa.inference.calibration import Calibration

USE_MODEL = "use the model"
USE_SUM = "use the sum"
DO_NOT_TRUST = "do not trust"
FAR = 0.8  # novelty above which a prediction from features is not believed
UNKNOWN = 0.85  # expected error, as a share of the expected size, above which nothing is believed
LEAST_GAIN = 0.15  # of the sum's expected error, that the model is to save
TOGETHER_ONLY = 0.5  # novelty of a member that was only measured inside combinations


def member_novelty(vocabulary: Vocabulary, features: Tensor, member: str) -> float:
    """Return 0 for a member measured alone, up to 1 for one unlike any measured member.

    For a member without training cells it is 1 − the largest similarity to a measured member that
    was perturbed in the same way: the cosine of their features, times the member's length where
    that is below 1, the usual length of measured ones. A short row shares little with any of
    them, whatever its direction. With gene sets alone this is the cosine of the whole sets.
    """
    index = vocabulary.index_of(member)
    if index < vocabulary.measured:
        return TOGETHER_ONLY if member in vocabulary.in_combination_only else 0.0
    if features.shape[1] == 0:
        return 1.0
    known, own = features[: vocabulary.measured].cpu().float(), features[index].cpu().float()
    ways = vocabulary.modality_index()
    if ways is not None:
        known = known[torch.from_numpy(ways[: vocabulary.measured] == ways[index])]
    if not len(known):
        return 1.0
    own = own / own.norm().clamp_min(1.0)
    nearest = float((torch.nn.functional.normalize(known, dim=1) @ own).max())
    return float(np.clip(1.0 - nearest, 0.0, 1.0))


def novelty(vocabulary: Vocabulary, features: Tensor, label: str) -> float:
    """Return the largest novelty among a label's members; control has none."""
    members = members_of(label)
    return max((member_novelty(vocabulary, features, member) for member in members), default=0.0)


def verdict(vocabulary: Vocabulary, calibration: Calibration, label: str, distance: float) -> str:
    """Return what to make of a prediction, from its novelty and what validation supports."""
    members = members_of(label)
    if not vocabulary.all_measured(label):
        believed = calibration.supports_novel and distance <= FAR
        return USE_MODEL if believed else DO_NOT_TRUST
    if any(member in vocabulary.in_combination_only for member in members):
        return DO_NOT_TRUST
    if len(members) > 1 and not calibration.supports_interactions:
        return USE_SUM
    return USE_MODEL


def refine(coarse: str, effect: np.ndarray, deviation: np.ndarray, sums: np.ndarray) -> str:
    """Return the verdict of one prediction from its own expected error [G].

    The truth is expected to be `deviation` off the effect, so the sum of measured singles is
    expected to be off by that and by its distance from the effect. `sums` are NaN where a member
    was not measured alone, and the effect itself for a single.
    """
    if coarse == DO_NOT_TRUST:
        return coarse
    error = float((deviation**2).sum())
    if error > UNKNOWN**2 * (float((effect**2).sum()) + error):
        return DO_NOT_TRUST
    of_sum = error + float(((effect - sums) ** 2).sum())
    if np.isfinite(of_sum) and error > (1.0 - LEAST_GAIN) ** 2 * of_sum:
        return USE_SUM
    return USE_MODEL if np.isfinite(of_sum) else coarse


def nearest_measured(labels: Sequence[str], label: str) -> str:
    """Return the training label that shares the most members with `label`, the smallest first."""
    own = set(members_of(label))

    def rank(other: str) -> tuple[int, int, str]:
        members = set(members_of(other))
        return (-len(own & members), len(own ^ members), other)

    return min(labels, key=rank)
