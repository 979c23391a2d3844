from __future__ import annotations

import json
from pathlib import Path

import pandas
import pytest

from gpjepa.api.run import (
    DataRecord,
    begin,
    read_data_record,
    read_split,
    split_identity,
    write_history,
)
from gpjepa.core.errors import CheckpointError, ConfigError, OutputExistsError


def test_an_occupied_directory_is_refused_and_left_alone(tmp_path: Path) -> None:
    (tmp_path / "model.safetensors").write_text("old")
    with pytest.raises(OutputExistsError, match="exists already"):
        begin(tmp_path, force=False, resume=False)
    begin(tmp_path, force=True, resume=False)
    assert (tmp_path / "model.safetensors").read_text() == "old"


def test_resuming_needs_checkpoints(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no checkpoints; .* leave out --resume"):
        begin(tmp_path, force=False, resume=True)
    (tmp_path / "checkpoints").mkdir()
    begin(tmp_path, force=False, resume=True)


def test_splits_have_one_identity_only_if_they_hold_out_the_same(tiny, data, split) -> None:
    assert split_identity(split) == split_identity(tiny.make_split(data))
    assert split_identity(split) != split_identity(tiny.make_split(data, seed=1))
    assert split_identity(split) != split_identity(tiny.make_split(data, test=("A+B",)))


def test_both_histories_hold_the_same_numbers_to_the_last_digit(tmp_path: Path) -> None:
    row = {"stage": "fit", "epoch": 1 / 3, "step": 7, "set": "train", "term": "kl"}
    rows = [{**row, "value": v, "weighted": v / 3} for v in (1e-13, 0.1 + 0.2, 12345.678901234567)]
    frames = [pandas.DataFrame(rows[:1]), pandas.DataFrame(rows[1:])]
    write_history(tmp_path, frames)
    table = pandas.read_csv(tmp_path / "history.csv", float_precision="round_trip")
    lines = [json.loads(x) for x in (tmp_path / "history.jsonl").read_text().splitlines()]
    assert table.to_dict(orient="records") == lines == rows


def test_a_missing_or_damaged_split_is_named(run: Path, tmp_path: Path) -> None:
    assert read_split(run).test == ("B+D", "C+D", "E")
    for content in (None, "{", "{}", "[]"):
        if content is not None:
            (tmp_path / "split.json").write_text(content)
        with pytest.raises(CheckpointError, match="split.json in run .* cannot be read"):
            read_split(tmp_path)


def test_a_missing_or_damaged_record_of_the_data_is_named(run: Path, tmp_path: Path) -> None:
    found = read_data_record(run)
    assert isinstance(found, DataRecord)
    assert (found.cells, found.genes, found.simulated) == (388, 24, False)
    assert found.roles["library"] == "total_counts"
    for content in (None, "{", "{}", "[]"):
        if content is not None:
            (tmp_path / "data.json").write_text(content)
        with pytest.raises(CheckpointError, match="data.json in run .* cannot be read"):
            read_data_record(tmp_path)
