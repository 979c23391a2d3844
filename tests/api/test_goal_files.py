from __future__ import annotations

import json
from pathlib import Path

import pytest

from gpjepa.api.goal_files import read_weights, sided
from gpjepa.core.errors import DataError


def written(folder: Path, text: str, name: str = "s.csv") -> Path:
    path = folder / name
    path.write_text(text)
    return path


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("s.csv", "gene,weight\nHBG1,2\nGATA1,-0.5\n"),
        ("s.csv", "HBG1,2\nGATA1,-.5\n\n"),
        ("s.tsv", "gene\tlogfc\tp\nHBG1\t2.0\t0.1\nGATA1\t-0.5\t0.2\n"),
        ("s.json", '{"HBG1": 2, "GATA1": -0.5}'),
    ],
)
def test_tables_and_json_say_the_same(tmp_path: Path, name: str, text: str) -> None:
    assert read_weights(written(tmp_path, text, name)) == {"HBG1": 2.0, "GATA1": -0.5}


def test_up_and_down_weigh_as_much_as_each_other(tmp_path: Path) -> None:
    expected = {"A": 0.5, "B": 0.5, "C": -1.0}
    assert read_weights(written(tmp_path, "gene,side\nA,up\nB,UP\nC,down\n")) == expected
    lists = json.dumps({"up": ["A", "B"], "down": ["C"]})
    assert read_weights(written(tmp_path, lists, "s.json")) == expected
    assert sided(["A"], []) == {"A": 1.0}


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("s.csv", "A\nB\n", "no second column"),
        ("s.csv", "", "no second column"),
        ("s.csv", "gene,weight\n", "a header and no genes"),
        ("s.csv", "A,1\nA,2\n", "'A' comes twice"),
        ("s.csv", "A,1\nB,lots\n", "gene 'B' the value 'lots'"),
        ("s.json", "{", "is not JSON"),
        ("s.json", "[1]", "holds no genes"),
        ("s.json", '{"A": true}', "gene 'A' the value True"),
        ("s.json", '{"up": ["A"], "down": ["A"]}', "'A' is to rise and to fall"),
    ],
)
def test_what_is_no_table_is_refused(tmp_path: Path, name: str, text: str, words: str) -> None:
    with pytest.raises(DataError, match=words):
        read_weights(written(tmp_path, text, name))


def test_a_file_that_is_not_there_is_a_data_error(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="cannot be read"):
        read_weights(tmp_path / "none.csv")
