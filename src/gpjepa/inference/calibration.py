"""What the validation perturbations say about how far to trust predicted effects."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from gpjepa.inference.contexts import Contexts
from gpjepa.inference.error_model import COMPOSED, PLACED, ErrorModel, believed
from gpjepa.inference.evidence import Evidence

FEWEST = 8  # validation perturbations below which intervals are marked uncalibrated
COMBINATION, NOVEL = "combination", "novel"  # kinds of predictions that nothing measured
MODEL, SUM = "model", "sum"
TRAINING_MEAN, NO_CHANGE = "training mean", "no change"
CONTEXTS = "contexts"


@dataclass(frozen=True)
class Choice:
    """What predictions of a kind are taken from, and why.

    `source` is the model unless one of `errors` (mean distance from the observed effects over
    `perturbations` of validation, by source) is smaller than its own by more than `margin`.
    """

    source: str = MODEL
    errors: dict[str, float] = field(default_factory=dict)
    margin: float = 0.0
    perturbations: int = 0


@dataclass(frozen=True)
class Calibration:
    """How far off predictions of each kind are, what they are taken from, and on what evidence.

    A combination has members that were all measured alone; anything else without training cells
    is novel. `supports_interactions`: on validation combinations the model beats the sum of the
    measured singles. `supports_novel`: perturbations never measured are predicted better than by
    no change. `evidence` is None for a model that was fitted without measured effects, `contexts`
    where there were too few to tell of others.
    """

    errors: dict[str, ErrorModel] = field(default_factory=dict)
    choices: dict[str, Choice] = field(default_factory=dict)
    perturbations: int = 0
    supports_interactions: bool = False
    supports_novel: bool = False
    evidence: Evidence | None = field(default=None, compare=False)
    contexts: Contexts | None = field(default=None, compare=False)

    @property
    def calibrated(self) -> bool:
        """Say whether enough validation perturbations stand behind some of the error bars."""
        return any(model.calibrated for model in self.errors.values())

    def error_model(self, kind: str) -> ErrorModel:
        """Return how far off predictions of a kind are."""
        return self.errors.get(kind, believed_of(kind))

    def choice(self, kind: str) -> Choice:
        """Return what predictions of a kind are taken from."""
        return self.choices.get(kind, Choice())

    def to_json(self) -> dict[str, Any]:
        """Return a JSON document, without evidence and contexts."""
        return {
            "errors": {kind: model.to_json() for kind, model in self.errors.items()},
            "choices": {
                kind: {
                    "source": choice.source,
                    "errors": choice.errors,
                    "margin": choice.margin,
                    "perturbations": choice.perturbations,
                }
                for kind, choice in self.choices.items()
            },
            "perturbations": self.perturbations,
            "supports_interactions": self.supports_interactions,
            "supports_novel": self.supports_novel,
        }

    @staticmethod
    def from_json(document: dict[str, Any]) -> Calibration:
        """Rebuild from `to_json`; raise `KeyError`, `TypeError` or `ValueError` for another.

        Of a run that was saved before errors had models, none is known: uncalibrated.
        """
        errors = document.get("errors", {})
        return Calibration(
            {kind: ErrorModel.from_json(each) for kind, each in errors.items()},
            {
                kind: Choice(
                    str(each["source"]),
                    {name: float(value) for name, value in each["errors"].items()},
                    float(each["margin"]),
                    int(each["perturbations"]),
                )
                for kind, each in document.get("choices", {}).items()
            },
            int(document["perturbations"]),
            bool(document["supports_interactions"]),
            bool(document["supports_novel"]),
        )


def believed_of(kind: str) -> ErrorModel:
    """Return what is believed of the errors of a kind before validation."""
    return believed(PLACED if kind == NOVEL else COMPOSED)
