"""Which baselines stand beside a model."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from gpjepa.core.errors import DataError
from gpjepa.evaluation.baselines import NAMES, Baseline, fit_baselines
from gpjepa.evaluation.baselines_beside import baselines_beside
from gpjepa.evaluation.evaluator import evaluate
from gpjepa.evaluation.pair import EvaluationPair, make_pair
from gpjepa.evaluation.scored import FLOORS


@pytest.fixture(scope="module")
def pair(oracle: Any, observed: Any, train: Any) -> EvaluationPair:
    return make_pair(oracle, observed, train)


@pytest.fixture(scope="module")
def additive(pair: EvaluationPair) -> Baseline:
    fitted = fit_baselines(pair.train, target=pair.target)
    return next(baseline for baseline in fitted if baseline.name == "additive")


def beside(wanted: Any, pair: EvaluationPair) -> list[str]:
    return [each.name for each in baselines_beside(wanted, pair, FLOORS, 0, None)]


def test_all_are_fitted_when_asked_and_those_of_the_floor_when_not(pair: EvaluationPair) -> None:
    assert beside(True, pair) == list(NAMES)
    assert beside(False, pair) == list(FLOORS)


def test_floors_that_are_not_among_the_given_ones_come_first(
    pair: EvaluationPair, additive: Baseline
) -> None:
    assert beside([additive], pair) == [*FLOORS, "additive"]
    everything = fit_baselines(pair.train, target=pair.target)
    assert beside(everything, pair) == list(NAMES)


def test_a_given_baseline_of_other_genes_is_refused(
    pair: EvaluationPair, additive: Baseline
) -> None:
    turned = replace(additive, genes=additive.genes[::-1])
    with pytest.raises(DataError, match="'additive' has 60 genes, the observed cells 60, or ano"):
        beside([turned], pair)


def test_a_report_shows_the_given_baseline_with_its_own_scores(
    oracle: Any, observed: Any, train: Any, additive: Baseline
) -> None:
    named = replace(additive, rule=replace(additive.rule, name="mine", factor=0.5))
    asked = ["l2"]
    table = evaluate(oracle, observed, train=train, baselines=[named], metrics=asked).table
    plain = evaluate(oracle, observed, train=train, metrics=asked).table
    rows = table[table["perturbation"] == "T0+T1"].set_index("model")["value"]
    usual = plain[plain["perturbation"] == "T0+T1"].set_index("model")["value"]
    assert {"mine", "no change", "training mean"} <= set(rows.index)
    assert "additive" not in rows.index
    assert rows["mine"] != usual["additive"]
    assert np.isclose(rows["no change"], usual["no change"])
