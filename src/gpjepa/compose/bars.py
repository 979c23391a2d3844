"""Error bars of a fitted composition: standard deviations, and intervals of any level."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from gpjepa.compose.members import Alone
from gpjepa.compose.spread import LoneSpread, Spread
from gpjepa.compose.stack import Stack
from gpjepa.model.error_bars import ErrorBars, unjudged


@dataclass(frozen=True, eq=False)
class Bars:
    """Standard deviations and half-widths [labels, G]; `alone` has the genes of all labels.

    `doubt` [V] is the factor on the scale of genes never perturbed, 0 for a measured gene.
    """

    stack: Stack
    alone: Alone
    spread: Spread | None
    lone: LoneSpread
    doubt: np.ndarray

    def deviations(self, labels: Sequence[str]) -> np.ndarray:
        """Return standard deviations of errors, NaN for a measured single and without evidence."""
        members = self.alone.members(labels, self.stack.basis)
        module = self.stack.module()
        basis = torch.from_numpy(self.stack.basis)
        return np.asarray(self.module()(members, module, basis).numpy())

    def half_widths(self, labels: Sequence[str], level: float) -> np.ndarray:
        """Return half the widths of intervals; NaN where so few were left out for the level."""
        members = self.alone.members(labels, self.stack.basis)
        several = members.present.sum(dim=1).numpy() > 1
        multiple = np.full(len(labels), np.nan)
        if self.spread is not None and several.any():
            sets = [label for label, many in zip(labels, several, strict=True) if many]
            within = self.alone.members(sets, self.stack.basis)
            sizes = self.module().sizes(within, self.stack.module()).numpy()
            own, unit = self.spread.conformal, self.spread.unit
            multiple[several] = own.multiples(level, sizes - np.log(unit)) / unit
        rows = members.ids[:, 0].numpy()[~several]
        with np.errstate(divide="ignore"):
            sizes = np.log(self.doubt[rows])
        multiple[~several] = self.lone.conformal.multiples(level, sizes) / self.lone.unit
        return multiple[:, None] * self.deviations(labels)

    def module(self) -> ErrorBars:
        """Return what the cell model runs as well."""
        noise = [candidate.noise for candidate in self.stack.candidates]
        scales = unjudged(self.alone.effects.shape[1], len(self.alone.names), noise)
        scales = scales._replace(
            doubt=torch.from_numpy(self.doubt),
            alone=torch.from_numpy(self.lone.scale * self.lone.unit),
        )
        if self.spread is None:
            return ErrorBars(scales)
        line = self.spread.line
        new = len(self.alone.names) - len(line.restless)
        return ErrorBars(
            scales._replace(
                together=torch.from_numpy(self.spread.scale),
                level=torch.tensor(line.level + np.log(self.spread.unit)),
                slopes=torch.from_numpy(line.slopes),
                centre=torch.from_numpy(line.centre),
                width=torch.from_numpy(line.width),
                restless=torch.from_numpy(np.concatenate((line.restless, np.zeros(new)))),
                reach=torch.tensor(self.spread.reach, dtype=torch.float64),
            )
        )
