from __future__ import annotations

import numpy as np
import pytest

from gpjepa.data.blocks import BLOCK, WINDOW, BlockShuffledBatches
from gpjepa.data.sampling import ShuffledBatches


@pytest.mark.parametrize(
    ("cells", "batch"), [(1000, 64), (1003, 64), (64, 64), (50, 64), (9000, 7)]
)
def test_an_epoch_visits_every_cell_once_but_for_the_last_batch(cells: int, batch: int) -> None:
    batches = BlockShuffledBatches(cells, batch, 0, "x", block=16, window=8)
    for epoch in range(2):
        steps = range(epoch * batches.per_epoch, (epoch + 1) * batches.per_epoch)
        rows = [batches.indices(step) for step in steps]
        assert all(len(set(row.tolist())) == min(batch, cells) for row in rows)
        whole = np.concatenate(rows[: cells // batch]) if cells >= batch else rows[0]
        assert len(np.unique(whole)) == len(whole)
        assert set(np.concatenate(rows).tolist()) == set(range(cells))


def test_a_batch_is_a_pure_function_of_seed_and_step() -> None:
    first, again, other = (
        BlockShuffledBatches(5000, 32, seed, "x", block=16, window=20) for seed in (3, 3, 4)
    )
    late = again.indices(400)
    np.testing.assert_array_equal(first.indices(7), again.indices(7))
    np.testing.assert_array_equal(first.indices(400), late)
    assert not np.array_equal(first.indices(7), other.indices(7))
    assert not np.array_equal(first.indices(7), first.indices(7 + first.per_epoch))


def test_a_window_of_steps_reads_whole_blocks() -> None:
    batches = BlockShuffledBatches(10_000, 32, 0, "x", block=16, window=20)
    rows = np.concatenate([batches.indices(step) for step in range(batches.per_window)])
    blocks, sizes = np.unique(rows // 16, return_counts=True)
    assert len(blocks) == 20
    assert set(sizes.tolist()) == {16}


def spread(batches: BlockShuffledBatches | ShuffledBatches, labels: np.ndarray) -> float:
    """Return the variance over batches of the share of each label, mean over labels."""
    kinds = int(labels.max()) + 1
    shares = [
        np.bincount(labels[batches.indices(step)], minlength=kinds) / batches.batch_size
        for step in range(batches.per_epoch - 1)
    ]
    return float(np.var(shares, axis=0).mean())


def test_batches_of_a_sorted_file_are_almost_as_mixed_as_by_a_full_shuffle(
    capsys: pytest.CaptureFixture[str],
) -> None:
    cells, batch = 300_000, 256
    labels = np.arange(cells) // 3000  # sorted by perturbation
    full = spread(ShuffledBatches(cells, batch, 0, "x"), labels)
    ratio = spread(BlockShuffledBatches(cells, batch, 0, "x"), labels) / full
    with capsys.disabled():
        print(f"\nspread of labels over batches, block-shuffled / fully shuffled: {ratio:.3f}")
    assert WINDOW // BLOCK == 2048
    assert 0.9 < ratio < 1.2
    coarse = BlockShuffledBatches(cells, batch, 0, "x", block=2048, window=32)
    assert spread(coarse, labels) / full > 3.0


def test_what_is_done_to_a_batch_does_not_reach_the_next_epoch() -> None:
    batches = BlockShuffledBatches(5000, 32, 0, "x", block=16, window=20)
    before = batches.indices(3).copy()
    batches.indices(3)[:] = -1
    np.testing.assert_array_equal(batches.indices(3), before)
