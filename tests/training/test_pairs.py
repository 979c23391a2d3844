from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from gpjepa.data.labels import CONTROL
from gpjepa.data.perturbseq import read
from gpjepa.model.sparse_counts import SparseCounts
from gpjepa.training.pairs import make_pairs
from gpjepa.training.prepare import prepare

CPU = torch.device("cpu")


def source_of(tiny, seed: int = 0, **cells):
    dose = "dose" if "doses" in cells else None
    data = read(tiny.make_cells(**cells), dose=dose, announce=False)
    config = tiny.make_config()
    prepared = prepare(data, tiny.make_split(data), config, None)
    labels = prepared.observed.labels
    return make_pairs(prepared.training, labels, prepared.vocabulary, config, seed)


def rows_of(table, sparse: SparseCounts, library: torch.Tensor) -> list[set[int]]:
    """Return which cells of a table each row of a batch can be."""
    counts, totals = table.counts.toarray(), table.library
    found = []
    for row, total in zip(sparse.dense().numpy(), library.numpy(), strict=True):
        same = (counts == row).all(axis=1) & np.isclose(totals, total)
        found.append(set(np.flatnonzero(same).tolist()))
    return found


def test_a_batch_is_a_pure_function_of_seed_and_step(pairs) -> None:
    first, again, later = pairs(3, CPU), pairs(3, CPU), pairs(4, CPU)
    assert torch.equal(first.control.dense(), again.control.dense())
    assert torch.equal(first.counts.dense(), again.counts.dense())
    assert not torch.equal(first.counts.dense(), later.counts.dense())
    assert first.seed == again.seed != later.seed


def test_targets_are_cells_of_the_condition_that_the_batch_names(pairs) -> None:
    batch = pairs(0, CPU)
    targets = rows_of(pairs.cells.table, batch.counts, batch.library)
    order = (CONTROL, "A", "A+B", "A+C", "B", "C", "D", "E", "F")
    for cells, group in zip(targets, batch.group.tolist(), strict=True):
        label = order[int(batch.perturbation[group]) + 1]
        assert label in {str(pairs.cells.labels[cell]) for cell in cells}
    assert batch.counts.shape[0] == 32
    assert torch.bincount(batch.group).tolist() == [8, 8, 8, 8]


def test_members_of_the_condition_are_those_of_the_perturbation(pairs) -> None:
    sizes = {}
    for step in range(3):
        batch = pairs(step, CPU)
        for members, group in zip(batch.condition.members, batch.group.tolist(), strict=True):
            sizes[int(batch.perturbation[group])] = int((members >= 0).sum())
    assert sizes[-1] == 0
    assert (sizes[1], sizes[2]) == (2, 2)  # A+B and A+C
    assert {size for row, size in sizes.items() if row not in (-1, 1, 2)} == {1}


def test_every_perturbation_is_drawn_equally_often(pairs) -> None:
    seen = [row for step in range(6) for row in pairs(step, CPU).perturbation.tolist()]
    assert set(seen) == set(range(-1, 8))
    counts = np.bincount(np.array(seen) + 1)
    assert counts.max() - counts.min() <= 2


def test_control_cells_are_their_own_targets(pairs) -> None:
    rows = 0
    for step in range(6):
        batch = pairs(step, CPU)
        own = batch.perturbation[batch.group] == -1
        rows += int(own.sum())
        control, counts = batch.control.dense(), batch.counts.dense()
        assert torch.equal(control[own], counts[own])
        assert torch.equal(batch.control_library[own], batch.library[own])
        assert not torch.equal(control[~own], counts[~own])
    assert rows >= 8


def test_controls_are_control_cells_and_none_repeats_while_they_last(pairs) -> None:
    batch = pairs(0, CPU)
    controls = rows_of(pairs.cells.table, batch.control, batch.control_library)
    assert all(any(pairs.cells.labels[c] == CONTROL for c in cells) for cells in controls)
    for group in range(4):
        drawn = [frozenset(controls[row]) for row in np.flatnonzero(batch.group.numpy() == group)]
        assert len(set(drawn)) == 8


@pytest.mark.parametrize("kind", ["batches", "cell_types"])
def test_pairs_do_not_cross_strata_that_have_controls(tiny, kind: str) -> None:
    source = source_of(tiny, **{kind: 2})
    cells = source.cells
    assert len(np.unique(cells.strata)) == 2
    for step in range(4):
        batch = source(step, CPU)
        controls = rows_of(cells.table, batch.control, batch.control_library)
        for found, stratum in zip(controls, batch.stratum.tolist(), strict=True):
            assert stratum in {int(cells.strata[cell]) for cell in found}


def test_a_stratum_without_controls_draws_from_all_controls(tiny) -> None:
    source = source_of(tiny, batches=2)
    strata = source.cells.strata.copy()
    strata[source.cells.labels == "E"] = 9
    orphaned = replace(source, cells=replace(source.cells, strata=strata))
    pool = orphaned.controls[-1]
    target = np.flatnonzero(source.cells.labels == "E")
    drawn = orphaned._controls_for(target, np.full(len(target), 5), np.random.default_rng(0))
    assert set(drawn) <= set(pool.tolist())
    assert len(set(source.cells.strata[drawn])) == 2


def test_doses_and_covariates_are_those_of_the_target(tiny) -> None:
    source = source_of(tiny, doses=(1.0, 10.0), batches=2)
    batch = source(0, CPU)
    targets = rows_of(source.cells.table, batch.counts, batch.library)
    doses, levels = batch.condition.dose, batch.condition.covariates[:, 0]
    for row, found in enumerate(targets):
        known = {(source.cells.dose[c], source.cells.covariates[c, 0]) for c in found}
        assert (float(doses[row]), int(levels[row])) in known
    assert set(doses.tolist()) <= {0.0, 1.0, 10.0}
