"""How far off energies may be because the model's mean effects are."""

from __future__ import annotations

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from gpjepa.inference.bundle import Bundle
from gpjepa.inference.error_bars import error_bars
from gpjepa.planning.effects import EffectMap
from gpjepa.planning.energy import MeanEnergy, OfEffect, with_gradient
from gpjepa.planning.numbers import numbers
from gpjepa.planning.origin import Origin
from gpjepa.planning.readout import Readout
from gpjepa.planning.sets import keys


class Doubt:
    """Carries error bars of effects over to energies, to first order.

    `names` are the candidates' labels. Genes err together as training effects vary together, each
    by its own error bar, as where populations are moved by a draw of their error; without
    training effects all genes err as one.
    """

    def __init__(self, origin: Origin, bundle: Bundle, names: tuple[str, ...]) -> None:
        self.origin, self.bundle, self.names = origin, bundle, names
        self.effects, self.readout = EffectMap(origin), Readout(origin)
        evidence = bundle.calibration.evidence
        self.together: np.ndarray | None = None
        if evidence is not None:
            length = np.sqrt((evidence.denoised**2).sum(axis=0))
            self.together = evidence.denoised / np.where(length > 0, length, 1.0)
            self.alone = length == 0

    def of_mean(
        self, sets: np.ndarray, latent: Float[Tensor, "S D"], energy: MeanEnergy
    ) -> np.ndarray:
        """Return the standard deviation of energies of mean latents, float64 [S]."""
        if isinstance(energy, OfEffect):
            effect = self._effects(latent)
            return self._propagated(sets, effect, with_gradient(energy.score, effect)[1])
        return self.of_latents(sets, latent, with_gradient(energy, latent)[1])

    def of_latents(
        self, sets: np.ndarray, latent: Float[Tensor, "S D"], gradient: Float[Tensor, "S D"]
    ) -> np.ndarray:
        """Return the standard deviation of energies with a gradient in the mean latent [S]."""
        return self._propagated(sets, self._effects(latent), gradient @ self.readout.inverse)

    def _effects(self, latent: Float[Tensor, "S D"]) -> Float[Tensor, "S G"]:
        with torch.no_grad():
            return self.effects(latent)

    def _propagated(
        self, sets: np.ndarray, effect: Float[Tensor, "S G"], gradient: Float[Tensor, "S G"]
    ) -> np.ndarray:
        labels = tuple("+".join(sorted(self.names[m] for m in key)) for key in keys(sets))
        bundle = self.bundle
        bars = error_bars(
            bundle.model, bundle.vocabulary, bundle.calibration, labels, numbers(effect)
        )
        each = numbers(gradient) * bars.deviation
        if self.together is None:
            return np.asarray(np.abs(each.sum(axis=1)))
        own = (each[:, self.alone] ** 2).sum(axis=1)
        return np.asarray(np.sqrt(((each @ self.together.T) ** 2).sum(axis=1) + own))
