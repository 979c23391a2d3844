from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gpjepa.data.sampling import GroupBatches, ShuffledBatches

sizes = st.integers(1, 40)


@given(sizes, sizes)
def test_an_epoch_shows_every_cell_in_batches_of_one_size(cells, batch_size) -> None:
    batches = ShuffledBatches(cells, batch_size, 0, "pretrain")
    epoch = [batches.indices(step) for step in range(batches.per_epoch)]
    assert {len(batch) for batch in epoch} == {min(cells, batch_size)}
    assert all(len(set(batch)) == len(batch) for batch in epoch)
    assert sorted(set(np.concatenate(epoch))) == list(range(cells))
    # No cell is shown a second time but to fill the last batch.
    assert len(np.concatenate(epoch)) - cells < min(cells, batch_size)


def test_every_epoch_has_its_own_order() -> None:
    batches = ShuffledBatches(30, 30, 0, "pretrain")
    assert list(batches.indices(0)) != list(batches.indices(1))


def test_a_step_is_a_function_of_seed_name_and_step_alone() -> None:
    batches = ShuffledBatches(30, 7, 3, "pretrain")
    later_first = list(batches.indices(8))
    for step in range(5):
        batches.indices(step)
    assert list(batches.indices(8)) == later_first
    assert list(ShuffledBatches(30, 7, 3, "pretrain").indices(8)) == later_first
    assert list(ShuffledBatches(30, 7, 4, "pretrain").indices(8)) != later_first
    assert list(ShuffledBatches(30, 7, 3, "fit").indices(8)) != later_first


def groups(*counts: int) -> tuple[np.ndarray, ...]:
    """Return disjoint groups of cells of the given sizes, the cells of group g at 100 g."""
    return tuple(100 * g + np.arange(count) for g, count in enumerate(counts))


@given(st.lists(st.integers(1, 9), min_size=1, max_size=12), st.integers(1, 5), st.integers(1, 6))
def test_cells_come_from_the_group_that_is_said(counts, per_step, size) -> None:
    batches = GroupBatches(groups(*counts), per_step, size, 0, "fit")
    cells, group = batches.indices(4)
    assert len(cells) == len(group) == min(per_step, len(counts)) * size
    assert list(cells // 100) == list(group)
    assert all(cell in batches.groups[g] for cell, g in zip(cells, group, strict=True))


@given(st.integers(1, 20), st.integers(1, 6))
def test_an_epoch_visits_every_group(count, per_step) -> None:
    batches = GroupBatches(groups(*[2] * count), per_step, 2, 0, "fit")
    visits = np.concatenate([batches.chosen(step) for step in range(batches.per_epoch)])
    assert sorted(set(visits)) == list(range(count))
    assert len(visits) - count < min(per_step, count)


def test_large_and_small_groups_are_visited_equally_often() -> None:
    batches = GroupBatches(groups(90, 2, 5, 40), 2, 4, 0, "fit")
    group = np.concatenate([batches.indices(step)[1] for step in range(200)])
    assert np.bincount(group).tolist() == [400] * 4


@pytest.mark.parametrize("size", [3, 8, 20])
def test_a_visit_uses_each_cell_of_a_group_equally_often_up_to_one(size) -> None:
    batches = GroupBatches(groups(8), 1, size, 0, "fit")
    often = np.bincount(batches.indices(5)[0], minlength=8)
    assert often.max() - often.min() <= 1
    assert often.sum() == size


def test_over_many_visits_every_cell_of_a_group_is_used() -> None:
    batches = GroupBatches(groups(30, 30), 1, 5, 0, "fit")
    cells = np.concatenate([batches.indices(step)[0] for step in range(120)])
    assert sorted(set(cells)) == [*range(30), *range(100, 130)]


def test_visits_of_one_group_draw_different_cells() -> None:
    batches = GroupBatches(groups(30), 1, 5, 0, "fit")
    assert list(batches.indices(0)[0]) != list(batches.indices(1)[0])


def test_a_step_of_groups_is_a_function_of_seed_and_step_alone() -> None:
    batches = GroupBatches(groups(30, 20, 10), 2, 5, 0, "fit")
    cells, group = batches.indices(7)
    again, again_group = GroupBatches(groups(30, 20, 10), 2, 5, 0, "fit").indices(7)
    assert (list(cells), list(group)) == (list(again), list(again_group))
    other = GroupBatches(groups(30, 20, 10), 2, 5, 1, "fit").indices(7)[0]
    assert list(cells) != list(other)
