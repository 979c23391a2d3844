from __future__ import annotations

import pytest

from gpjepa.benchmark import table
from gpjepa.benchmark.task import Headline
from gpjepa.core.errors import DataError

SLOPE = Headline("doubles", "slope", "slope", 1.0)


def record(model: str, *values: float, metric: str = "l2_over_additive", group: str = "doubles"):
    return {
        "group": group,
        "metric": metric,
        "model": model,
        "mean": sum(values) / len(values),
        "sd": 0.1,
        "floor": 1.5,
        "ceiling": None,
        "n": 4,
        "seeds": len(values),
        "values": {str(seed): value for seed, value in enumerate(values)},
    }


def document(*records, name: str = "norman-effects", simulated: bool = False):
    return {
        "benchmark": name,
        "simulated": simulated,
        "seeds": 2,
        "seconds": 90.0,
        "table": list(records),
    }


SCORES = (
    record("gpjepa", 0.7, 0.8),
    record("additive", 1.0, 1.0),
    record("strong", 0.8, 0.9),
    record("oracle: best c1, c2", 0.5, 0.5),
)


def test_one_score_is_a_line_with_the_models_side_by_side() -> None:
    (row,) = table.wide(document(*SCORES))
    assert list(row)[:5] == ["group", "score", "gpjepa", "additive", "strong"]
    assert row["gpjepa"] == "0.750 ± 0.100"
    assert (row["floor"], row["ceiling"], row["n"]) == ("1.500", "-", "4")


def test_the_best_prediction_is_bold_and_an_oracle_is_a_bound() -> None:
    line = table.markdown([document(*SCORES)]).splitlines()[2]
    cells = [cell.strip() for cell in line.strip("|").split("|")]
    assert "**0.750**" in cells
    assert "0.850" in cells
    assert cells[-2] == "oracle: best c1, c2 0.500"
    assert cells[-1] == "won"
    assert line.count("**") == 2


def test_wins_and_losses_are_counted_alike() -> None:
    lost = [record("gpjepa", 0.2, 0.3), record("strong", 0.1, 0.1)]
    text = table.markdown([document(*SCORES), document(*lost, name="norman-distances")])
    assert "1 won, 0 even, 1 lost" in text
    assert "3 core-minutes" in text


def test_benchmarks_of_other_seeds_are_named() -> None:
    named = [document(*SCORES, name=f"norman-{name}") for name in ("effects", "distances", "k562")]
    assert "Means over 2 seeds; 4 core-minutes" in table.markdown(named)
    named[1]["seeds"] = 10
    assert "Means over 2 seeds (10: norman-distances); " in table.markdown(named)


@pytest.mark.parametrize(
    ("own", "other", "word"),
    [
        ((1.1, 1.1), (1.3, 1.3), "won"),
        ((0.7, 0.7), (1.2, 1.2), "lost"),
        ((1.0, 1.4), (1.2, 1.1), "even"),
    ],
)
def test_the_verdict_is_on_the_distance_from_the_best_paired_over_seeds(own, other, word) -> None:
    records = {
        "gpjepa": record("gpjepa", *own, metric="slope"),
        "linear": record("linear", *other, metric="slope"),
    }
    assert table.verdict(SLOPE, records, ["linear"]) == word


def test_without_a_model_or_a_rival_there_is_no_verdict() -> None:
    records = {"gpjepa": record("gpjepa", 1.0)}
    assert table.verdict(SLOPE, records, []) == "–"
    assert table.verdict(SLOPE, {"linear": record("linear", 1.0)}, ["linear"]) == "–"


def test_simulated_cells_are_called_so() -> None:
    scores = [record("gpjepa", 0.5, group="simulated doubles")]
    text = table.markdown([document(*scores, name="semi-synthetic", simulated=True)])
    assert "semi-synthetic (simulated)" in text


def test_a_benchmark_with_a_reference_is_a_table_of_its_own() -> None:
    own = document(record("full model", 0.7, 0.9), record("no JEPA", 1.0), name="ablations")
    differing = {"difference": 0.2, "low": 0.1, "high": 0.3}
    paired = {"group": "doubles", "metric": "l2_over_additive", "model": "no JEPA"} | differing
    own |= {
        "title": "the model without its parts",
        "models": ["full model", "no JEPA"],
        "reference": "full model",
        "paired": [paired],
    }
    text = table.markdown([own])
    assert text.startswith("ablations: the model without its parts; 2 seeds, 2 core-minutes.")
    assert "| model | doubles: L2 ÷ additive's ↓ |" in text
    assert "| full model | 0.800 |" in text
    assert "| no JEPA | 1.000 (+0.200 [+0.100, +0.300]) |" in text
    assert "verdict" not in text
    both = table.markdown([own, document(*SCORES)])
    assert "verdict" in both
    assert "no JEPA" in both


def test_a_document_without_headlines_is_refused() -> None:
    with pytest.raises(DataError, match="no headline score found"):
        table.markdown([document()])
