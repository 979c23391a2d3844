from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from gpjepa.core.errors import ConfigError, DataError
from gpjepa.core.files import sha256
from gpjepa.data.feature_table import GeneFeatures
from gpjepa.data.given_features import feature_file, given_tables

FRAME = pd.DataFrame({"x": [1.0, 2.0], "y": [0.0, 1.0]}, index=["KLF1", "GATA1"])


@pytest.fixture
def path(tmp_path: Path) -> Path:
    FRAME.to_csv(tmp_path / "esm2.csv")
    return tmp_path / "esm2.csv"


def test_a_frame_a_path_and_an_object_are_the_same_table(path: Path) -> None:
    direct = GeneFeatures(("KLF1", "GATA1"), FRAME.to_numpy(np.float32))
    for given in (FRAME, FRAME.rename_axis("gene").reset_index(), path, str(path), direct):
        (found,) = given_tables(given)
        assert found.names == direct.names
        np.testing.assert_array_equal(found.values, direct.values)
    assert len(given_tables([FRAME, path])) == 2
    assert given_tables(None) == ()


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (FRAME.assign(x=[1.0, np.nan]), "a value of gene 'GATA1' that is no finite number"),
        (FRAME.set_axis(["KLF1", "KLF1"]), "symbol 'KLF1' more than once"),
        (FRAME.assign(x=["a", "b"]), "column 'x' with text"),
        (GeneFeatures(("KLF1",), np.array([[np.inf]])), "no finite number"),
        (GeneFeatures(("KLF1", "GATA1"), np.ones((1, 3))), r"shape \(1, 3\) for 2 names"),
        (GeneFeatures(("A", "A"), np.ones((2, 3))), "more than once"),
    ],
)
def test_tables_that_cannot_be_used_are_refused(given, message: str) -> None:
    with pytest.raises(DataError, match=message):
        given_tables(given)


def test_something_else_is_no_table() -> None:
    with pytest.raises(ConfigError, match="features are a int; expected GeneFeatures"):
        given_tables([3])  # type: ignore[list-item]


def test_a_file_tells_what_it_covers_and_is_recorded_by_checksum(path: Path) -> None:
    found = feature_file(path, ["GATA1", "KLF1", "SPI1"])
    assert found.describe() == ["features: esm2.csv covers 2 of 3 perturbed genes; missing: SPI1"]
    assert found.to_json() == {
        "path": str(path),
        "sha256": sha256(path),
        "names": 2,
        "columns": 2,
        "covered": 2,
        "missing": ["SPI1"],
    }


def test_a_table_that_covers_few_is_warned_of(path: Path) -> None:
    lines = feature_file(path, ["KLF1", *(f"G{i}" for i in range(12))]).describe()
    assert lines[0].endswith("missing: G0, G1, G2, G3, G4, G5, G6, G7, …")
    assert lines[1].startswith("warning: esm2.csv covers few of the perturbed genes")


def test_other_symbols_of_a_gene_are_covered(tmp_path: Path) -> None:
    frame = pd.DataFrame({"x": [1.0]}, index=["CBARP"])
    frame.to_csv(tmp_path / "t.csv")
    assert feature_file(tmp_path / "t.csv", ["C19orf26"]).coverage.covered == ("C19orf26",)
