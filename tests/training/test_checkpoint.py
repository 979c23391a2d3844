from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch import nn

from gpjepa.core.errors import CheckpointError
from gpjepa.training.checkpoint import Progress, load_checkpoint, refuse_other, save_checkpoint
from gpjepa.training.updates import PackedUpdates


def updates_of(parameters) -> PackedUpdates:
    return PackedUpdates([{"params": list(parameters), "lr": 0.1}], 0.01, clip=10.0)


def trained(seed: int, steps: int = 3, width: int = 4) -> tuple[nn.Module, PackedUpdates]:
    torch.manual_seed(seed)
    module = nn.Sequential(nn.Linear(width, 3), nn.BatchNorm1d(3))
    updates = updates_of(module.parameters())
    for _ in range(steps):
        module(torch.randn(5, width)).square().sum().backward()
        updates.step()
    return module, updates


PROGRESS = Progress(
    step=3,
    best_score=0.1 + 0.2,
    best_step=2,
    stale=1,
    sums={"nb": [1 / 3, 2 / 3, 1.0]},
    history=[{"term": "nb", "value": 1 / 3}],
)


def test_module_optimizer_and_progress_come_back_bit_for_bit(tmp_path: Path) -> None:
    module, updates = trained(0)
    save_checkpoint(tmp_path / "a.safetensors", module, updates, PROGRESS, "run")
    other, fresh = trained(1, steps=0)
    found = load_checkpoint(tmp_path / "a.safetensors", other, fresh, "run")
    assert found == PROGRESS
    for name, value in module.state_dict().items():
        assert torch.equal(other.state_dict()[name], value), name
    ours, theirs = updates.states(), fresh.states()
    assert [state.keys() for state in ours] == [{"step", "exp_avg", "exp_avg_sq"}] * 4
    for own, other in zip(ours, theirs, strict=True):
        assert own.keys() == other.keys()
        for name, value in own.items():
            assert torch.equal(other[name], value), name


def test_numbers_of_the_optimizer_are_turned_where_a_parameter_was_saved_turned(tmp_path) -> None:
    module, updates = trained(0)
    save_checkpoint(tmp_path / "a.safetensors", module, updates, PROGRESS, "run")
    other, _ = trained(1)
    turned = nn.Parameter(module[0].weight.detach().t().contiguous())
    fresh = updates_of([turned, *list(other.parameters())[1:]])
    load_checkpoint(tmp_path / "a.safetensors", other, fresh, "run")
    before, after = updates.states()[0], fresh.states()[0]
    for name in ("exp_avg", "exp_avg_sq"):
        assert torch.equal(after[name], before[name].t()), name
        assert after[name].is_contiguous(), name


def test_training_goes_on_from_a_checkpoint_as_if_it_had_not_stopped(tmp_path: Path) -> None:
    module, updates = trained(0)
    save_checkpoint(tmp_path / "a.safetensors", module, updates, PROGRESS, "run")
    other, fresh = trained(1, steps=2)
    load_checkpoint(tmp_path / "a.safetensors", other, fresh, "run")
    x = torch.randn(5, 4, generator=torch.Generator().manual_seed(7))
    for which, stepper in ((module, updates), (other, fresh)):
        which(x).square().sum().backward()
        stepper.step()
    for name, value in module.state_dict().items():
        assert torch.equal(other.state_dict()[name], value), name


def test_a_checkpoint_of_another_run_is_refused_and_changes_nothing(tmp_path: Path) -> None:
    module, updates = trained(0)
    save_checkpoint(tmp_path / "a.safetensors", module, updates, PROGRESS, "run")
    other, fresh = trained(1)
    before = {name: value.clone() for name, value in other.state_dict().items()}
    with pytest.raises(CheckpointError, match="of another run.*start a new run"):
        load_checkpoint(tmp_path / "a.safetensors", other, fresh, "another run")
    assert all(torch.equal(other.state_dict()[name], value) for name, value in before.items())


def test_a_checkpoint_of_another_size_is_refused(tmp_path: Path) -> None:
    module, updates = trained(0)
    save_checkpoint(tmp_path / "a.safetensors", module, updates, PROGRESS, "run")
    other, fresh = trained(0, width=6)
    with pytest.raises(CheckpointError, match="does not fit the model"):
        load_checkpoint(tmp_path / "a.safetensors", other, fresh, "run")


