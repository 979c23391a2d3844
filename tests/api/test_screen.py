from __future__ import annotations

import numpy as np
import pytest

from gpjepa.api import screen as module
from gpjepa.api.screen import COLUMNS, screen_pairs, unmeasured_pairs

MEASURED = ("A", "B", "C", "D", "E", "F", "A+B", "A+C")


@pytest.fixture(scope="module")
def gated(model) -> np.ndarray:
    return np.ones(len(model.bundle.panel.names), dtype=bool)


def test_all_pairs_of_measured_singles_that_nobody_measured_are_screened(model) -> None:
    found = unmeasured_pairs(model, MEASURED)
    assert len(found) == 15 - 2
    assert "A+B" not in found
    assert "C+D" in found


def test_pairs_are_ranked_by_their_predicted_effect(model, gated) -> None:
    table = screen_pairs(model, MEASURED, gated, 0)
    assert tuple(table.columns) == COLUMNS
    assert len(table) == 13
    size = table.predicted_effect_size.to_numpy()
    assert (np.diff(size) <= 0).all()
    assert (table.novelty == 0).all()
    assert set(table.verdict) <= {"use the model", "use the sum"}


def test_the_top_genes_are_those_of_the_largest_effects(model, gated) -> None:
    row = screen_pairs(model, MEASURED, gated, 0).iloc[0]
    told = [part.split(" ") for part in row.top_genes.split(";")]
    assert len(told) == 5
    sizes = [abs(float(value)) for _, value in told]
    assert sizes == sorted(sizes, reverse=True)
    assert {gene for gene, _ in told} <= set(model.bundle.panel.names)
    assert all(value[0] in "+-" for _, value in told)


def test_beyond_the_limit_the_strongest_members_are_combined(model, gated, monkeypatch) -> None:
    whole = screen_pairs(model, MEASURED, gated, 0)
    monkeypatch.setattr(module, "MOST", 4)
    few = screen_pairs(model, MEASURED, gated, 0)
    assert len(few) == 4
    assert set(few.perturbation) <= set(whole.perturbation)
    additive = whole.set_index("perturbation").additive_effect_size
    assert additive[few.perturbation].mean() > additive.mean()


def test_nothing_left_to_screen_is_an_empty_table(model, gated) -> None:
    every = [f"{a}+{b}" for a in "ABCDEF" for b in "ABCDEF" if a < b]
    table = screen_pairs(model, every, gated, 0)
    assert (len(table), tuple(table.columns)) == (0, COLUMNS)
