"""Which latent head a model ends with: the one asked for, or what validation perturbations say."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from gpjepa.core.config import Config, HeadKind
from gpjepa.data.vocabulary import Vocabulary
from gpjepa.model.diffusion.residual_head import ResidualHead
from gpjepa.model.gpjepa import WorldModel
from gpjepa.model.variational import RecognitionHead
from gpjepa.training.checkpoint import Progress
from gpjepa.training.head_fit import variational_head
from gpjepa.training.pipeline import Session, run_head
from gpjepa.training.population_validation import PopulationSkill, PopulationValidation
from gpjepa.training.prepare import Prepared
from gpjepa.training.validation import EffectValidation

ESCALATION: HeadKind = "diffusion"  # what "auto" escalates to
AS_ASKED = "as asked"
SUFFICIENT = 0.5  # skill of every metric at which a head is left as it is
FEWEST = 3  # perturbations that must differ from control for populations to be judged
SURE = 2.0  # standard errors over perturbations that a gain in skill must exceed
TOLERANCE = 1.05  # times the squared error of effects that a head may have


@dataclass(frozen=True)
class HeadScore:
    """What a head scores on validation perturbations; see `PopulationSkill`.

    `effect_cost` is the squared error of effects over no change's; None without perturbations.
    """

    population: PopulationSkill
    effect_cost: float | None

    def insufficient(self) -> tuple[str, ...]:
        """Return the metrics whose skill is below `SUFFICIENT`."""
        return tuple(name for name, value in self.population.skills.items() if value < SUFFICIENT)


@dataclass(frozen=True)
class HeadChoice:
    """Which head was asked for, which one the model has, and why.

    `before` is the variational head's score, `after` that of the head fitted on top of it.
    `steps`, `seconds` and `cells_per_second` are what fitting it cost.
    """

    asked: str
    kind: HeadKind
    reason: str
    before: HeadScore
    after: HeadScore | None = None
    steps: int = 0
    seconds: float = 0.0
    cells_per_second: int = 0

    def to_json(self) -> dict[str, Any]:
        """Return a JSON document."""
        return asdict(self)


@dataclass(frozen=True, eq=False)
class HeadFitting:
    """Fits heads on a fitted model and judges them on validation perturbations."""

    prepared: Prepared
    vocabulary: Vocabulary
    populations: PopulationValidation
    effects: EffectValidation
    config: Config
    session: Session

    def choose(self, model: WorldModel, asked: HeadKind) -> tuple[HeadChoice, Progress | None]:
        """Give `model` the head asked for, "auto" the one that validation prefers.

        Nothing but the head is touched, and that only at the end. Raises `ConfigError` where the
        model has no variational head to begin with.
        """
        own, base = model.head, variational_head(model)
        try:
            model.head = base
            choice, head, progress = self._chosen(model, asked)
        except BaseException:
            model.head = own
            raise
        model.head = head
        return choice, progress

    def _chosen(
        self, model: WorldModel, asked: HeadKind
    ) -> tuple[HeadChoice, RecognitionHead | ResidualHead, Progress | None]:
        """Judge the variational head of `model`, and fit another one where that is called for."""
        base, before = variational_head(model), self.score(model)
        reason = _reason_to_stay(before) if asked == "auto" else ""
        if asked == "variational" or reason:
            return HeadChoice(asked, "variational", reason or AS_ASKED, before), base, None
        kind = ESCALATION if asked == "auto" else asked
        head, progress = run_head(
            model, self.prepared, self.vocabulary, self.config.with_head(kind), self.session
        )
        model.head = head
        after = self.score(model)
        reason, better = _comparison(before, after) if asked == "auto" else (AS_ASKED, True)
        choice = HeadChoice(
            asked, kind if better else "variational", reason, before, after, **self._cost(progress)
        )
        return choice, head if better else base, progress

    def score(self, model: WorldModel) -> HeadScore:
        """Score the head that `model` has."""
        numbers = self.effects(model, model.device())
        return HeadScore(self.populations(model), numbers.get("cost_ratio"))

    def _cost(self, progress: Progress) -> dict[str, Any]:
        cells = progress.step * self.config.fit.batch_size
        return {
            "steps": progress.step,
            "seconds": round(progress.seconds, 1),
            "cells_per_second": round(cells / max(progress.seconds, 1e-9)),
        }


def _reason_to_stay(score: HeadScore) -> str:
    """Say why a head is not escalated; empty where it is to be."""
    found = len(score.population.shares)
    if found < FEWEST:
        return (
            f"{found} validation perturbations differ enough from control to judge populations; "
            f"{FEWEST} are needed, so the variational head stays"
        )
    if not score.insufficient():
        return (
            f"every skill of the variational head is at least {SUFFICIENT:g} on {found} "
            "validation perturbations"
        )
    return ""


def _comparison(before: HeadScore, after: HeadScore) -> tuple[str, bool]:
    """Say whether the fitted head is kept, and why."""
    low = ", ".join(before.insufficient())
    gain, error = after.population.gain(before.population)
    text = (
        f"the variational head's skill is below {SUFFICIENT:g} in {low}; over "
        f"{len(before.population.shares)} validation perturbations the mean skill is "
        f"{before.population.mean:.2f} with it and {after.population.mean:.2f} with the fitted "
        f"head, a gain of {gain:.2f} ± {error:.2f}"
    )
    if not gain > SURE * error:
        return f"{text}, which is not sure: the variational head stays", False
    first, second = before.effect_cost, after.effect_cost
    if first is not None and second is not None and second > TOLERANCE * first:
        text += f", but effects are farther off ({second:.3f} against {first:.3f})"
        return f"{text}: the variational head stays", False
    return f"{text}: the fitted head is kept", True
