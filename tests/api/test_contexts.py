from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from gpjepa.api.answers import effect_table, populations
from gpjepa.api.controls import ControlCells
from gpjepa.api.estimates import sources_of
from gpjepa.api.model import GPJEPA
from gpjepa.api.populations import Start
from gpjepa.evaluation.pseudobulk import pseudobulk
from gpjepa.inference.bundle import load_bundle, save_bundle
from gpjepa.inference.contexts import Contexts

LEVELS = ("t0", "t1", "t2", "t3")


def contexts_of(model: GPJEPA) -> Contexts:
    """Return what four made-up cell types measured of A; the first is like the controls."""
    rng = np.random.default_rng(0)
    table, target = model.controls.table, model.bundle.panel.target
    profile = pseudobulk(table.counts, table.library, target)
    genes = len(profile)
    departure = rng.normal(0.0, 0.3, (4, genes))
    shifts = np.concatenate((np.zeros((1, genes)), rng.normal(0.0, 1.0, (3, genes))))
    return Contexts(
        column="cell_type",
        levels=LEVELS,
        target=target,
        labels=("A",) * 4,
        reach=0.05,
        signal=1.0,
        supported=True,
        profile=profile + shifts,
        context=np.arange(4),
        departure=departure,
        noise=np.full(4, 1e-6),
        scale=np.full(genes, 0.04),
        compared=np.ones(genes, dtype=bool),
    )


def started(model: GPJEPA, level: str | np.ndarray, **changes: object) -> Start:
    """Return a start at control cells of a cell type, or of a type each."""
    contexts = replace(contexts_of(model), **changes)
    bundle = replace(model.bundle, calibration=replace(model.bundle.calibration, contexts=contexts))
    own = model.controls
    levels = {"cell_type": np.full(len(own), level, dtype=object)}
    return Start(bundle, ControlCells(own.table, own.names, levels), None)


def test_an_unseen_context_takes_the_effect_of_the_context_that_it_is_like(model) -> None:
    start = started(model, "new")
    contexts, evidence = contexts_of(model), model.bundle.calibration.evidence
    table = effect_table(start, ["A", "B"], 0.9, 0)
    told = table[table.perturbation == "A"]
    assert set(told.source) == {"contexts"}
    assert set(table[table.perturbation == "B"].source) == {"model"}
    expected = evidence.denoised[evidence.row["A"]] + contexts.departure[0]
    level = np.maximum(contexts.profile[0] + expected, 0.0)
    ratio = np.expm1(level) / np.expm1(contexts.profile[0])  # in any unit of the library
    before = np.log1p(start.target * shares(start))
    after = np.log1p(start.target * shares(start) * ratio)
    assert np.allclose(told.effect, after - before, atol=0.01)
    assert np.allclose(told.high - told.effect, 1.645 * told.sd, rtol=1e-3)
    assert np.all(told.sd < 0.05 + evidence.deviation[evidence.row["A"]])


def test_few_perturbations_are_not_denoised(model, monkeypatch) -> None:
    start, evidence = started(model, "new"), model.bundle.calibration.evidence
    row = evidence.row["A"]
    many = start.in_context.told("A")
    monkeypatch.setattr("gpjepa.api.contexts.FEWEST", len(evidence.labels) + 1)
    few = started(model, "new").in_context.told("A")
    moved = evidence.measured[row] - evidence.denoised[row]
    assert np.corrcoef(few.effect - many.effect, moved)[0, 1] > 0.95


def test_a_trained_context_has_what_it_measured(model) -> None:
    start = started(model, "t0")
    evidence = model.bundle.calibration.evidence
    told = start.in_context.told("A")
    assert sources_of(start, ["A", "B"]) == ("contexts", "model")
    assert np.all(told.deviation < 0.01 + evidence.deviation[evidence.row["A"]])


def shares(start: Start) -> np.ndarray:
    table = start.cells.table
    return np.expm1(pseudobulk(table.counts, table.library, 1e6)) / 1e6


def test_far_from_all_contexts_the_interval_is_wider(model) -> None:
    near = effect_table(started(model, "new"), ["A"], 0.9, 0)
    other = contexts_of(model).profile + 3.0
    far = effect_table(started(model, "new", profile=other), ["A"], 0.9, 0)
    assert np.all(far.sd > 1.5 * near.sd)


def test_an_error_as_large_as_the_effect_is_not_to_be_trusted(model) -> None:
    other = contexts_of(model).profile + 3.0
    far = {"profile": other, "scale": np.full(other.shape[1], 4.0)}
    for changes, verdict in (({}, "use the model"), (far, "do not trust")):
        table = effect_table(started(model, "new", **changes), ["A"], 0.9, 0)
        assert set(table.verdict) == {verdict}


def test_populations_reach_the_effect_that_is_told(model) -> None:
    start = started(model, "new")
    effect = start.in_context.told("A").effect
    cells = populations(start, ["A", "control"], 4000, 0)
    label = cells.obs["perturbation"].to_numpy()
    found = level_of(start, cells[label == "A"]) - level_of(start, cells[label == "control"])
    assert np.abs(found - effect).mean() < 0.06


def level_of(start: Start, cells) -> np.ndarray:
    return pseudobulk(cells.X, cells.obs["total_counts"].to_numpy(), start.target)


@pytest.mark.parametrize("changes", [{"supported": False}, {"column": "batch"}])
def test_an_unproven_rule_and_cells_without_a_context_leave_the_model(model, changes) -> None:
    start = started(model, "new", **changes)
    assert start.in_context is None
    assert sources_of(start, ["A"]) == ("model",)


def test_cells_of_several_contexts_are_the_models(model) -> None:
    levels = np.array(["t0", "t1"] * len(model.controls), dtype=object)[: len(model.controls)]
    assert started(model, levels).in_context is None


def test_contexts_come_with_a_saved_model(model, tmp_path) -> None:
    start = started(model, "new")
    save_bundle(tmp_path / "run", start.bundle)
    again = Start(load_bundle(tmp_path / "run"), start.cells, None)
    one = effect_table(start, ["A"], 0.9, 0)
    two = effect_table(again, ["A"], 0.9, 0)
    assert np.allclose(one.effect, two.effect, atol=1e-5)
    assert set(two.source) == {"contexts"}
