"""Generative models of single-cell perturbation response.

Names load when they are first used, so that importing the package stays quick.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from gpjepa.core.errors import (
    CheckpointError,
    ConfigError,
    DataError,
    GPJEPAError,
    NumericError,
    VocabularyError,
)

if TYPE_CHECKING:
    from gpjepa import compose as compose
    from gpjepa.api.goals import Direction as Direction
    from gpjepa.api.goals import Signature as Signature
    from gpjepa.api.model import GPJEPA as GPJEPA
    from gpjepa.api.plan import ScreenResult as ScreenResult
    from gpjepa.api.plan import virtual_screen_perturbations as virtual_screen_perturbations
    from gpjepa.api.plan_next import next_experiments as next_experiments
    from gpjepa.api.sequences import plan_sequence as plan_sequence
    from gpjepa.api.sequences import replan as replan
    from gpjepa.core.config import Config as Config
    from gpjepa.data import datasets as datasets
    from gpjepa.data.perturbseq import PerturbSeq as PerturbSeq
    from gpjepa.data.perturbseq import read as read
    from gpjepa.data.simulator import SimulationConfig as SimulationConfig
    from gpjepa.data.simulator import simulate as simulate
    from gpjepa.evaluation.evaluator import evaluate as evaluate
    from gpjepa.evaluation.report import EvaluationReport as EvaluationReport
    from gpjepa.evaluation.split_baselines import baselines as baselines

__all__ = [
    "GPJEPA",
    "CheckpointError",
    "Config",
    "ConfigError",
    "DataError",
    "Direction",
    "EvaluationReport",
    "GPJEPAError",
    "NumericError",
    "PerturbSeq",
    "ScreenResult",
    "Signature",
    "SimulationConfig",
    "VocabularyError",
    "baselines",
    "compose",
    "datasets",
    "evaluate",
    "next_experiments",
    "plan_sequence",
    "read",
    "replan",
    "simulate",
    "virtual_screen_perturbations",
]


def _home(name: str) -> str | None:
    """Return the module that defines a public name; None for a name that is not public."""
    match name:
        case "GPJEPA":
            return "gpjepa.api.model"
        case "Direction" | "Signature":
            return "gpjepa.api.goals"
        case "ScreenResult" | "virtual_screen_perturbations":
            return "gpjepa.api.plan"
        case "next_experiments":
            return "gpjepa.api.plan_next"
        case "plan_sequence" | "replan":
            return "gpjepa.api.sequences"
        case "Config":
            return "gpjepa.core.config"
        case "PerturbSeq" | "read":
            return "gpjepa.data.perturbseq"
        case "SimulationConfig" | "simulate":
            return "gpjepa.data.simulator"
        case "EvaluationReport":
            return "gpjepa.evaluation.report"
        case "baselines":
            return "gpjepa.evaluation.split_baselines"
        case "evaluate":
            return "gpjepa.evaluation.evaluator"
        case _:
            return None


def __getattr__(name: str) -> Any:
    if name == "__version__":
        from importlib.metadata import version

        return version("gpjepa")
    if name == "datasets":
        return import_module("gpjepa.data.datasets")
    if name == "compose":
        return import_module("gpjepa.compose")
    home = _home(name)
    if home is None:
        raise AttributeError(f"module 'gpjepa' has no attribute {name!r}")
    return getattr(import_module(home), name)


def __dir__() -> list[str]:
    return sorted([*__all__, "__version__"])
