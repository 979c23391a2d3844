from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pandas
import pytest

from gpjepa.benchmark import truth
from gpjepa.core.config import Config
from gpjepa.data.labels import members_of
from gpjepa.data.perturbseq import read
from gpjepa.data.simulator import SimulationConfig, simulate
from gpjepa.data.simulator_config import CellsConfig, FreeConfig


def simulation() -> SimulationConfig:
    return SimulationConfig(
        preset="free",
        cells=CellsConfig(control=200, perturbed=60, library_median=4000),
        free=FreeConfig(
            genes=40, perturbed=6, pairs=8, interacting=1.0, panel_share=0.3, effect_sd=0.4
        ),
    )


@pytest.fixture(scope="module")
def scores(config: Config) -> pandas.DataFrame:
    return truth.score_simulated(simulation(), 0.25, config, 0, "cpu")


def test_groups_say_that_the_cells_are_simulated(scores) -> None:
    assert all("simulated" in group for group in scores["group"])
    assert {truth.CELLS, truth.TRUTH} <= set(scores["group"])


def test_against_the_truth_the_measured_cells_beat_the_sum_and_everyone_is_there(scores) -> None:
    rows = scores[scores["group"] == truth.TRUTH].set_index(["metric", "model"])["value"]
    assert {"gpjepa", "additive", "strong", "measured", "true sum"} <= set(rows["l2"].index)
    assert rows["pearson_delta"]["measured"] > 0.8
    assert rows["l2"]["measured"] < rows["l2"]["additive"]
    assert rows["l2"]["true sum"] > 0  # the pairs interact
    assert 0 <= rows["coverage_90"]["gpjepa"] <= 1


def test_triples_are_held_out_and_only_doubles_validate() -> None:
    settings = simulation().override(["free.triples=5"])
    data = read(simulate(settings)[0], announce=False)
    split = truth.triples_split(data, 0)
    assert len(split.test) == 5
    assert {len(members_of(label)) for label in split.test} == {3}
    assert {len(members_of(label)) for label in split.validation} == {2}
    assert {len(members_of(label)) for label in split.train} == {1, 2}
    assert {*split.train, *split.validation, *split.test} == set(data.perturbations)


@pytest.mark.slow
def test_every_baseline_of_combinations_is_scored_on_triples(config: Config) -> None:
    settings = simulation().override(["free.triples=5"])
    found = truth.score_triples(settings, config, 0, "cpu")
    for group in (truth.TRIPLES, truth.TRIPLES_TRUTH):
        rows = found[(found["group"] == group) & (found["metric"] == "l2_over_additive")]
        assert {"gpjepa", "additive", "scaled additive", "strong"} <= set(rows["model"])
        assert set(rows["n"]) == {5}


def test_an_interval_around_the_truth_covers_it_and_one_beside_it_does_not() -> None:
    _, true = simulate(simulation())
    genes, labels = np.array(true.genes[:5], dtype=object), true.perturbations[:2]
    real = true.effects(target=1000.0)
    rows = [
        (label, gene, real.at[label, gene] - width, real.at[label, gene] + 0.1)
        for label, width in zip(labels, (0.1, -0.05), strict=True)
        for gene in genes
    ]
    assessed = SimpleNamespace(
        panel=SimpleNamespace(genes=genes),
        gated=np.ones(5, dtype=bool),
        effects=pandas.DataFrame(rows, columns=["perturbation", "gene", "low", "high"]),
        labels=labels,
        target=1000.0,
        report=SimpleNamespace(name="gpjepa"),
    )
    found = truth.coverage(assessed, true)
    assert found["value"].item() == 0.5
    assert found["ceiling"].item() == 0.9
