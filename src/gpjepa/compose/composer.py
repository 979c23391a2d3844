"""Predicting combinations of an effect table: effects with intervals, and interactions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from gpjepa.compose.firsts import Relations
from gpjepa.compose.members import Alone
from gpjepa.compose.priors import Priors
from gpjepa.compose.stack import Stack
from gpjepa.core.errors import ConfigError, VocabularyError, unknown
from gpjepa.data.labels import CONTROL, members_of, parse_label
from gpjepa.model.error_bars import ErrorBars, Scales


@dataclass(frozen=True, eq=False)
class Composition:
    """Predictions [labels, G] in the unit of the table that was fitted.

    `interaction` is the departure of `effects` from the sum of the members' denoised effects, 0
    for a single. `low` and `high` bound the effect as it would be measured; NaN for a single
    that was measured itself and where there was nothing to judge errors by. `interaction_low` and
    `interaction_high` bound the departure from the sum of the singles, all three as they would be
    measured; 0 for a single, NaN where there was nothing to judge errors by. `novelty` [labels]
    says how far the members lie from the genes measured alone, the farthest of them: 0 when all
    were measured, towards 1 when nothing relates them.
    """

    labels: tuple[str, ...]
    effects: np.ndarray
    low: np.ndarray
    high: np.ndarray
    interaction: np.ndarray
    interaction_low: np.ndarray
    interaction_high: np.ndarray
    novelty: np.ndarray


@dataclass(frozen=True, eq=False)
class Composer:
    """A fitted composition: `predict` takes any set of genes, of any size.

    `genes` names the columns of the effects where they have names; `notes` says what was learned
    from what.
    """

    alone: Alone
    stack: Stack
    relations: Relations
    priors: Priors
    genes: tuple[str, ...] | None
    notes: tuple[str, ...]

    def predict(self, labels: Sequence[str], level: float = 0.9) -> Composition:
        """Predict the effects of labels such as "A+B"; members without a single need features.

        Raises `VocabularyError` for an empty label, the control, a member named twice or one
        that was not measured alone and has no features; `ConfigError` for a level not in (0, 1).
        """
        if not 0 < level < 1:
            raise ConfigError(
                f"level is {level}; expected a number between 0 and 1; pass for example level=0.9"
            )
        known = frozenset(self.alone.names)
        canonical = tuple(parse_label(label, known=known) for label in labels)
        alone = self.members(canonical)
        effects = self.stack.predict(alone, canonical)
        single = np.array([len(members_of(label)) == 1 for label in canonical], dtype=bool)
        sums = self.stack.alone(alone, canonical)
        effects[single] = sums[single]
        interaction = effects - sums
        half = self._half_width(alone, canonical, single, level)
        departing = self._half_width(alone, canonical, single, level, departure=True)
        return Composition(
            canonical,
            effects,
            effects - half,
            effects + half,
            interaction,
            interaction - departing,
            interaction + departing,
            self._novelty(canonical),
        )

    def members(self, labels: Sequence[str]) -> Alone:
        """Return the genes alone, with the unmeasured members of the canonical labels added.

        Raises `VocabularyError` for the control and for a member without features.
        """
        needed = sorted({name for label in labels for name in members_of(label)})
        if CONTROL in labels:
            raise VocabularyError(
                "the control is not a perturbation; expected at least one gene; leave it out"
            )
        new = [name for name in needed if name not in self.alone.row]
        if not new:
            return self.alone
        known = frozenset(self.priors.known(new))
        for name in new:
            if name not in known:
                advice = "it was not measured alone and has no features; pass features that name it"
                raise VocabularyError(unknown("gene", name, self.alone.names, advice))
        effects = self.relations.predict(self.priors.views(new))
        return self.alone.with_genes(new, effects, self.priors.rows(new))

    def error_bars(self, names: Sequence[str]) -> ErrorBars:
        """Return what says how far off effects may be, for the measured genes and then `names`."""
        genes = self.alone.effects.shape[1]
        together = np.full(genes, np.nan)
        if self.stack.held_out is not None and self.stack.errors is not None:
            doubt = self.stack.mixed(self.stack.held_out.doubt)
            together = _scale(self.stack.errors / doubt[:, None])
        own = self.relations.doubt(self.priors.views(names)) if names else np.zeros(0)
        scales = Scales(
            torch.from_numpy(together),
            torch.from_numpy(_scale(self.relations.errors / self.relations.spread[:, None])),
            torch.from_numpy(np.concatenate((np.zeros(len(self.alone.names)), own))),
            torch.tensor([each.noise for each in self.stack.candidates], dtype=torch.float64),
        )
        return ErrorBars(scales)

    def _novelty(self, labels: Sequence[str]) -> np.ndarray:
        new = sorted({name for label in labels for name in members_of(label)} - {*self.alone.names})
        if not new:
            return np.zeros(len(labels))
        far = dict(zip(new, self.relations.novelty(self.priors.views(new)), strict=True))
        return np.array([max(far.get(name, 0.0) for name in members_of(label)) for label in labels])

    def _half_width(
        self,
        alone: Alone,
        labels: Sequence[str],
        single: np.ndarray,
        level: float,
        departure: bool = False,
    ) -> np.ndarray:
        """Return half the width [labels, G] of intervals for effects as they are measured.

        With `departure` for the departure from the sum of the singles; a single has none.
        """
        half = np.zeros((len(labels), self.alone.effects.shape[1]))
        guessed = [
            [alone.row[name] for name in members_of(label) if not alone.measured[alone.row[name]]]
            for label in labels
        ]
        several = [label for label, one in zip(labels, single, strict=True) if not one]
        if several:
            half[~single] = self._pair_width(alone, several, level, departure)
        unit = self._single_width(level)
        new = [name for name, own in zip(alone.names, alone.measured, strict=True) if not own]
        doubt = self.relations.doubt(self.priors.views(new)) if new else np.zeros(0)
        for index, rows in enumerate(guessed):
            if single[index] and departure:
                continue
            if single[index] and not rows:
                half[index] = np.nan
            elif rows:
                own = doubt[np.array(rows) - len(self.alone.names)]
                half[index] = np.sqrt(half[index] ** 2 + (own**2).sum() * unit**2)
        return half

    def _pair_width(
        self, alone: Alone, labels: Sequence[str], level: float, departure: bool
    ) -> np.ndarray:
        """Return half-widths from the errors of doubles left out, relative to their doubt.

        The error of a departure holds the noise of the singles too: prediction minus denoised
        sum, against the measured double minus the measured singles.
        """
        held_out, errors = self.stack.held_out, self.stack.errors
        if held_out is None or errors is None:
            return np.full((len(labels), self.alone.effects.shape[1]), np.nan)
        if departure:
            own = self.stack.alone(self.alone, held_out.labels)
            errors = errors + self.alone.sums(held_out.labels) - own
        unit = _width(errors / self.stack.mixed(held_out.doubt)[:, None], level)
        return self.stack.doubt(alone, labels)[:, None] * unit

    def _single_width(self, level: float) -> np.ndarray:
        return _width(self.relations.errors / self.relations.spread[:, None], level)


def _width(errors: np.ndarray, level: float) -> np.ndarray:
    """Return the half-width [G] that covers a share `level` of standardised errors [N, G].

    Each gene has its own scale; the multiple of it is pooled over all errors.
    """
    scale = _scale(errors)
    safe = np.where(scale > 0, scale, 1.0)
    return scale * float(np.quantile(np.abs(errors / safe), level))


def _scale(errors: np.ndarray) -> np.ndarray:
    """Return the root mean square [G] of errors [N, G]."""
    return np.asarray(np.sqrt((errors**2).mean(axis=0)))
