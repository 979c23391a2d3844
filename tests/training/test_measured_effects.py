from __future__ import annotations

import numpy as np
import pytest
from scipy.sparse import csr_matrix

from gpjepa.data.labels import CONTROL
from gpjepa.training.measured_effects import ERROR_FLOOR, MeasuredEffects, measure_effects

TARGET = 100.0


def screen(cells: int = 40):
    rng = np.random.default_rng(0)
    labels = np.repeat(np.array([CONTROL, "A", "B"], object), cells)
    strata = np.tile([0, 0, 0, 1], 3 * cells // 4)
    strata[labels == "B"] = 1
    counts = rng.poisson(3.0 + 4.0 * strata[:, None] + np.arange(5), (3 * cells, 5))
    library = counts.sum(axis=1) + rng.integers(10, 20, 3 * cells).astype(float)
    return counts, library, labels, strata


def level(counts: np.ndarray, library: np.ndarray) -> np.ndarray:
    return np.log1p(TARGET * counts.sum(axis=0) / library.sum())


def measured(counts, library, labels, strata, order=("A", "B")):
    sparse = csr_matrix(counts.astype(np.float32))
    return measure_effects(sparse, library, labels, strata, TARGET, order)


def test_an_effect_is_the_difference_of_pseudobulks() -> None:
    counts, library, labels, strata = screen()
    found = measured(counts, library, labels, np.zeros_like(strata))
    control = level(counts[labels == CONTROL], library[labels == CONTROL])
    for row, label in enumerate("AB"):
        own = level(counts[labels == label], library[labels == label])
        assert np.allclose(found.effect[row], own - control)
    assert found.labels == ("A", "B")
    assert found.cells.tolist() == [40, 40]


def test_controls_are_matched_to_the_strata_of_each_perturbation() -> None:
    counts, library, labels, strata = screen()
    found = measured(counts, library, labels, strata)
    share = {}
    for stratum in (0, 1):
        here = (labels == CONTROL) & (strata == stratum)
        share[stratum] = counts[here].sum(axis=0) / library[here].sum()
    for row, label in enumerate("AB"):
        own = labels == label
        weight = [library[own & (strata == s)].sum() / library[own].sum() for s in (0, 1)]
        matched = np.log1p(TARGET * (weight[0] * share[0] + weight[1] * share[1]))
        assert np.allclose(found.effect[row], level(counts[own], library[own]) - matched)


def test_a_difference_between_strata_alone_is_no_effect() -> None:
    counts, library, labels, strata = screen(400)
    matched = measured(counts, library, labels, strata).effect[1]
    unmatched = measured(counts, library, labels, np.zeros_like(strata)).effect[1]
    assert np.abs(matched).max() < 0.1 < np.abs(unmatched).max()


def test_a_stratum_without_controls_is_compared_with_all_controls() -> None:
    counts, library, labels, strata = screen()
    strata = np.where(labels == "A", 7, 0)
    found = measured(counts, library, labels, strata)
    control = level(counts[labels == CONTROL], library[labels == CONTROL])
    own = level(counts[labels == "A"], library[labels == "A"])
    assert np.allclose(found.effect[0], own - control)


def test_errors_are_those_of_repeated_draws() -> None:
    rng = np.random.default_rng(1)
    labels = np.repeat(np.array([CONTROL, "A"], object), 50)
    library = np.full(100, 500.0)
    effects, errors = [], []
    for _ in range(150):
        counts = rng.poisson(4.0, (100, 4))
        found = measured(counts, library, labels, np.zeros(100, int), ("A",))
        effects.append(found.effect[0])
        errors.append(np.hypot(found.error[0], found.control_error))
    spread = np.sqrt(np.var(effects) + 2 * ERROR_FLOOR**2)
    assert np.mean(errors) == pytest.approx(spread, rel=0.12)


def test_no_error_is_smaller_than_one_count_or_the_floor() -> None:
    counts = np.zeros((6, 3), int)
    counts[:, 0] = 2
    labels = np.array([CONTROL] * 3 + ["A"] * 3, object)
    found = measured(counts, np.full(6, 50.0), labels, np.zeros(6, int), ("A",))
    assert np.all(found.error >= ERROR_FLOOR)
    one_count = TARGET / 150.0  # a gene that nobody saw could have had one count
    assert found.error[0, 1] >= one_count


def test_a_perturbation_with_one_cell_has_a_large_error_and_no_nan() -> None:
    counts, library, labels, strata = screen()
    keep = (labels != "B") | (np.cumsum(labels == "B") == 1)
    found = measured(counts[keep], library[keep], labels[keep], strata[keep])
    assert np.isfinite(found.effect).all()
    assert (found.error[1] >= 1.0).all()
    assert (found.error[0] < 1.0).all()


def test_only_the_perturbations_asked_for_are_measured_in_that_order() -> None:
    counts, library, labels, strata = screen()
    both, swapped = (
        measured(counts, library, labels, strata, order) for order in (("A", "B"), ("B",))
    )
    assert np.array_equal(swapped.effect[0], both.effect[1])
    assert swapped.effect.shape == (1, 5)


def test_effects_are_taken_and_put_beside_others_with_their_errors() -> None:
    counts, library, labels, strata = screen()
    found = measured(counts, library, labels, np.zeros_like(strata))
    swapped = found.take(np.array([1])).beside(found.take(np.array([0])))
    assert swapped.labels == ("B", "A")
    assert np.array_equal(swapped.effect, found.effect[::-1])
    assert np.array_equal(swapped.error, found.error[::-1])
    assert np.array_equal(swapped.control_error, found.control_error)


def test_a_response_that_all_share_is_not_taken_for_the_floor_of_a_control_of_many_cells() -> None:
    rng = np.random.default_rng(1)
    common = rng.normal(0.0, 0.02, 200)
    effect = common + rng.normal(0.0, 0.05, (30, 200))
    labels = tuple(f"G{row}" for row in range(30))

    def shared(control: float) -> float:
        error = np.full(200, np.hypot(control, ERROR_FLOOR))
        made = MeasuredEffects(labels, effect, np.full(effect.shape, 0.03), error, np.ones(30))
        return float(np.linalg.norm(made.posterior.shared) / np.linalg.norm(common))

    assert shared(0.002) < 0.05
    assert shared(0.03) > 0.7
