from __future__ import annotations

from pathlib import Path

import pytest
import torch

from gpjepa.api.options import RoleOptions, RunOptions, training_session
from gpjepa.core.errors import DataError
from gpjepa.training.trainer import Outlook


def test_roles_are_handed_to_the_reader(source: Path) -> None:
    assert RoleOptions(library="total_counts").read(str(source), announce=False).has_rest
    with pytest.raises(DataError, match="perturbation column 'guides' is not known"):
        RoleOptions(perturbation="guides").read(str(source), announce=False)


def test_threads_are_set_only_when_chosen() -> None:
    before = torch.get_num_threads()
    try:
        RunOptions(threads=None).apply_threads()
        assert torch.get_num_threads() == before
        RunOptions(threads=before + 1).apply_threads()
        assert torch.get_num_threads() == before + 1
    finally:
        torch.set_num_threads(before)


def test_a_session_carries_seed_folder_and_identity(tmp_path: Path) -> None:
    options = RunOptions(seed=7, device="cpu")
    with training_session(options, tmp_path, "run", True) as session:
        assert (session.seed, session.folder, session.identity) == (7, tmp_path, "run")
        assert session.resume
        assert session.watch is None


def test_progress_shows_loss_and_speed_on_stderr(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    options = RunOptions(device="cpu", progress=True)
    with training_session(options, tmp_path, "run", False) as session:
        session.watch(Outlook("pretrain", 10, 10, 1.5, 900.0))
        session.watch(Outlook("fit", 3, 10, 432.125, 1234.4))
    shown = capsys.readouterr()
    assert shown.out == ""
    for text in ("pretrain", "fit", "3/10", "432.1", "1234 cells/s"):
        assert text in shown.err
