"""What an evaluation is asked for: which metrics, of counts or of means."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Literal, get_args

from gpjepa.core.errors import ConfigError, unknown
from gpjepa.evaluation.effect_scores import EFFECT_METRICS
from gpjepa.evaluation.generative import GENERATIVE_METRICS
from gpjepa.evaluation.interaction_metrics import INTERACTION_METRICS
from gpjepa.evaluation.interval_strata import STRATUM_METRICS
from gpjepa.evaluation.intervals import INTERVAL_METRICS, POOLED_METRICS
from gpjepa.evaluation.metric import Metric
from gpjepa.evaluation.population_skill import POPULATION_SKILL_METRICS
from gpjepa.evaluation.representation import REPRESENTATION_METRICS
from gpjepa.evaluation.risk_coverage import RISK_METRICS

Values = Literal["counts", "mean counts", "log1p"]
BAR_METRICS = (*INTERVAL_METRICS, *STRATUM_METRICS, *POOLED_METRICS, *RISK_METRICS)
TESTED = ("de_precision", "de_recall")  # need cells that differ from one another


@dataclass(frozen=True)
class Request:
    """The model's name, the seed, whether baselines are shown, and the metrics asked for.

    `chosen` is empty when every metric is asked for.
    """

    name: str
    seed: int
    baselines: bool
    chosen: frozenset[str]

    def wants(self, metrics: Iterable[Metric]) -> bool:
        """Tell whether any of these metrics is asked for."""
        return not self.chosen or any(metric.name in self.chosen for metric in metrics)

    def keeps(self, names: Iterable[str]) -> list[bool]:
        """Tell of each row's metric whether it stays; "l2: use the sum" belongs to l2."""
        return [not self.chosen or name.split(": ")[0] in self.chosen for name in names]


def metric_names() -> tuple[str, ...]:
    """Return the names of all metrics that can be asked for."""
    groups = (
        EFFECT_METRICS,
        INTERACTION_METRICS,
        GENERATIVE_METRICS,
        POPULATION_SKILL_METRICS,
        BAR_METRICS,
        REPRESENTATION_METRICS,
    )
    return tuple(metric.name for group in groups for metric in group)


def metrics_of_means() -> tuple[str, ...]:
    """Return the metrics that predicted means are enough for.

    Those of effects but for the tests of genes, of interactions, and of a table of intervals.
    """
    groups = (EFFECT_METRICS, INTERACTION_METRICS, BAR_METRICS)
    names = (metric.name for group in groups for metric in group)
    return tuple(name for name in names if name not in TESTED)


def choose_metrics(asked: Sequence[str] | None, values: str) -> frozenset[str]:
    """Return the metrics asked for, empty for all of them.

    Predictions that are not counts are only scored on metrics asked for by name.

    Raises:
        ConfigError: a metric or a kind of values is not known, or does not go with the other.
    """
    if values not in get_args(Values):
        names = get_args(Values)
        raise ConfigError(unknown("kind of values", values, names, f"expected {', '.join(names)}"))
    known = metric_names()
    for name in asked or ():
        if name not in known:
            raise ConfigError(unknown("metric", name, known, f"expected one of {', '.join(known)}"))
    if values != "counts":
        _refuse_what_needs_counts(asked, values)
    return frozenset(asked or ())


def _refuse_what_needs_counts(asked: Collection[str] | None, values: str) -> None:
    possible = metrics_of_means()
    if not asked:
        raise ConfigError(
            f"the predictions are {values} and no metric is named; expected the metrics to compute "
            f"by name, as most need counts; choose among {', '.join(possible)} "
            "(metrics=[...], --metric NAME)"
        )
    refused = sorted({*asked} - {*possible})
    if refused:
        raise ConfigError(
            f"{', '.join(map(repr, refused))} cannot be computed from predicted {values}: they "
            "look at cells (their spread, zeros, tests or embedding), not at means; expected "
            f"metrics among {', '.join(possible)}; leave the others out or predict raw counts"
        )
