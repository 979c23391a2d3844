from __future__ import annotations

import pytest

from gpjepa.core.ranks import ALONE, Ranks, Rows, started_by

TORCHRUN = {
    "RANK": "5",
    "WORLD_SIZE": "8",
    "LOCAL_RANK": "1",
    "LOCAL_WORLD_SIZE": "4",
    "MASTER_ADDR": "node0",
    "MASTER_PORT": "29500",
}
SRUN = {
    "SLURM_PROCID": "3",
    "SLURM_LOCALID": "1",
    "SLURM_STEP_NUM_TASKS": "4",
    "SLURM_STEP_NUM_NODES": "2",
}


def test_torchrun_and_srun_are_recognised() -> None:
    assert started_by(TORCHRUN) == ("torchrun", Ranks(5, 8, 2))
    assert started_by(SRUN) == ("srun", Ranks(3, 4, 2))
    assert started_by({**SRUN, **TORCHRUN})[0] == "torchrun"


@pytest.mark.parametrize(
    "environment",
    [
        {},
        {**TORCHRUN, "WORLD_SIZE": "1"},
        {"RANK": "0", "WORLD_SIZE": "2"},
        {"SLURM_PROCID": "0", "SLURM_NTASKS": "4", "SLURM_LOCALID": "0"},
        {**SRUN, "SLURM_STEP_NUM_TASKS": "1"},
    ],
    ids=["nothing", "one process", "no address", "a batch script without srun", "one task"],
)
def test_one_process_is_alone(environment: dict[str, str]) -> None:
    assert started_by(environment) == ("", ALONE)


@pytest.mark.parametrize("size", [1, 2, 3, 7])
@pytest.mark.parametrize("total", [7, 8, 64])
def test_rows_are_cut_evenly_without_overlap_and_without_loss(total: int, size: int) -> None:
    rows = [Ranks(rank, size).rows(total) for rank in range(size)]
    assert [row for r in rows for row in range(total)[r.here]] == list(range(total))
    lengths = [r.stop - r.start for r in rows]
    assert max(lengths) - min(lengths) <= 1
    means = [sum(range(total)[r.here]) / (r.stop - r.start) for r in rows]
    weighed = sum(r.weight * mean for r, mean in zip(rows, means, strict=True)) / size
    assert weighed == pytest.approx(sum(range(total)) / total)
    assert all(r.alone == (size == 1) for r in rows)


def test_groups_stand_for_their_rows() -> None:
    assert Rows(1, 3, 5, 2).times(8) == Rows(8, 24, 40, 2)
    assert Rows(1, 3, 5, 2).weight == Rows(8, 24, 40, 2).weight


def test_the_first_speaks() -> None:
    assert ALONE.first
    assert Ranks(0, 2).first
    assert not Ranks(1, 2).first
