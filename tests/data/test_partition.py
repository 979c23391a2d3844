import json

import numpy as np
import pytest

from gpjepa.core.errors import DataError
from gpjepa.data.partition import Split, truth_half
from gpjepa.data.perturbseq import read


@pytest.fixture
def stratified(make):
    adata = make(("control", "A", "B"), per_label=40)
    rng = np.random.default_rng(1)
    adata.obs["batch"] = rng.choice(["x", "y"], 120)
    adata.obs["cell_type"] = rng.choice(["T", "B", "NK"], 120, p=[0.5, 0.3, 0.2])
    return read(adata, announce=False)


def split_of(data, **changes) -> Split:
    settings = {
        "scheme": "json",
        "seed": 0,
        "train": ("A", "B"),
        "validation": ("C",),
        "test": ("A+B", "A+C"),
        "groups": {"A+B": "combo_seen2"},
        "truth_controls": truth_half(data, 0),
    }
    return Split(**{**settings, **changes})


def test_parts_hold_the_cells_of_their_labels(data) -> None:
    parts = split_of(data).parts(data)
    assert set(data.labels[parts.train]) == {"A", "B"}
    assert set(data.labels[parts.validation]) == {"C"}
    assert set(data.labels[parts.test]) == {"A+B", "A+C"}
    assert len(parts.train) == 12
    both = [*parts.train_controls, *parts.truth_controls]
    assert sorted(both) == list(np.flatnonzero(data.is_control))
    assert all(values.dtype == np.int64 for values in vars(parts).values())


def test_parts_follow_names_when_cells_are_reordered(data) -> None:
    split = split_of(data)
    other = data.subset(np.random.default_rng(0).permutation(data.n_cells))
    for part in ("train", "test", "truth_controls"):
        here, there = (set(d.cells[getattr(split.parts(d), part)]) for d in (data, other))
        assert here == there


def test_each_batch_and_cell_type_is_halved(stratified) -> None:
    truth = truth_half(stratified, 0)
    controls = stratified.is_control
    for batch in ("x", "y"):
        for kind in ("T", "B", "NK"):
            here = controls & (stratified.batch == batch) & (stratified.cell_type == kind)
            assert len(truth & set(stratified.cells[here])) == here.sum() // 2


def test_the_halves_change_with_the_seed_and_not_with_the_order_of_cells(stratified) -> None:
    other = stratified.subset(np.arange(stratified.n_cells)[::-1])
    assert truth_half(stratified, 3) == truth_half(other, 3)
    assert truth_half(stratified, 3) != truth_half(stratified, 4)


def test_the_halves_do_not_look_at_perturbed_cells(stratified) -> None:
    fewer = stratified.subset(stratified.is_control | (stratified.labels == "A"))
    assert truth_half(fewer, 0) == truth_half(stratified, 0)


def test_a_context_is_halved_too(make) -> None:
    adata = make(("control", "A"), per_label=20)
    adata.obs["donor"] = ["p"] * 4 + ["q"] * 16 + ["p"] * 20
    data = read(adata, announce=False)
    truth = truth_half(data, 0, "donor")
    assert len(truth & {f"cell{i}" for i in range(4)}) == 2


def test_one_control_cell_cannot_be_halved(data) -> None:
    lone = data.subset(np.arange(5, data.n_cells))
    with pytest.raises(DataError, match="1 control cells in 1 batches and cell types cannot be"):
        truth_half(lone, 0)


def test_a_held_out_context_tests_and_never_trains(stratified) -> None:
    split = split_of(
        stratified,
        train=("A",),
        validation=("B",),
        test=("A",),
        context_column="cell_type",
        held_out_context="NK",
    )
    parts = split.parts(stratified)
    assert set(stratified.cell_type[parts.test]) == {"NK"}
    assert "NK" not in stratified.cell_type[np.r_[parts.train, parts.validation]]
    assert "NK" in stratified.cell_type[parts.train_controls]


def test_cells_of_each_label_are_divided_by_the_fraction(make) -> None:
    data = read(make(("control", "A", "B"), per_label=40), announce=False)
    split = split_of(
        data,
        scheme="cells",
        train=("A", "B"),
        validation=("A", "B"),
        test=("A", "B"),
        fraction=0.25,
    )
    parts = split.parts(data)
    for label in ("A", "B"):
        sizes = [
            (data.labels[rows] == label).sum()
            for rows in (parts.train, parts.validation, parts.test)
        ]
        assert sizes == [26, 4, 10]
    every = np.concatenate([parts.train, parts.validation, parts.test])
    assert len(set(every)) == len(every) == 80


def test_a_split_survives_json(data) -> None:
    split = split_of(data, context_column="perturbation", held_out_context="A", fraction=0.4)
    assert Split.from_json(json.loads(json.dumps(split.to_json()))) == split


@pytest.mark.parametrize("document", [{}, {"scheme": "json"}, {"scheme": 1, "seed": "x"}])
def test_another_document_is_no_split(document) -> None:
    with pytest.raises(DataError, match=r"the document is no split .*expected what Split\.to_json"):
        Split.from_json(document)
