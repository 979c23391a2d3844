from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest

from gpjepa.benchmark import information
from gpjepa.benchmark.information import (
    BATCHES,
    BEFORE,
    EVERY,
    INFORMATION,
    INFORMATIVE,
    RANDOM,
    error,
    information_rows,
    informative,
    largest,
)
from gpjepa.benchmark.rounds import Pool, pool_of
from gpjepa.evaluation.effect_table import EffectTable


@pytest.fixture(scope="module")
def table() -> EffectTable:
    """Doubles that are half the sum of their singles, and a shift that alike members share."""
    rng = np.random.default_rng(0)
    singles = rng.normal(size=(13, 6))
    names = [f"G{index:02d}" for index in range(13)]
    pairs = list(combinations(range(13), 2))
    doubles = np.array([0.5 * (singles[a] + singles[b]) for a, b in pairs])
    doubles += np.array([singles[a, 0] * singles[b, 0] * np.ones(6) for a, b in pairs])
    labels = (*names, *(f"{names[a]}+{names[b]}" for a, b in pairs))
    return EffectTable(labels, np.concatenate((singles, doubles)))


def test_measuring_lowers_the_error_from_that_of_nothing_to_that_of_all(table, monkeypatch) -> None:
    monkeypatch.setattr(information, "DRAWS", 2)
    found = information_rows(table, 0, "batches").set_index(["metric", "model"])["value"]
    for size in BATCHES:
        own = found[f"error_after_{size}"]
        assert own[EVERY] < own[BEFORE]
        assert own[INFORMATIVE] < own[BEFORE]
        assert own[RANDOM] < own[BEFORE]


def test_batches_are_of_what_may_be_measured_and_see_no_effect_of_it(table) -> None:
    pool = pool_of(table)
    known, rest = np.arange(10), np.arange(20, 60)
    hidden = pool.effects.copy()
    hidden[10:] = 1e3
    blind = Pool(pool.alone, pool.labels, hidden)
    test = np.arange(60, 78)
    chosen = informative(pool, known, rest, test, 12)
    assert set(chosen.tolist()) <= set(rest.tolist())
    assert len(set(chosen.tolist())) == 12
    np.testing.assert_array_equal(informative(blind, known, rest, test, 12), chosen)
    sums = np.linalg.norm(pool.alone.sums([pool.labels[row] for row in rest]), axis=1)
    assert largest(pool, rest, 1)[0] == rest[sums.argmax()]


def test_the_error_of_a_model_that_knows_nothing_more_than_the_sum_is_near_one(table) -> None:
    pool = pool_of(table)
    tested = np.arange(60, 78)
    assert error(pool, np.arange(0), tested) > 0.9
    assert error(pool, np.arange(60), tested) < 0.8


def test_headlines_are_of_parts_that_are_scored() -> None:
    groups = {part.name for part in INFORMATION.parts}
    assert {headline.group for headline in INFORMATION.headlines} == groups
