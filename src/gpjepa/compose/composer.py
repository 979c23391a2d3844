"""Predicting combinations of an effect table: effects with intervals, and interactions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from gpjepa.compose.bars import Bars
from gpjepa.compose.firsts import Relations
from gpjepa.compose.members import Alone
from gpjepa.compose.priors import Priors
from gpjepa.compose.spread import LoneSpread, Spread
from gpjepa.compose.stack import Stack
from gpjepa.compose.trust import Gain, verdicts
from gpjepa.core.errors import ConfigError, VocabularyError, unknown
from gpjepa.data.labels import CONTROL, listed, members_of, parse_label
from gpjepa.model.error_bars import ErrorBars


@dataclass(frozen=True, eq=False)
class Composition:
    """Predictions [labels, G] in the unit of the table that was fitted.

    `interaction` is the departure of `effects` from the sum of the members' denoised effects, 0
    for a single. `low` and `high` bound the effect as it would be measured; NaN for a single
    that was measured itself and where too few were left out to judge errors of that level by: N
    of them support levels up to N / (N + 1). `interaction_low` and `interaction_high` bound the
    departure from the sum of the singles, all three as they would be measured; 0 for a single, NaN
    as above. `novelty` [labels] says how far the members lie from the genes measured alone, the
    farthest of them: 0 when all were measured, towards 1 when nothing relates them. `deviation` is
    the standard deviation of the error, of effects as they would be measured, NaN without
    evidence. `verdict` [labels] is "use the model", "use the sum" (of the measured singles, which
    the model is not expected to beat by a fifth) or "do not trust".
    """

    labels: tuple[str, ...]
    effects: np.ndarray
    low: np.ndarray
    high: np.ndarray
    interaction: np.ndarray
    interaction_low: np.ndarray
    interaction_high: np.ndarray
    novelty: np.ndarray
    deviation: np.ndarray
    verdict: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class Composer:
    """A fitted composition: `predict` takes any set of genes, of any size.

    `genes` names the columns of the effects where they have names; `notes` says what was learned
    from what. `spread` and `departing` say how far off effects of sets and their departures from
    the sum are, `lone` how far off genes never measured are, `gain` what the model saves of the
    sum's error; None without doubles that were left out. `measured` are all labels of the table.
    """

    alone: Alone
    stack: Stack
    relations: Relations
    priors: Priors
    genes: tuple[str, ...] | None
    notes: tuple[str, ...]
    spread: Spread | None
    departing: Spread | None
    lone: LoneSpread
    gain: Gain | None
    measured: frozenset[str]

    def predict(self, labels: Sequence[str] | str, level: float = 0.9) -> Composition:
        """Predict the effects of labels such as "A+B"; members without a single need features.

        Raises `VocabularyError` for an empty label, the control, a member named twice or one
        that was not measured alone and has no features; `ConfigError` for a level not in (0, 1).
        """
        if not 0 < level < 1:
            raise ConfigError(
                f"level is {level}; expected a number between 0 and 1; pass for example level=0.9"
            )
        known = frozenset(self.alone.names)
        canonical = tuple(parse_label(label, known=known) for label in listed(labels))
        alone = self.members(canonical)
        effects = self.stack.predict(alone, canonical)
        single = np.array([len(members_of(label)) == 1 for label in canonical], dtype=bool)
        sums = self.stack.alone(alone, canonical)
        effects[single] = sums[single]
        interaction = effects - sums
        bars = self._bars(alone)
        half, deviation = bars.half_widths(canonical, level), bars.deviations(canonical)
        departing = self._bars(alone, departure=True).half_widths(canonical, level)
        departing[single] = 0.0
        return Composition(
            canonical,
            effects,
            effects - half,
            effects + half,
            interaction,
            interaction - departing,
            interaction + departing,
            self._novelty(canonical),
            deviation,
            self._verdicts(alone, canonical, effects, deviation),
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
        return self._bars(self.members(names)).module()

    def _novelty(self, labels: Sequence[str]) -> np.ndarray:
        new = sorted({name for label in labels for name in members_of(label)} - {*self.alone.names})
        if not new:
            return np.zeros(len(labels))
        far = dict(zip(new, self.relations.novelty(self.priors.views(new)), strict=True))
        return np.array([max(far.get(name, 0.0) for name in members_of(label)) for label in labels])

    def _bars(self, alone: Alone, departure: bool = False) -> Bars:
        """Return the error bars of effects, or of departures from the sum of the singles."""
        new = alone.names[len(self.alone.names) :]
        doubt = np.zeros(len(alone.names))
        if new:
            doubt[len(self.alone.names) :] = np.exp(self.lone.sizes(self.priors.views(new)))
        spread = self.departing if departure else self.spread
        return Bars(self.stack, alone, spread, self.lone, doubt)

    def _verdicts(
        self, alone: Alone, labels: tuple[str, ...], effects: np.ndarray, deviation: np.ndarray
    ) -> tuple[str, ...]:
        ratio = np.full(len(labels), np.nan)
        if self.gain is not None:
            ratio = self.gain.ratio(alone, labels, effects)
        length = np.maximum(np.linalg.norm(effects, axis=1), 1e-300)
        relative = np.linalg.norm(deviation, axis=1) / length
        return verdicts(labels, ratio, relative, self._novelty(labels))
