"""One process here; two in tests/distributed."""

from __future__ import annotations

import pytest

from gpjepa.core.errors import ConfigError, ProcessError
from gpjepa.core.ranks import ALONE
from gpjepa.training.processes import Processes, answering, gathered, meet, open_fabric


def test_a_device_or_a_strategy_that_is_not_known_is_refused() -> None:
    with pytest.raises(ConfigError, match="device is 'tpu'; expected one of auto, cpu, cuda"):
        open_fabric("tpu")
    with pytest.raises(ConfigError, match="strategy is 'dp'; expected one of auto, ddp, fsdp"):
        open_fabric("cpu", "dp")  # type: ignore[arg-type]


def test_tasks_that_are_not_told_by_node_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    told = {"PROCID": 0, "LOCALID": 0, "STEP_NUM_TASKS": 2, "STEP_NUM_NODES": 1, "NTASKS": 2}
    for name, value in told.items():
        monkeypatch.setenv(f"SLURM_{name}", str(value))
    with pytest.raises(ConfigError, match="reserve them with --ntasks-per-node"):
        open_fabric("cpu")


def test_alone_nobody_is_asked_or_waited_for() -> None:
    processes = Processes(open_fabric("cpu"))
    assert processes.ranks == ALONE
    assert processes.averaged([0.1, float("inf")]) == [0.1, float("inf")]
    assert processes.of_first({"score": 0.1}) == {"score": 0.1}
    assert processes.any(True)
    assert not processes.any(False)
    assert processes.alike(7, "a step") == 7
    processes.meet()
    meet()
    assert gathered("part") == ["part"]


def _raise(words: str) -> None:
    with answering():
        raise RuntimeError(words)


@pytest.mark.parametrize(
    "words",
    [
        "[../third_party/gloo/gloo/transport/tcp/pair.cc:534] Connection closed by peer",
        "NCCL error: remote process exited\nmore",
        "Timed out waiting 5000ms for recv operation, gloo",
        "Application timeout caused pair closure",
    ],
)
def test_the_end_of_another_process_is_named(words: str) -> None:
    with pytest.raises(ProcessError, match="process of this run is gone") as caught:
        _raise(words)
    assert "--resume" in str(caught.value)
    assert "more" not in str(caught.value)


def test_other_errors_stay_what_they_are() -> None:
    with pytest.raises(RuntimeError, match="mat1 and mat2"), answering():
        raise RuntimeError("mat1 and mat2 shapes cannot be multiplied")
    with pytest.raises(ValueError), answering():
        raise ValueError("gloo")
