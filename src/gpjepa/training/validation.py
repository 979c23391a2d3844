"""The score on validation perturbations that stops training and chooses the model."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from gpjepa.core.random import numpy_stream
from gpjepa.data.vocabulary import Vocabulary
from gpjepa.inference.means import control_shares, encode_controls, mean_shares
from gpjepa.model.gpjepa import WorldModel
from gpjepa.model.perturbation import Condition
from gpjepa.training.measured_effects import MeasuredEffects
from gpjepa.training.prepare import Annotated
from gpjepa.training.trainer import SCORE

CONTROLS = 256  # control cells that validation predictions start from
FEWEST = 3  # measured-member perturbations below which their score chooses nothing


@dataclass(frozen=True, eq=False)
class EffectValidation:
    """Compares predicted and observed effects of validation perturbations.

    The score is the mean over perturbations of ½ Σ_g ((ê − e)/se)² relative to no change's, over
    those whose members were all measured in training.
    """

    controls: Annotated
    members: np.ndarray  # [P, K]
    observed: MeasuredEffects
    measured: np.ndarray
    target: float
    seed: int

    def __call__(self, model: WorldModel, device: torch.device) -> dict[str, float]:
        """Return validation numbers; empty without validation perturbations."""
        if not len(self.observed.labels):
            return {}
        predicted = self.predict(model)
        error = np.hypot(self.observed.error, self.observed.control_error)
        truth = self.observed.effect
        cost = (((predicted - truth) / error) ** 2).sum(axis=1)
        ratio = cost / ((truth / error) ** 2).sum(axis=1)
        distance = np.linalg.norm(predicted - truth, axis=1) / np.linalg.norm(truth, axis=1)
        numbers = {"effect_l2_ratio": float(distance.mean()), "cost_ratio": float(ratio.mean())}
        slope = (predicted * truth).sum(axis=1) / np.maximum((predicted**2).sum(axis=1), 1e-12)
        numbers["slope"] = float(np.median(slope))
        if self.measured.sum() >= FEWEST:
            numbers[SCORE] = float(ratio[self.measured].mean())
        return numbers

    def predict(self, model: WorldModel) -> np.ndarray:
        """Return predicted effects [P, G] of the validation perturbations."""
        controls = encode_controls(model, self.controls.table)
        device, cells = model.device(), len(self.controls.table)
        control = torch.log1p(self.target * control_shares(model, controls))
        covariates = torch.from_numpy(self.controls.covariates)
        dose = None if self.controls.dose is None else torch.ones(cells)
        rows = []
        for members in torch.from_numpy(self.members):
            condition = Condition(members.expand(cells, -1), covariates, dose).to(device)
            shares = mean_shares(model, controls, condition, self.seed, samples=1)
            rows.append((torch.log1p(self.target * shares) - control).cpu().numpy())
        return np.stack(rows).astype(np.float64)


def make_validation(
    controls: Annotated, observed: MeasuredEffects, vocabulary: Vocabulary, target: float, seed: int
) -> EffectValidation:
    """Bind the validation perturbations to a fixed draw of control cells."""
    count = min(CONTROLS, len(controls.table))
    chosen = numpy_stream(seed, "validation").permutation(len(controls.table))[:count]
    members = vocabulary.encode(observed.labels) if observed.labels else np.zeros((0, 1), int)
    measured = np.array([vocabulary.all_measured(label) for label in observed.labels], dtype=bool)
    few = controls.take(np.sort(chosen))
    return EffectValidation(few, members, observed, measured, target, seed)
