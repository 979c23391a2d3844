from __future__ import annotations

from copy import copy
from dataclasses import replace

import anndata
import numpy as np
import pandas
import pytest

from gpjepa.api.answers import (
    canonical,
    effect_matrix,
    effect_table,
    effect_tables,
    population_parts,
)
from gpjepa.api.model import GPJEPA
from gpjepa.api.populations import Start
from gpjepa.core.errors import VocabularyError
from gpjepa.evaluation.pseudobulk import pseudobulk
from gpjepa.inference.calibration import COMBINATION, SUM, Choice


@pytest.fixture(scope="module")
def start(model) -> Start:
    return Start(model.bundle, model.controls, None)


def test_labels_become_canonical_each_once_in_the_order_given(start) -> None:
    given = ["B+A", "C", "A_B", "ctrl+C", "non-targeting", "A;B"]
    assert canonical(given, start) == ("A+B", "C", "control")
    assert canonical("B+A", start) == ("A+B",)


def test_a_label_of_an_unknown_member_is_refused(start) -> None:
    with pytest.raises(VocabularyError, match="'Q' is not known"):
        canonical(["A", "A+Q"], start)


def test_effects_do_not_depend_on_which_others_are_asked_for(start) -> None:
    together = effect_matrix(start, ["A", "B", "C+D"], seed=0)
    assert np.array_equal(together[1], effect_matrix(start, ["B"], seed=0)[0])
    assert together.shape == (3, len(start.bundle.panel.names))


def test_tables_of_several_levels_are_those_of_each_level(start) -> None:
    levels = (0.5, 0.9)
    for level, table in zip(levels, effect_tables(start, ["A", "C+D"], levels, 0), strict=True):
        pandas.testing.assert_frame_equal(table, effect_table(start, ["A", "C+D"], level, 0))


def test_verdicts_and_novelty_follow_the_members(start) -> None:
    table = effect_table(start, ["A", "C+D"], 0.9, 0).drop_duplicates("perturbation")
    told = dict(zip(table.perturbation, table.verdict, strict=True))
    assert told["A"] == "use the model"
    assert told["C+D"] in ("use the model", "use the sum", "do not trust")
    assert table.novelty.tolist() == [0.0, 0.0]


def pseudobulk_of(model, labels: str, **given) -> np.ndarray:
    cells = model.predict(labels, cells=4000, **given)
    return pseudobulk(cells.X, cells.obs["total_counts"].to_numpy(), model.bundle.panel.target)


@pytest.fixture
def off(model) -> tuple[GPJEPA, np.ndarray]:
    """Return a model whose control is known to be off, and by what [G]."""
    shared = np.where(np.arange(len(model.bundle.panel.names)) % 3 == 0, 0.4, -0.2)
    calibration = model.bundle.calibration
    told = replace(calibration, evidence=replace(calibration.evidence, shared=shared))
    changed = copy(model)
    changed._bundle = replace(model.bundle, calibration=told)
    return changed, shared


@pytest.mark.parametrize("label", ["control", "A", "C+D"])
def test_half_of_the_error_of_the_control_goes_off_predicted_cells(model, off, label: str) -> None:
    changed, shared = off
    moved = pseudobulk_of(changed, label) - pseudobulk_of(model, label)
    counted = pseudobulk_of(model, label) > 0.5
    mine = shared - model.bundle.calibration.evidence.shared
    assert np.abs(moved - 0.5 * mine)[counted].max() < 0.08
    assert np.array_equal(changed.effects(label).effect, model.effects(label).effect)


def test_nothing_goes_off_control_cells_that_effects_were_not_measured_against(model, off) -> None:
    others = model.controls.table
    given = anndata.AnnData(
        others.counts,
        pandas.DataFrame(
            {"total_counts": others.library}, index=[f"new-{n}" for n in range(len(others))]
        ),
        pandas.DataFrame(index=list(model.bundle.panel.names)),
    )
    for name, values in model.controls.levels.items():
        given.obs[name] = values
    own, changed = (pseudobulk_of(each, "A", control=given) for each in (model, off[0]))
    assert np.array_equal(own, changed)


def test_measured_sums_keep_the_error_of_the_control_that_is_in_them(off) -> None:
    changed, _ = off
    calibration = replace(changed.bundle.calibration, choices={COMBINATION: Choice(SUM)})
    start = Start(
        replace(changed.bundle, calibration=calibration),
        changed.controls,
        None,
        own=changed.controls,
    )
    none = Start(start.bundle, changed.controls, None)
    found, plain = (population_parts(each, ["C+D"], 50, 0)[0][1].counts for each in (start, none))
    assert (found != plain).nnz == 0
