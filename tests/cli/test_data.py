from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import anndata
import pytest

from gpjepa.data import datasets


def test_every_embedded_data_set_is_listed_with_its_licence(command: Any) -> None:
    rows = json.loads(command("data", "list", "--json").out)
    assert [row["name"] for row in rows] == list(datasets.names())
    assert all(row["licence"] and row["what_it_is_not"] for row in rows)
    text = command("data", "list").out
    assert all(name in text for name in datasets.names())


def test_an_exported_file_holds_the_data_set(command: Any, tmp_path: Path) -> None:
    target = tmp_path / "n.h5ad"
    done = command("data", "export", "norman-k562", "--out", target)
    assert done.code == 0, done.err
    assert done.out == f"{target}\n"
    written = anndata.read_h5ad(target)
    assert written.shape == datasets.load("norman-k562").shape


def test_an_existing_file_is_kept_unless_forced(command: Any, tmp_path: Path) -> None:
    target = tmp_path / "n.h5ad"
    target.write_text("mine")
    done = command("data", "export", "norman-distances", "--out", target, "--json")
    assert done.code == 2
    assert "--force" in json.loads(done.out)["error"]["message"]
    assert target.read_text() == "mine"
    assert command("data", "export", "norman-distances", "--out", target, "--force").code == 0
    assert target.read_bytes()[:4] != b"mine"


def test_an_unknown_name_is_answered_with_the_nearest(command: Any, tmp_path: Path) -> None:
    done = command("data", "export", "norman-k56", "--out", tmp_path / "n.h5ad")
    assert done.code == 4
    assert "'norman-k562'" in done.err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("arguments", [["data"], ["data", "download"], ["data", "export"]])
def test_half_a_command_is_a_usage_error(command: Any, arguments: list[str]) -> None:
    assert command(*arguments).code == 2
