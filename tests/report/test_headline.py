from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from gpjepa.report.headline import Outcome, opening
from gpjepa.report.run import read_run

ROW = {"metric": "pearson_delta", "model": 0.6, "best_baseline": 0.5,
       "best_baseline_name": "additive", "ceiling": 0.7, "won": True}  # fmt: skip


def spoken(run: Path, rows: Any, interval: tuple[float, float] | None = None) -> Any:
    summary = run / "evaluation" / "summary.json"
    summary.write_text(json.dumps(json.loads(summary.read_text()) | {"headline": rows}))
    path = run / "evaluation" / "metrics.csv"
    table = pd.read_csv(path)
    difference = (table["metric"] == "pearson_delta") & (table["model"] == "gpjepa − additive")
    if interval is None:
        table = table[~table["model"].str.contains("−")]
    else:
        table.loc[difference, ["low", "high"]] = interval
    table.to_csv(path, index=False)
    return opening(read_run(run))


@pytest.mark.parametrize(
    ("won", "interval", "outcome"),
    [
        (True, (0.02, 0.2), Outcome.WIN),
        (True, (-0.02, 0.2), Outcome.AHEAD),
        (False, (-0.2, 0.02), Outcome.BEHIND),
        (False, (-0.2, -0.02), Outcome.LOSS),
        (True, None, Outcome.WIN),
        (False, None, Outcome.LOSS),
    ],
)
def test_a_win_is_only_a_win_when_a_tie_is_excluded(
    won: bool, interval: Any, outcome: Outcome, make_run: Callable[..., Path]
) -> None:
    found = spoken(make_run(), [ROW | {"won": won}], interval)
    assert found.sentences[0].outcome is outcome
    assert (found.compared, found.wins) == (1, int(won))
    assert found.clear_wins == (outcome is Outcome.WIN)
    assert found.ties_known is (interval is not None)


def test_a_sentence_holds_every_number_of_its_row(make_run: Callable[..., Path]) -> None:
    (sentence,) = spoken(make_run(), [ROW | {"won": False}], (-0.2, -0.02)).sentences
    assert sentence.metric == "Pearson Δ (higher is better)"
    assert sentence.words == (
        "gpjepa (0.600) does not beat the best baseline, additive (0.500); the paired difference "
        "(−0.20 to −0.02) excludes a tie. The data's own replicate reaches 0.700."
    )


def test_a_missing_score_is_said_and_counts_as_recorded(make_run: Callable[..., Path]) -> None:
    run = make_run()
    rows = [ROW | {"model": None, "won": False}, ROW | {"best_baseline": None}, {}]
    found = spoken(run, rows)
    assert [sentence.outcome for sentence in found.sentences] == [
        Outcome.LOSS, Outcome.OPEN, Outcome.OPEN]  # fmt: skip
    assert found.sentences[0].words == "gpjepa has no score."
    assert "no baseline to compare with" in found.sentences[1].words


def test_a_group_of_perturbations_is_named(make_run: Callable[..., Path]) -> None:
    found = spoken(make_run(), [ROW | {"group": "unseen_single"}])
    assert found.sentences[0].metric.endswith("unseen single")


@pytest.mark.parametrize("rows", [None, [], "none", [3]])
def test_without_headline_rows_nothing_is_claimed(rows: Any, make_run: Callable[..., Path]) -> None:
    found = spoken(make_run(), rows)
    assert (found.sentences, found.compared) == ((), 0)
