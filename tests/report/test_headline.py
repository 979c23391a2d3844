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


def sentences(found: Any) -> list[Any]:
    return [sentence for group in found.groups for sentence in group.sentences]


@pytest.mark.parametrize(
    ("won", "interval", "outcome"),
    [
        (True, (0.02, 0.2), Outcome.WIN),
        (True, (-0.02, 0.2), Outcome.AHEAD),
        (False, (-0.2, 0.02), Outcome.BEHIND),
        (False, (-0.2, -0.02), Outcome.LOSS),
        (True, None, Outcome.AHEAD),
        (False, None, Outcome.BEHIND),
    ],
)
def test_a_win_is_only_a_win_when_a_tie_is_excluded(
    won: bool, interval: Any, outcome: Outcome, make_run: Callable[..., Path]
) -> None:
    found = spoken(make_run(), [ROW | {"won": won}], interval)
    assert [sentence.outcome for sentence in sentences(found)] == [outcome]
    assert (found.compared, found.wins) == (1, int(won))
    assert found.clear_wins == (outcome is Outcome.WIN)


def test_a_sentence_holds_every_number_of_its_row(make_run: Callable[..., Path]) -> None:
    (sentence,) = sentences(spoken(make_run(), [ROW | {"won": False}], (-0.2, -0.02)))
    assert sentence.metric == "Pearson Δ (higher is better)"
    assert sentence.words == (
        "gpjepa (0.600) does not beat the best baseline, additive (0.500); the paired difference "
        "(−0.20 to −0.02) excludes a tie. The data's own replicate reaches 0.700."
    )


def set_scores(run: Path, model: str, values: dict[str, float]) -> None:
    path = run / "evaluation" / "metrics.csv"
    table = pd.read_csv(path)
    for label, value in values.items():
        cell = (table["metric"] == "pearson_delta") & (table["model"] == model)
        table.loc[cell & (table["perturbation"] == label), "value"] = value
    table.to_csv(path, index=False)


@pytest.mark.parametrize(
    ("ours", "words", "outcome"),
    [
        ([0.9] * 5, "gpjepa is better for 5 of 5 perturbations", Outcome.WIN),
        ([0.9, 0.9, 0.9, 0.9, 0.1], "gpjepa is better for 4 of 5 perturbations", Outcome.AHEAD),
        ([0.9, 0.9, 0.9, 0.9, 0.5], "gpjepa is better for 4 of 5 perturbations", Outcome.AHEAD),
    ],
)
def test_in_a_group_every_perturbation_must_agree_for_a_clear_win(
    ours: list[float], words: str, outcome: Outcome, make_run: Callable[..., Path], fixtures: Any
) -> None:
    run = make_run()
    set_scores(run, "gpjepa", dict(zip(fixtures.DOUBLES, ours, strict=True)))
    set_scores(run, "additive", dict.fromkeys(fixtures.DOUBLES, 0.5))
    (sentence,) = sentences(spoken(run, [ROW | {"group": "combo_seen2"}]))
    assert words in sentence.words
    assert sentence.outcome is outcome


def test_a_small_group_never_wins_clearly(make_run: Callable[..., Path], fixtures: Any) -> None:
    run = make_run()
    set_scores(run, "gpjepa", dict.fromkeys(fixtures.SINGLES, 0.9))
    set_scores(run, "no change", dict.fromkeys(fixtures.SINGLES, 0.0))
    row = ROW | {"group": "unseen_single", "best_baseline_name": "no change"}
    (sentence,) = sentences(spoken(run, [row]))
    assert "gpjepa is better for 3 of 3 perturbations" in sentence.words
    assert sentence.outcome is Outcome.AHEAD


def test_a_missing_score_is_said_and_counts_as_recorded(make_run: Callable[..., Path]) -> None:
    rows = [ROW | {"model": None, "won": False}, ROW | {"best_baseline": None}, {}]
    found = sentences(spoken(make_run(), rows))
    assert [sentence.outcome for sentence in found] == [Outcome.LOSS, Outcome.OPEN, Outcome.OPEN]
    assert found[0].words == "gpjepa has no score."
    assert "no baseline to compare with" in found[1].words


def test_sentences_are_gathered_by_group(make_run: Callable[..., Path]) -> None:
    rows = [ROW | {"group": group} for group in ("unseen_single", "my_own", "unseen_single")]
    found = spoken(make_run(), [*rows, ROW])
    assert [(group.title, len(group.sentences)) for group in found.groups] == [
        ("single perturbations never measured", 2),
        ("my own", 1),
        ("all perturbations", 1),
    ]
    (group,) = spoken(make_run(), [ROW | {"metric": "mmd"}]).groups
    assert group.title == "populations of cells, over the perturbations that respond"


@pytest.mark.parametrize("rows", [None, [], "none", [3]])
def test_without_headline_rows_nothing_is_claimed(rows: Any, make_run: Callable[..., Path]) -> None:
    found = spoken(make_run(), rows)
    assert (found.groups, found.compared) == ((), 0)
