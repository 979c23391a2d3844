"""What is asked for is known, and means are not scored on what needs cells."""

from __future__ import annotations

import pytest

from gpjepa.core.errors import ConfigError
from gpjepa.evaluation.effect_scores import EFFECT_METRICS
from gpjepa.evaluation.generative import GENERATIVE_METRICS
from gpjepa.evaluation.request import Request, choose_metrics, metric_names, metrics_of_means


def test_names_of_metrics_are_unique_over_all_axes() -> None:
    assert len(set(metric_names())) == len(metric_names())


def test_all_metrics_are_wanted_unless_some_are_named() -> None:
    everything = Request("m", 0, True, choose_metrics(None, "counts"))
    few = Request("m", 0, True, choose_metrics(["l2"], "counts"))
    assert everything.wants(GENERATIVE_METRICS)
    assert everything.keeps(["l2", "mmd"]) == [True, True]
    assert few.wants(EFFECT_METRICS)
    assert not few.wants(GENERATIVE_METRICS)
    assert few.keeps(["l2", "mmd", "l2: use the sum"]) == [True, False, True]


def test_an_unknown_metric_is_refused_with_the_nearest_names() -> None:
    with pytest.raises(ConfigError, match=r"'pearson_dleta' is not known .*'pearson_delta'"):
        choose_metrics(["pearson_dleta"], "counts")
    with pytest.raises(ConfigError, match=r"kind of values 'log' is not known"):
        choose_metrics(["l2"], "log")


def test_means_are_scored_on_named_metrics_only() -> None:
    with pytest.raises(ConfigError, match=r"log1p and no metric is named; .*l2.*--metric"):
        choose_metrics(None, "log1p")
    assert choose_metrics(["l2", "slope"], "mean counts") == {"l2", "slope"}


@pytest.mark.parametrize("name", ["mmd", "de_recall", "avg_bio_best", "zero_fraction_error"])
def test_metrics_that_look_at_cells_are_refused_for_means_by_name(name: str) -> None:
    assert name not in metrics_of_means()
    with pytest.raises(ConfigError, match=rf"'{name}' cannot be computed from .* look at cells"):
        choose_metrics(["l2", name], "mean counts")
