from __future__ import annotations

from dataclasses import replace
from types import ModuleType

import numpy as np
import pytest

from gpjepa.benchmark.contexts import context_split, nearest_context, score_context
from gpjepa.core.config import Config
from gpjepa.core.errors import DataError
from gpjepa.data.labels import CONTROL
from gpjepa.data.perturbseq import PerturbSeq, read

LABELS = ("A", "B", "C")


@pytest.fixture(scope="module")
def data(tiny: ModuleType) -> PerturbSeq:
    cells = tiny.make_cells(cell_types=3, control=240, perturbed=90, labels=LABELS)
    return read(cells, announce=False)


def test_of_a_context_left_out_only_control_cells_train(data: PerturbSeq) -> None:
    split = context_split(data, "cell_type", "type1", 0)
    parts = split.parts(data)
    assert set(split.test) == set(split.train)
    assert {*split.train, *split.validation} == set(LABELS)
    for part in (parts.train, parts.validation):
        assert "type1" not in set(data.cell_type[part])
    assert set(data.cell_type[parts.test]) == {"type1"}
    for half in (parts.train_controls, parts.truth_controls):
        assert set(data.labels[half]) == {CONTROL}
        assert "type1" in set(data.cell_type[half])


def test_a_single_perturbation_trains_and_is_tested(tiny: ModuleType) -> None:
    cells = tiny.make_cells(cell_types=2, control=60, perturbed=60, labels=("A",))
    split = context_split(read(cells, announce=False), "cell_type", "type0", 0)
    assert (split.train, split.validation, split.test) == (("A",), (), ("A",))


def test_the_nearest_context_is_the_one_with_the_same_control(tiny: ModuleType) -> None:
    adata = tiny.make_cells(cell_types=2, control=400, perturbed=60, labels=LABELS)
    kinds = np.asarray(adata.obs["cell_type"], dtype=object)
    twin = (np.arange(adata.n_obs) % 2 == 0) & (kinds == "type0")
    adata.obs["cell_type"] = np.where(twin, "twin of type0", kinds)
    data = read(adata, announce=False)
    rule = nearest_context(data, context_split(data, "cell_type", "twin of type0", 0), 1000.0)
    assert (rule.name, rule.notes) == ("nearest context", ("type0",))


def test_the_nearest_context_never_looks_at_perturbed_cells_of_the_one_left_out(
    data: PerturbSeq,
) -> None:
    split = context_split(data, "cell_type", "type1", 0)
    changed = data.counts.copy()
    for row in np.flatnonzero((data.cell_type == "type1") & ~data.is_control):
        changed.data[changed.indptr[row] : changed.indptr[row + 1]] += 50
    other = replace(data, counts=changed)
    mine, twin = (nearest_context(each, split, 1000.0) for each in (data, other))
    np.testing.assert_array_equal(mine.effects(split.test), twin.effects(split.test))


def test_without_another_control_there_is_no_nearest_context(data: PerturbSeq) -> None:
    split = context_split(data, "cell_type", "type1", 0)
    kept = data.subset(~data.is_control | (data.cell_type == "type1"))
    with pytest.raises(DataError, match="no cell_type but 'type1' has training control cells"):
        nearest_context(kept, split, 1000.0)


def test_model_and_what_others_measured_are_scored_on_the_same_perturbations(
    data: PerturbSeq, config: Config
) -> None:
    first = context_split(data, "cell_type", "type1", 0).test[0]
    found = score_context(data, "cell_type", "type1", "left out", config, 0, "cpu", [first])
    for group in ("left out", "left out, others"):
        rows = found[(found["group"] == group) & (found["metric"] == "l2")].set_index("model")
        assert {"gpjepa", "no change", "mean elsewhere", "nearest context"} <= set(rows.index)
        assert set(rows["n"]) == {1}
        assert rows["value"]["mean elsewhere"] < rows["value"]["no change"]
