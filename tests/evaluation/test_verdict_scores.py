"""Verdicts are judged by the errors of the predictions that they were given to."""

from __future__ import annotations

import numpy as np
import pytest

from gpjepa.evaluation.effect_scores import EFFECT_METRICS
from gpjepa.evaluation.scored import Scored
from gpjepa.evaluation.verdict_scores import ERRORS, verdict_rows

NAMES = [metric.name for metric in EFFECT_METRICS]
VERDICTS = ("use the sum", "use the model", "use the sum", "do not trust")


def _scored(name: str, errors: list[float], applies: list[bool]) -> Scored:
    values = np.tile(np.array(errors), (len(NAMES), 1))
    values[:, ~np.array(applies)] = np.nan
    return Scored(name, np.array(applies), values, values, values[:7])


@pytest.fixture
def scored() -> dict[str, Scored]:
    return {
        "ours": _scored("ours", [1.0, 2.0, 3.0, np.inf], [True] * 4),
        "additive": _scored("additive", [1.5, 9.0, 3.5, 0.0], [True, True, True, False]),
    }


def test_errors_are_averaged_by_verdict_and_none_is_dropped(scored: dict[str, Scored]) -> None:
    rows = verdict_rows(VERDICTS, scored, "ours", 0).set_index(["metric", "model"])
    for metric in ERRORS:
        assert rows.loc[(f"{metric}: use the sum", "ours"), "value"] == 2.0
        assert rows.loc[(f"{metric}: use the sum", "ours"), "n"] == 2
        assert rows.loc[(f"{metric}: use the model", "ours"), "value"] == 2.0
        assert rows.loc[(f"{metric}: do not trust", "ours"), "value"] == np.inf


def test_where_the_sum_is_advised_the_sum_stands_beside(scored: dict[str, Scored]) -> None:
    rows = verdict_rows(VERDICTS, scored, "ours", 0).set_index(["metric", "model"])
    assert rows.loc[("l2: use the sum", "additive"), "value"] == 2.5
    gap = rows.loc[("l2: use the sum", "ours − additive")]
    assert gap["value"] == pytest.approx(-0.5)
    assert gap["low"] == pytest.approx(-0.5)
    assert ("l2: do not trust", "additive") not in rows.index


def test_without_the_baseline_the_model_stands_alone(scored: dict[str, Scored]) -> None:
    rows = verdict_rows(VERDICTS, {"ours": scored["ours"]}, "ours", 0)
    assert set(rows["model"]) == {"ours"}
    assert len(rows) == 3 * len(ERRORS)
