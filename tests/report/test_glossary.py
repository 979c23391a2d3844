from __future__ import annotations

import pytest

from gpjepa.evaluation.effect_scores import EFFECT_METRICS
from gpjepa.evaluation.generative import GENERATIVE_METRICS
from gpjepa.evaluation.interaction_metrics import INTERACTION_METRICS
from gpjepa.evaluation.metric import Metric
from gpjepa.evaluation.population_skill import POPULATION_SKILL_METRICS
from gpjepa.evaluation.representation import REPRESENTATION_METRICS
from gpjepa.evaluation.request import BAR_METRICS
from gpjepa.report.glossary import describe

METRICS = (
    *EFFECT_METRICS,
    *INTERACTION_METRICS,
    *REPRESENTATION_METRICS,
    *GENERATIVE_METRICS,
    *POPULATION_SKILL_METRICS,
    *BAR_METRICS,
)


@pytest.mark.parametrize("metric", METRICS, ids=lambda metric: metric.name)
def test_every_metric_is_explained_and_points_the_way_it_is_scored(metric: Metric) -> None:
    term = describe(metric.name)
    assert len(term.meaning) > 40
    assert (term.better, term.best) == (metric.kind, metric.best)


def test_no_two_metrics_are_called_the_same() -> None:
    labels = [describe(metric.name).label for metric in METRICS]
    assert len(set(labels)) == len(labels)


def test_what_is_particular_to_a_variant_is_added_to_the_label() -> None:
    assert describe("pearson_delta").label == "Pearson Δ"
    assert describe("pearson_delta_de20").label == "Pearson Δ, top 20 genes"
    assert describe("r2_delta_expressed").label == "R², highest expressed genes"
    assert describe("Energy distance").label == "Energy distance"


def test_a_nominal_level_is_the_best_value_of_its_coverage() -> None:
    term = describe("coverage_80")
    assert (term.best, term.arrow, term.direction) == (0.8, "→ 0.8", "closer to 0.8 is better")


def test_a_score_by_verdict_is_the_same_metric_with_the_verdict_named() -> None:
    term = describe("normalised_mae: use the sum")
    assert term.label == "Normalised error where the verdict is “use the sum”"
    assert (term.better, term.best) == ("lower", 0.0)


def test_an_unknown_metric_keeps_its_name_and_claims_nothing() -> None:
    term = describe("my_own_score")
    assert (term.label, term.meaning, term.better, term.arrow) == (
        "my own score",
        "",
        "unknown",
        "",
    )
    assert describe("slopes").better == "unknown"
