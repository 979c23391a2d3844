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
    from gpjepa.api.model import GPJEPA as GPJEPA
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
    "EvaluationReport",
    "GPJEPAError",
    "NumericError",
    "PerturbSeq",
    "SimulationConfig",
    "VocabularyError",
    "baselines",
    "compose",
    "datasets",
    "evaluate",
    "read",
    "simulate",
]


def _home(name: str) -> str | None:
    """Return the module that defines a public name; None for a name that is not public."""
    match name:
        case "GPJEPA":
            return "gpjepa.api.model"
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
