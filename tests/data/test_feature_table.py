import importlib.util
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from gpjepa.core.errors import ConfigError, DataError
from gpjepa.data.feature_table import GeneFeatures, coverage, read_feature_table

FEATURES = GeneFeatures(("KLF1", "MAP3K21"), np.array([[1.0, 2.0], [3.0, 4.0]], np.float32))


def write(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


def test_csv_tsv_and_npz_read_the_same_table(tmp_path: Path) -> None:
    comma = write(tmp_path / "a.csv", "gene,x,y\nKLF1,1,2\nMAP3K21,3,4\n")
    tab = write(tmp_path / "a.tsv", "gene\tx\ty\nKLF1\t1\t2\nMAP3K21\t3\t4\n")
    np.savez(tmp_path / "a.npz", KLF1=[1.0, 2.0], MAP3K21=[3.0, 4.0])
    for path in (comma, tab, tmp_path / "a.npz"):
        table = read_feature_table(path)
        assert table.names == FEATURES.names
        np.testing.assert_array_equal(table.values, FEATURES.values)
        assert table.values.dtype == np.float32


def test_a_gene_called_na_is_a_gene(tmp_path: Path) -> None:
    table = read_feature_table(write(tmp_path / "a.csv", "gene,x\nNA,1\nKLF1,2\n"))
    assert table.names == ("NA", "KLF1")


def test_a_gene_is_found_by_its_other_symbol_and_keeps_the_name_asked_for() -> None:
    chosen = FEATURES.select(["KIAA1804", "SET", "KLF1"])
    assert chosen.names == ("KIAA1804", "KLF1")
    np.testing.assert_array_equal(chosen.values, [[3.0, 4.0], [1.0, 2.0]])


def test_coverage_names_genes_without_features() -> None:
    report = coverage(FEATURES, ["KLF1", "IER5L", "KIAA1804"])
    assert report.covered == ("KLF1", "KIAA1804")
    assert report.missing == ("IER5L",)
    assert report.share == pytest.approx(2 / 3)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("gene,x,y\nKLF1,1,\n", "value of gene 'KLF1' that is no finite number"),
        ("gene,x,y\nKLF1,1,NaN\n", "value of gene 'KLF1' that is no finite number"),
        ("gene,x,y\nKLF1,1,inf\n", "value of gene 'KLF1' that is no finite number"),
        ("gene,x,y\nKLF1,1\nSET,1,2\n", "value of gene 'KLF1' that is no finite number"),
        ("gene,x\nKLF1,1\nSET,1,2\n", "cannot be read"),
        ("gene,x\nKLF1,1\nKLF1,2\n", "symbol 'KLF1' more than once"),
        ("gene,x\nKLF1,high\n", "column 'x' with text"),
        ("gene\nKLF1\n", "no column of numbers"),
        ("gene,x\n", "no gene|column 'x' with text"),
        ("", "cannot be read"),
    ],
)
def test_a_bad_csv_is_refused(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(DataError, match=message):
        read_feature_table(write(tmp_path / "a.csv", text))


def test_vectors_of_unequal_length_are_refused(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", KLF1=[1.0, 2.0], SET=[3.0])
    with pytest.raises(DataError, match="one vector a gene, all of one length"):
        read_feature_table(tmp_path / "a.npz")


def test_nothing_is_unpickled(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", KLF1=np.array([{"x": 1}], dtype=object))
    with pytest.raises(DataError, match="cannot be read"):
        read_feature_table(tmp_path / "a.npz")


def test_a_missing_or_foreign_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="cannot be read"):
        read_feature_table(tmp_path / "none.csv")
    with pytest.raises(DataError, match="cannot be read"):
        read_feature_table(write(tmp_path / "a.npz", "text"))
    with pytest.raises(ConfigError, match="ends in 'xlsx'"):
        read_feature_table(tmp_path / "a.xlsx")


@pytest.mark.skipif(importlib.util.find_spec("pyarrow") is not None, reason="pyarrow is here")
def test_parquet_without_pyarrow_says_what_to_install(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="pyarrow is not installed"):
        read_feature_table(tmp_path / "a.parquet")


def test_parquet_reads_symbols_from_the_first_column_or_the_index(tmp_path: Path) -> None:
    pytest.importorskip("pyarrow")
    frame = pd.DataFrame({"gene": ["KLF1", "MAP3K21"], "x": [1.0, 3.0], "y": [2.0, 4.0]})
    frame.to_parquet(tmp_path / "column.parquet")
    frame.set_index("gene").to_parquet(tmp_path / "index.parquet")
    for name in ("column", "index"):
        table = read_feature_table(tmp_path / f"{name}.parquet")
        assert table.names == FEATURES.names
        np.testing.assert_array_equal(table.values, FEATURES.values)
    (tmp_path / "bad.parquet").write_text("text", encoding="utf-8")
    with pytest.raises(DataError, match="cannot be read"):
        read_feature_table(tmp_path / "bad.parquet")
