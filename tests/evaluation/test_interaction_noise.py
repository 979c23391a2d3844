"""Sampling errors of effect tables and labels that do not share the noise of the singles."""

from __future__ import annotations

import numpy as np
import pytest

from gpjepa.core.errors import DataError
from gpjepa.evaluation.effect_table import EffectTable
from gpjepa.evaluation.interaction_noise import (
    Sampling,
    TableErrors,
    norman_errors,
    sampling_errors,
    shrunken_interactions,
)


def test_errors_are_the_spread_of_simulated_pseudobulks():
    draw = np.random.default_rng(1)
    expression, size, effect = np.array([3e-5, 3e-4]), np.array([0.8, 5.0]), np.array([0.4, -0.5])
    sampling = Sampling(cells=200, control_cells=1000, depth=10_000)
    errors = sampling_errors(effect[None], expression, size, sampling)

    def spread(cpm: np.ndarray, cells: int) -> np.ndarray:
        mean = cpm * sampling.depth / 1e6
        rate = draw.gamma(size, mean / size, size=(1000, cells, 2))
        return np.log1p(draw.poisson(rate).mean(axis=1) / sampling.depth * 1e6).std(axis=0)

    perturbed = (1 + 1e6 * expression) * np.exp(effect) - 1
    np.testing.assert_allclose(errors.states[0], spread(perturbed, 200), rtol=0.1)
    np.testing.assert_allclose(errors.control, spread(1e6 * expression, 1000), rtol=0.1)


def test_four_times_the_cells_halve_the_error():
    expression, size = np.full(5, 1e-4), np.ones(5)
    few, many = (
        sampling_errors(np.zeros((1, 5)), expression, size, Sampling(cells=n)) for n in (100, 400)
    )
    np.testing.assert_allclose(few.states, 2 * many.states)


def test_genes_that_are_not_in_the_baseline_are_refused():
    table = EffectTable(("A",), np.zeros((1, 2)), np.array(["ACTB", "no such gene"], dtype=object))
    with pytest.raises(DataError, match="no such gene"):
        norman_errors(table)
    with pytest.raises(DataError, match="genes of the table: 0"):
        norman_errors(EffectTable(("A",), np.zeros((1, 2))))


def additive(noise: float, seed: int = 0) -> tuple[EffectTable, list[str], TableErrors]:
    """Make a table of 40 singles and 60 doubles that are sums, with noise on all of them."""
    draw = np.random.default_rng(seed)
    names = [f"P{index:02d}" for index in range(40)]
    true = draw.normal(scale=0.3, size=(40, 150))
    places = [tuple(sorted(draw.choice(40, 2, replace=False))) for _ in range(200)]
    places = list(dict.fromkeys(places))[:60]
    labels = [f"{names[i]}+{names[j]}" for i, j in places]
    states = np.concatenate([true, [true[i] + true[j] for i, j in places]])
    states = states + draw.normal(scale=noise, size=states.shape)
    errors = TableErrors(np.full(states.shape, noise), np.zeros(150))
    return EffectTable((*names, *labels), states), labels, errors


def correlation(predicted: np.ndarray, value: np.ndarray) -> float:
    return float(np.mean([np.corrcoef(p, v)[0, 1] for p, v in zip(predicted, value, strict=True)]))


def test_shrunken_singles_do_not_agree_with_a_prediction_made_of_them():
    table, labels, errors = additive(noise=0.2)
    sums = table.sums(labels)
    naive = np.stack([table.effects[table.row[label]] for label in labels]) - sums
    assert correlation(-0.2 * sums, naive) > 0.2
    shrunken = shrunken_interactions(table, labels, errors)
    assert abs(correlation(-0.2 * sums, shrunken.value)) < 0.03


def test_the_error_is_that_of_the_shrunken_interaction():
    table, labels, errors = additive(noise=0.2)
    found = shrunken_interactions(table, labels, errors)
    z = found.value / found.error
    assert z.std() == pytest.approx(1.0, abs=0.03)


def test_without_noise_nothing_is_shrunken():
    table, labels, errors = additive(noise=1e-9)
    found = shrunken_interactions(table, labels, errors)
    np.testing.assert_allclose(found.value, 0.0, atol=1e-6)