@pytest.mark.parametrize("share", [0.0, 0.5, 0.99])
def test_a_truncated_checkpoint_is_refused(tmp_path: Path, share: float) -> None:
    module, updates = trained(0)
    path = tmp_path / "a.safetensors"
    save_checkpoint(path, module, updates, PROGRESS, "run")
    whole = path.read_bytes()
    path.write_bytes(whole[: int(share * len(whole))])
    with pytest.raises(CheckpointError, match="cannot be read as safetensors"):
        load_checkpoint(path, module, updates, "run")
    with pytest.raises(CheckpointError, match="cannot be read as safetensors"):
        refuse_other(tmp_path, "run")


def test_a_folder_is_refused_for_any_checkpoint_of_another_run(tmp_path: Path) -> None:
    module, updates = trained(0)
    refuse_other(tmp_path, "run")
    for name, identity in (("a", "run"), ("b", "other")):
        path = tmp_path / f"{name}.safetensors"
        save_checkpoint(path, module, updates, PROGRESS, identity)
    with pytest.raises(CheckpointError, match="b.safetensors' is of another run"):
        refuse_other(tmp_path, "run")
    (tmp_path / "b.safetensors").unlink()
    refuse_other(tmp_path, "run")


def test_no_half_written_file_replaces_a_checkpoint(tmp_path: Path, monkeypatch) -> None:
    module, updates = trained(0)
    path = tmp_path / "a.safetensors"
    save_checkpoint(path, module, updates, PROGRESS, "run")
    whole = path.read_bytes()

    def half(tensors, target, metadata) -> None:
        Path(target).write_bytes(b"half")
        raise OSError("disk full")

    monkeypatch.setattr("gpjepa.training.checkpoint.save_file", half)
    with pytest.raises(OSError, match="disk full"):
        save_checkpoint(path, module, updates, PROGRESS, "run")
    assert path.read_bytes() == whole
    assert [file.name for file in tmp_path.iterdir()] == ["a.safetensors"]


FILLED = """
import resource, sys
import os
import shutil
import subprocess
import sys
from pathlib import Path
import torch
from gpjepa.core.errors import StorageError
from gpjepa.training.checkpoint import Progress, save_checkpoint
from gpjepa.training.updates import PackedUpdates

module = torch.nn.Linear(200, 200)
updates = PackedUpdates([{"params": list(module.parameters()), "lr": 0.1}], 0.01, 10.0)
path = Path(sys.argv[1])
save_checkpoint(path, module, updates, Progress(step=1), "run")
if sys.argv[2] == "limit":
    resource.setrlimit(resource.RLIMIT_FSIZE, (20000, 20000))
else:
    rest = path.with_name("rest")
    try:
        with rest.open("wb") as stream:
            while True:
                stream.write(bytes(4096))
    except OSError:
        pass
try:
    save_checkpoint(path, module, updates, Progress(step=2), "run")
except StorageError as error:
    print(error)
print(sorted(p.name for p in path.parent.iterdir()))
"""


def filled(folder: Path, how: str) -> str:
    """Return what is printed when a second checkpoint meets a full disk in `folder`."""
    words = [sys.executable, "-c", FILLED, str(folder / "a.safetensors"), how]
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2] / "src")}
    done = subprocess.run(words, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def refuse_loss(folder: Path, said: str) -> None:
    assert "a.safetensors' cannot be written: the disk or its quota is full" in said
    assert "make room and go on" in said
    module = nn.Linear(200, 200)
    updates = updates_of(module.parameters())
    found = load_checkpoint(folder / "a.safetensors", module, updates, "run")
    assert found.step == 1


def test_a_file_that_may_not_grow_leaves_the_last_checkpoint(tmp_path: Path) -> None:
    said = filled(tmp_path, "limit")
    refuse_loss(tmp_path, said)
    assert "['a.safetensors']" in said


def test_a_full_disk_leaves_the_last_checkpoint(tmp_path: Path) -> None:
    mount = ["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", str(tmp_path)]
    if shutil.which("mount") is None or subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("mounting a small disk is not permitted")
    try:
        refuse_loss(tmp_path, filled(tmp_path, "fill"))
    finally:
        subprocess.run(["umount", str(tmp_path)], check=True)
