from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from gpjepa.report.run import read_run
from gpjepa.report.trust_tables import head_facts, source_rows, verdict_rows


def test_errors_are_told_by_verdict_beside_the_sums(run_folder: Path) -> None:
    first, second = verdict_rows(read_run(run_folder))
    assert (first.verdict, first.css, first.count) == ("use the model", "good", "5")
    assert (first.own, first.sum, first.gap) == (
        "0.600 (0.55 to 0.65)",
        "0.800 (0.75 to 0.85)",
        "−0.200 (−0.25 to −0.15)",
    )
    assert (second.verdict, second.css) == ("do not trust", "poor")


def test_a_run_without_verdicts_has_no_rows(make_run: Callable[..., Path]) -> None:
    folder = make_run()
    path = folder / "evaluation" / "metrics.csv"
    table = pd.read_csv(path)
    table[~table["metric"].str.contains(": ")].to_csv(path, index=False)
    assert verdict_rows(read_run(folder)) == []


def test_what_predictions_come_from_is_counted_with_its_error(run_folder: Path) -> None:
    run = read_run(run_folder)
    model, mean = source_rows(run)
    assert (model.source, model.count, mean.source, mean.count) == ("model", 5, "training mean", 3)
    own = run.effects[run.effects["source"] == "training mean"]
    error = (own["observed"] - own["predicted"]).abs().sum() / own["observed"].abs().sum()
    assert float(mean.error) == pytest.approx(error, abs=6e-4)
    assert mean.names == "FOXO4, HK2, SGK1"


def test_many_names_are_cut_and_a_run_without_sources_has_no_rows(
    make_run: Callable[..., Path],
) -> None:
    folder = make_run(doubles=tuple(f"A{i}+B{i}" for i in range(9)), singles=())
    (row,) = source_rows(read_run(folder))
    assert row.names.endswith("and 3 more")
    path = folder / "evaluation" / "effects.csv"
    pd.read_csv(path).drop(columns="source").to_csv(path, index=False)
    assert source_rows(read_run(folder)) == []


def test_the_head_and_its_reason_are_those_of_the_file(run_folder: Path) -> None:
    facts = head_facts(read_run(run_folder))
    assert facts is not None
    assert (facts.kind, facts.asked) == ("diffusion", "auto")
    assert "log_variance_ratio" in facts.reason
    assert facts.skills == (
        ("Energy distance", "0.610", "0.680"),
        ("Variance error", "0.320", "0.570"),
    )


def test_a_head_that_was_not_compared_shows_what_it_has(make_run: Callable[..., Path]) -> None:
    folder = make_run()
    document = {"kind": "variational", "asked": "variational", "reason": "as asked",
                "before": {"population": {"skills": {}}}, "after": None}  # fmt: skip
    (folder / "head.json").write_text(json.dumps(document))
    facts = head_facts(read_run(folder))
    assert facts is not None
    assert facts.skills == ()
    (folder / "head.json").unlink()
    assert head_facts(read_run(folder)) is None
