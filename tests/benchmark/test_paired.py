from __future__ import annotations

import numpy as np
import pytest

from gpjepa.benchmark import paired

HEADLINES = [("doubles", "l2", "L2 ↓"), ("types", "knn_accuracy", "kNN ↑"), ("none", "l2", "L2")]


def row(model: str, each: dict | None, value: float | None = None, metric: str = "l2") -> dict:
    known = [number for number in (each or {}).values() if number is not None]
    mean = float(np.mean(known)) if value is None and known else value
    return {"group": "doubles", "metric": metric, "model": model, "value": mean, "each": each}


def test_values_of_the_same_seed_and_perturbation_are_compared() -> None:
    rows = [
        (0, row("full", {"A+B": 1.0, "C+D": 3.0})),
        (1, row("full", {"C+D": 2.0, "E+F": 9.0})),
        (0, row("less", {"A+B": 1.5, "C+D": 3.25})),
        (1, row("less", {"C+D": 2.25, "G+H": 0.0})),  # E+F is missing, G+H has no partner
        (2, row("less", {"A+B": 70.0})),  # a seed that the full model lacks
    ]
    (found,) = paired.paired_records(rows, "full")
    assert (found["model"], found["n"], found["seeds"]) == ("less", 2, 2)
    assert found["difference"] == pytest.approx((0.5 + 0.25 + 0.25) / 3, abs=1e-6)


def test_seeds_are_no_samples_the_interval_stays_with_five_times_the_same() -> None:
    rng = np.random.default_rng(0)
    once = {f"G{index}": value for index, value in enumerate(rng.normal(size=12))}
    one, five = paired.summarised([once]), paired.summarised([once] * 5)
    assert one == five
    assert one["low"] < one["difference"] < one["high"]
    spread = float(np.std(list(once.values()))) / np.sqrt(12)
    assert one["high"] - one["low"] == pytest.approx(2 * 1.96 * spread, rel=0.15)


def test_the_difference_is_that_of_the_means_that_are_printed() -> None:
    rng = np.random.default_rng(1)
    values = rng.normal(size=(2, 3, 4))
    rows = [
        (seed, row(name, {f"G{gene}": values[model, seed, gene] for gene in range(4)}))
        for model, name in enumerate(("full", "less"))
        for seed in range(3)
    ]
    (found,) = paired.paired_records(rows, "full")
    assert found["difference"] == pytest.approx(values[1].mean() - values[0].mean(), abs=1e-6)


def test_a_score_without_perturbations_has_a_difference_and_no_interval() -> None:
    rows = [(seed, row("full", None, 0.5)) for seed in (0, 1)]
    rows += [(0, row("less", None, 0.4)), (1, row("less", None, 0.6)), (1, row("gone", None))]
    (found,) = paired.paired_records(rows, "full")
    assert (found["difference"], found["low"], found["high"]) == (0.0, None, None)
    assert paired.summarised([{"A": 0.25}])["low"] is None


def test_an_undefined_value_is_left_out_of_both() -> None:
    rows = [
        (0, row("full", {"A": 1.0, "B": None, "C": 1.0})),
        (0, row("less", {"A": 2.0, "B": 5.0, "C": None})),
    ]
    (found,) = paired.paired_records(rows, "full")
    assert (found["difference"], found["n"]) == (1.0, 1)


def test_a_row_a_model_with_the_difference_and_its_interval_beside_the_mean() -> None:
    def mean(group: str, metric: str, model: str, value: float) -> dict:
        return {"group": group, "metric": metric, "model": model, "mean": value}

    document = {
        "table": [
            mean("doubles", "l2", "full", 1.0),
            mean("doubles", "l2", "less", 1.25),
            mean("types", "knn_accuracy", "full", 0.9),
        ],
        "paired": [mean("doubles", "l2", "less", 0) | {"difference": 0.25, "low": -0.1, "high": 1}],
        "models": ["full", "less", "other"],
        "reference": "full",
        "seeds": 5,
    }
    first, second = paired.beside(document, HEADLINES)
    assert first == {"model": "full", "doubles: L2 ↓": "1.000", "types: kNN ↑": "0.900"}
    assert second["doubles: L2 ↓"] == "1.250 (+0.250 [−0.100, +1.000])"
    assert second["types: kNN ↑"] == "–"
    assert "from full" in paired.legend(document)
    assert "(5 at most)" in paired.legend(document)


def test_models_keep_the_order_of_the_parts() -> None:
    rows = [(0, row("b", None)), (0, row("a", None)), (1, row("b", None))]
    assert paired.models_of(rows) == ["b", "a"]
