from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest

from gpjepa.core import files
from gpjepa.core.errors import OutputExistsError


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    target = files.write_text(tmp_path / "a.txt", "old")

    def fail(temporary: Path) -> None:
        temporary.write_text("half")
        raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        files.write_atomic(target, fail)
    assert target.read_text() == "old"
    assert os.listdir(tmp_path) == ["a.txt"]


def test_a_write_creates_missing_folders_and_keeps_the_suffix(tmp_path: Path) -> None:
    suffixes = []
    files.write_atomic(
        tmp_path / "new" / "b.csv", lambda path: (suffixes.append(path.suffix), path.touch())
    )
    assert suffixes == [".csv"]
    assert (tmp_path / "new" / "b.csv").exists()


def test_json_goes_there_and_back(tmp_path: Path) -> None:
    document = {"β": [1, 2.5, None, "θ"], "flag": True}
    assert files.read_json(files.write_json(tmp_path / "c.json", document)) == document


@pytest.mark.parametrize("number", [float("nan"), float("inf")])
def test_json_refuses_numbers_that_other_readers_refuse(tmp_path: Path, number: float) -> None:
    with pytest.raises(ValueError, match="JSON compliant"):
        files.write_json(tmp_path / "d.json", {"x": number})
    assert not (tmp_path / "d.json").exists()


def test_an_existing_output_is_refused_with_the_way_out(tmp_path: Path) -> None:
    target = files.write_text(tmp_path / "e.txt", "x")
    with pytest.raises(OutputExistsError, match=r"exists already.*--force"):
        files.refuse_existing(target, force=False)
    assert files.refuse_existing(target, force=True) == target


def test_a_folder_is_never_replaced_by_a_file(tmp_path: Path) -> None:
    (tmp_path / "kept.txt").touch()
    with pytest.raises(OutputExistsError, match="is a directory; expected the path of a file"):
        files.write_text(tmp_path, "x")
    assert [path.name for path in tmp_path.iterdir()] == ["kept.txt"]


def test_an_empty_folder_is_no_output(tmp_path: Path) -> None:
    assert files.refuse_existing(tmp_path, force=False) == tmp_path
    (tmp_path / "x").touch()
    with pytest.raises(OutputExistsError):
        files.refuse_existing(tmp_path, force=False)


def test_clear_removes_trees_and_files_and_bears_absence(tmp_path: Path) -> None:
    files.write_text(tmp_path / "tree" / "f.txt", "x")
    files.clear(tmp_path / "tree" / "f.txt")
    assert not (tmp_path / "tree" / "f.txt").exists()
    files.clear(tmp_path / "tree")
    files.clear(tmp_path / "tree")
    assert not (tmp_path / "tree").exists()


def test_sha256_reads_files_larger_than_one_block(tmp_path: Path) -> None:
    content = bytes(range(256)) * 5000
    (tmp_path / "big").write_bytes(content)
    assert files.sha256(tmp_path / "big") == hashlib.sha256(content).hexdigest()
