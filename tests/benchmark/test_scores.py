from __future__ import annotations

import numpy as np
import pytest

from gpjepa.benchmark.scores import COLUMNS, EACH, effect_rows

RNG = np.random.default_rng(0)
TRUTH = RNG.normal(size=(6, 40))
REFERENCE = TRUTH.mean(axis=0)


def scored(**predictions: np.ndarray) -> dict[tuple[str, str], float]:
    named = {name.replace("_", " "): rows for name, rows in predictions.items()}
    frame = effect_rows("held", named, TRUTH, REFERENCE)
    assert tuple(frame.columns) == COLUMNS
    return {(m, name): v for m, name, v in zip(frame.metric, frame.model, frame.value, strict=True)}


def test_the_truth_scores_best_and_no_change_is_the_unit_of_distance() -> None:
    found = scored(gpjepa=TRUTH, no_change=np.zeros_like(TRUTH))
    assert found["pearson_delta", "gpjepa"] == pytest.approx(1.0)
    assert found["pearson_perturbed", "gpjepa"] == pytest.approx(1.0)
    assert found["discrimination", "gpjepa"] == 1.0
    assert found["l2", "gpjepa"] == 0.0
    assert found["l2_over_no_change", "no change"] == 1.0
    assert found["discrimination", "no change"] == 0.5


def test_shares_of_a_distance_are_means_of_the_shares_of_each_perturbation() -> None:
    additive = TRUTH + np.arange(1.0, 7.0)[:, None]
    half = TRUTH + 0.5 * np.arange(1.0, 7.0)[:, None] * np.where(np.arange(6) < 3, 1, 3)[:, None]
    found = scored(gpjepa=half, additive=additive)
    assert found["l2_over_additive", "gpjepa"] == pytest.approx(np.mean([0.5] * 3 + [1.5] * 3))


def test_a_model_that_does_not_apply_to_every_perturbation_is_left_out() -> None:
    partly = TRUTH.copy()
    partly[2] = np.nan
    assert {name for _, name in scored(gpjepa=TRUTH, additive=partly)} == {"gpjepa"}


def test_the_floor_is_the_better_of_no_change_and_the_training_mean() -> None:
    mean = np.tile(REFERENCE, (6, 1))
    frame = effect_rows(
        "held", {"no change": 0 * TRUTH, "training mean": mean}, TRUTH, REFERENCE
    ).set_index(["metric", "model"])
    for metric, best in (("l2", min), ("pearson_delta", max)):
        values = [frame.value[metric, name] for name in ("no change", "training mean")]
        assert frame.floor[metric, "no change"] == best(values)


@pytest.mark.parametrize("noise", [0.0, 1e-16, 1e-9])
def test_rounding_of_the_reference_is_not_correlated_with_the_truth(noise: float) -> None:
    mean = np.tile(REFERENCE, (6, 1)) + noise * (TRUTH - REFERENCE)
    assert scored(training_mean=mean)["pearson_perturbed", "training mean"] == 0.0


def test_little_beyond_the_reference_counts() -> None:
    near = REFERENCE + 1e-3 * (TRUTH - REFERENCE)
    assert scored(gpjepa=near)["pearson_perturbed", "gpjepa"] == pytest.approx(1.0)


def test_one_perturbation_has_no_rank_among_others() -> None:
    frame = effect_rows("held", {"gpjepa": TRUTH[:1]}, TRUTH[:1], REFERENCE)
    assert np.isnan(frame.set_index("metric").value["discrimination"])


def test_with_labels_every_row_keeps_the_values_behind_its_mean() -> None:
    labels = [f"G{index}" for index in range(6)]
    frame = effect_rows("held", {"gpjepa": 0.5 * TRUTH}, TRUTH, REFERENCE, labels)
    assert tuple(frame.columns) == (*COLUMNS, EACH)
    for value, each in zip(frame.value, frame[EACH], strict=True):
        assert list(each) == labels
        assert np.mean(list(each.values())) == pytest.approx(value)
