"""Rows of the representation axis say which space they are of, and against what."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from gpjepa.evaluation import representation_rows
from gpjepa.evaluation.representation_rows import (
    Row,
    absent_rows,
    cell_type_rows,
    collapse_rows,
    overlap_row,
    similarity_rows,
)

RNG = np.random.default_rng(0)
SPACE = RNG.normal(size=(200, 6))


def test_skill_lies_between_floor_and_ceiling() -> None:
    assert Row("m", "all", 0.5, floor=0.2, ceiling=0.8).skill == pytest.approx(0.5)
    assert np.isnan(Row("m", "all", 0.5, floor=0.2, ceiling=0.2).skill)


def test_collapse_tells_the_spread_of_every_dimension() -> None:
    wide = SPACE * np.array([4.0, 1.0, 1.0, 1.0, 1.0, 1e-6])
    rank, collapsed = collapse_rows(wide, SPACE)
    assert rank.value < 0.7
    assert collapsed.value == pytest.approx(1 / 6)
    low, high = wide.std(0).min(), wide.std(0).max()
    assert f"{low:.3g} to {high:.3g}" in collapsed.note


def test_overlap_of_a_rotation_is_one_and_references_carry_no_note() -> None:
    turned = SPACE @ np.linalg.qr(RNG.normal(size=(6, 6)))[0]
    own = overlap_row("", turned, SPACE, 0.4)
    assert own.value == pytest.approx(1.0)
    assert "agree on 0.40" in own.note
    other = overlap_row("HVG", RNG.normal(size=(200, 6)), SPACE, 0.4)
    assert (other.model, other.note) == ("HVG", "")
    assert other.value < 0.2


def test_a_reference_whose_package_is_missing_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(representation_rows, "has_scvi", lambda: False)
    (row,) = absent_rows()
    assert (row.model, row.note) == ("scVI", "package scvi-tools is not installed")
    assert np.isnan(row.value)
    monkeypatch.setattr(representation_rows, "has_scvi", lambda: True)
    assert absent_rows() == []


def test_types_are_scored_in_every_space() -> None:
    types = np.repeat(np.array(["a", "b"], dtype=object), 100)
    labels = np.full(200, "control", dtype=object)
    apart = SPACE + 9 * (types == "a")[:, None]
    data = SimpleNamespace(cell_type=types, labels=labels)
    rows = cell_type_rows({"": apart, "HVG": SPACE}, data, 0)
    found = {(row.metric, row.model): row for row in rows if row.perturbation == "all"}
    for metric in ("knn_accuracy", "avg_bio_best", "avg_bio_fixed"):
        assert found[metric, ""].value > found[metric, "HVG"].value + 0.2, metric


def test_shifts_are_named_by_their_space() -> None:
    labels = np.repeat(np.array(["control", "A"], dtype=object), 100)
    moved = SPACE + 3 * (labels == "A")[:, None]
    guess = moved[100:]
    rows = similarity_rows("PCA", guess, labels[100:], moved, labels, ("A",), 0)
    assert {row.model for row in rows} == {"PCA"}
    assert rows[0].value > 0.95
    opposite = similarity_rows("PCA", guess - 6, labels[100:], moved, labels, ("A",), 0)
    assert opposite[0].value < -0.9
