"""The model and its rivals are scored on the same terms as the replicate."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from gpjepa.evaluation.baselines import fit_baselines
from gpjepa.evaluation.contenders import cell_numbers
from gpjepa.evaluation.effect_scores import EFFECT_METRICS
from gpjepa.evaluation.generative import GENERATIVE_METRICS
from gpjepa.evaluation.measured import Measured, measure
from gpjepa.evaluation.pair import EvaluationPair, make_pair
from gpjepa.evaluation.request import Request
from gpjepa.evaluation.scored import COMPARED_HALVES, score_all

ROW = {metric.name: index for index, metric in enumerate(EFFECT_METRICS)}


@pytest.fixture(scope="module")
def pair(oracle: Any, observed: Any, train: Any) -> EvaluationPair:
    return make_pair(oracle, observed, train)


@pytest.fixture(scope="module")
def measured(pair: EvaluationPair) -> Measured:
    return measure(pair, cell_numbers(pair), seed=0)


def _score(pair: EvaluationPair, measured: Measured, asked: tuple[str, ...] = ()) -> Any:
    fitted = fit_baselines(pair.train, target=pair.target)
    return score_all(pair, measured, fitted, Request("ours", 0, True, frozenset(asked)))


def test_scores_on_halves_are_means_over_the_held_back_halves(
    pair: EvaluationPair, measured: Measured
) -> None:
    scored = _score(pair, measured)
    state = scored["no change"].on_halves[ROW["l2"]]
    sizes = [
        np.linalg.norm(half.state - half.control, axis=1)
        for half in measured.held_back[:COMPARED_HALVES]
    ]
    np.testing.assert_allclose(state, np.mean(sizes, axis=0))


def test_a_half_of_the_truth_is_harder_to_meet_than_all_of_it(
    pair: EvaluationPair, measured: Measured
) -> None:
    ours = _score(pair, measured)["ours"]
    assert (ours.on_halves[ROW["l2"]] > ours.effects[ROW["l2"]]).all()
    assert ours.on_halves[ROW["pearson_delta"]].mean() < ours.effects[ROW["pearson_delta"]].mean()


def test_populations_are_scored_only_when_asked_for(
    pair: EvaluationPair, measured: Measured
) -> None:
    scored = _score(pair, measured, ("l2",))
    assert np.isnan(scored["ours"].cells).all()
    assert np.isfinite(_score(pair, measured)["ours"].cells).all()


def test_a_spoiled_prediction_is_worst_against_halves_too(
    oracle: Any, observed: Any, train: Any
) -> None:
    damaged = oracle.copy()
    damaged.X = damaged.X.toarray()
    damaged.X[0, 0] = np.nan
    pair = make_pair(damaged, observed, train)
    ours = _score(pair, measure(pair, cell_numbers(pair), 0))["ours"]
    (index,) = [pair.perturbations.index(label) for label in pair.spoiled]
    worst = [metric.worst for metric in EFFECT_METRICS]
    np.testing.assert_array_equal(ours.on_halves[:, index], worst)
    np.testing.assert_array_equal(ours.effects[:, index], worst)
    np.testing.assert_array_equal(
        ours.cells[:, index], [metric.worst for metric in GENERATIVE_METRICS]
    )
