from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pandas
import pytest
from anndata import AnnData, concat

from gpjepa.benchmark import populations
from gpjepa.benchmark.populations import (
    FLOOR,
    NAMES,
    OBSERVED,
    POPULATIONS,
    SEEN,
    Scores,
    pooled,
    population_rows,
    simulated_screen,
)
from gpjepa.benchmark.scores import COLUMNS, EACH
from gpjepa.data.partition import Split
from gpjepa.data.perturbseq import PerturbSeq, read
from gpjepa.data.simulator import SimulationConfig, simulate
from gpjepa.evaluation.bounds import make_bounds
from gpjepa.evaluation.generative import GENERATIVE_METRICS
from gpjepa.evaluation.population_skill import JUDGED

SHARES = [f"{metric}_skill" for metric in JUDGED[:4]]


@pytest.fixture(scope="module")
def screen() -> tuple[PerturbSeq, Split, AnnData]:
    """Return cells, a split of them, and as many other cells of the same truth."""
    settings = {
        "preset": "free",
        "cells": {"control": 400, "perturbed": 300},
        "free": {"genes": 60, "perturbed": 6, "pairs": 4, "panel_share": 0.2, "effect_sd": 0.8},
    }
    adata, _ = simulate(SimulationConfig.model_validate(settings))
    label = adata.obs["perturbation"].astype(str)
    place = label.groupby(label).cumcount().to_numpy()
    first = adata[(place < 150) | (label == "control")].copy()
    data = read(first, announce=False)
    split = data.split("unseen-combination", seed=0, fraction=0.5)
    return data, split, adata[place >= 150].copy()


class Fixed:
    """A model that predicts the cells it was given."""

    def __init__(self, data: PerturbSeq, cells: AnnData) -> None:
        self.bundle = SimpleNamespace(panel=SimpleNamespace(names=tuple(data.genes)))
        self.cells = cells

    def predict(self, labels, cells, control, seed) -> AnnData:
        chosen = [self.cells[self.cells.obs["perturbation"] == label] for label in labels]
        return concat(chosen, index_unique="-")


def rows_of(screen, cells: AnnData) -> pandas.DataFrame:
    data, split, _ = screen
    return population_rows(Fixed(data, cells), data, split, split.test, "doubles", 0)


def values(frame: pandas.DataFrame, model: str) -> pandas.Series:
    return frame[frame["model"] == model].set_index("metric")["value"]


def test_a_second_measurement_has_skill_one_and_controls_have_none(screen) -> None:
    frame = rows_of(screen, screen[2])
    assert list(frame.columns) == [*COLUMNS, EACH]
    assert values(frame, "gpjepa")[SHARES].between(0.8, 1.2).all()
    assert (values(frame, FLOOR)[SHARES].abs() < 1e-9).all()
    energy = frame[(frame["metric"] == "energy_distance") & (frame["model"] == "gpjepa")].iloc[0]
    assert energy["ceiling"] < energy["floor"] / 3
    assert energy["value"] == pytest.approx(energy["ceiling"], rel=0.3)
    assert set(energy[EACH]) <= set(screen[1].test)
    assert energy["n"] == len(energy[EACH]) > 0


def test_cells_of_nothing_have_less_skill_than_controls(screen) -> None:
    empty = screen[2].copy()
    empty.X = empty.X * 0
    assert values(rows_of(screen, empty), "gpjepa")["energy_distance_skill"] < 0


def test_what_does_not_predict_every_perturbation_is_left_out(screen, monkeypatch) -> None:
    found = np.zeros((len(NAMES), 2))
    partly = found.copy()
    partly[:, 1] = np.nan
    bounds = make_bounds(GENERATIVE_METRICS, [found + 9.0], np.stack([found + 1.0] * 3))
    scores = Scores(("A", "B"), {"whole": found, "part": partly}, bounds, np.array([True, True]))
    monkeypatch.setattr(populations, "score", lambda *given: scores)
    frame = population_rows(None, None, None, (), "group", 0)
    assert set(frame["model"]) == {"whole"}
    none = replace(scores, responds=np.array([False, False]))
    monkeypatch.setattr(populations, "score", lambda *given: none)
    silent = population_rows(None, None, None, (), "group", 0)
    assert silent["value"].isna().all()
    assert (silent["n"] == 0).all()


def test_pooled_rows_are_medians_of_skills_and_means_of_scores() -> None:
    found = pooled(fits("gpjepa", {"A": 1.0, "B": 2.0}, {"C": 9.0})).set_index("metric")
    assert found.loc["mmd", "value"] == 4.0
    assert found.loc["mmd_skill", "value"] == 2.0
    assert found["n"].to_list() == [3, 3]


def test_pooled_rows_compare_models_on_the_same_perturbations() -> None:
    partly = fits("linear", {"A": 0.5})
    whole = fits("gpjepa", {"A": 1.0, "B": 2.0}, {"C": 9.0})
    assert set(pooled(pandas.concat((partly, whole)))["model"]) == {"gpjepa"}


def fits(name: str, *parts: dict[str, float]) -> pandas.DataFrame:
    rows = [
        ("g", metric, name, 0.0, 3.0, 1.0, len(each), each)
        for metric in ("mmd", "mmd_skill")
        for each in parts
    ]
    return pandas.DataFrame(rows, columns=[*COLUMNS, EACH])


def test_simulated_doubles_are_observed_in_more_cells_than_train() -> None:
    data, split = simulated_screen(0)
    counts = pandas.Series(data.labels.astype(str)).value_counts()
    assert set(counts[list(split.test)]) == {OBSERVED}
    assert set(counts[list(split.train + split.validation)]) == {SEEN}


def test_headlines_name_the_groups_of_the_parts() -> None:
    names = {part.name for part in POPULATIONS.parts}
    assert {headline.group for headline in POPULATIONS.headlines} == names
