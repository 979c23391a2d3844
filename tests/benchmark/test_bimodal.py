from __future__ import annotations

import numpy as np
import pytest

from gpjepa.benchmark import bimodal
from gpjepa.benchmark.tasks import find_task
from gpjepa.core.config import Config
from gpjepa.data.simulator import simulate
from gpjepa.inference.bundle import GenePanel

SMALL = bimodal.simulation(0, 0.5).override(
    ("free.genes=60", "free.perturbed=6", "free.pairs=8", "cells.control=300")
)


@pytest.fixture(scope="module")
def truth():
    return simulate(SMALL)[1]


@pytest.fixture(scope="module")
def names(truth) -> np.ndarray:
    return np.array(truth.genes, dtype=object)


def test_every_seed_and_share_is_another_simulation() -> None:
    settings = [bimodal.simulation(seed, share) for seed in (0, 1) for share in (0.2, 0.5)]
    assert len({each.model_dump_json() for each in settings}) == 4
    assert [each.free.responders for each in settings[:2]] == [(0.2, 0.2), (0.5, 0.5)]


def test_true_cells_are_of_both_kinds_and_have_the_true_mean(truth, names) -> None:
    label = truth.perturbations[0]
    draws = [bimodal.true_cells(truth, label, names, seed) for seed in range(6)]
    shares = sum(counts.sum(axis=0) for counts, _ in draws) / sum(t.sum() for _, t in draws)
    np.testing.assert_allclose(np.asarray(shares).ravel(), truth.mean(label), rtol=0.15)
    assert (draws[0][0].shape, len(draws[0][1])) == ((bimodal.DRAWN, 60), bimodal.DRAWN)
    assert (draws[0][0] != draws[1][0]).nnz > 0


def test_genes_are_found_by_name(truth, names) -> None:
    order = names[[5, 2]]
    counts, totals = bimodal.true_cells(truth, truth.perturbations[0], order, 0)
    whole, again = bimodal.true_cells(truth, truth.perturbations[0], names, 0)
    np.testing.assert_array_equal(counts.toarray(), whole.toarray()[:, [5, 2]])
    np.testing.assert_array_equal(totals, again)


def test_control_cells_are_farther_than_a_second_draw(truth, names) -> None:
    panel = GenePanel(tuple(map(str, names)), True, truth.target)
    labels = [label for label in truth.perturbations if "+" in label][:2]
    floor, ceiling = bimodal.bounds(truth, panel, labels, 0)
    assert (floor > 1.5 * ceiling).all()


def test_what_is_left_of_the_gaussian_heads_distance_is_beyond_the_replicate() -> None:
    distances = {"gpjepa": np.array([0.2, 0.3]), bimodal.GAUSSIAN: np.array([0.3, 0.4])}
    rows = bimodal.energy_rows("g", distances, np.array([1.0, 1.0]), np.array([0.1, 0.2]))
    found = {(row[1], row[2]): row[3] for row in rows}
    assert found["excess_over_gaussian", "gpjepa"] == pytest.approx(0.5)
    assert found["excess_over_gaussian", bimodal.GAUSSIAN] == pytest.approx(1.0)
    assert found["energy_distance", "gpjepa"] == pytest.approx(0.25)


def test_fractions_are_compared_with_the_truth() -> None:
    rows = bimodal.fraction_rows("g", np.array([0.4, 0.7]), np.array([0.5, 0.5]))
    assert [row[3] for row in rows] == pytest.approx([0.55, 0.15])


def test_each_part_asks_for_its_share(monkeypatch) -> None:
    asked = []
    monkeypatch.setattr(bimodal, "score", lambda *given: asked.append((given[0], given[-1])))
    for part in find_task("bimodal").parts[:3]:
        part.score(Config(), 7, "cpu")
    assert asked == [(0.5, "cpu"), (0.2, "cpu"), (0.8, "cpu")]
    find_task("bimodal").parts[3].score(Config(), 7, "cpu")
    assert asked[-1] == (0.5, bimodal.HEADS)
