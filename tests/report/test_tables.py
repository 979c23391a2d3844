from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from gpjepa.core.errors import CheckpointError
from gpjepa.report.tables import (
    CURVES,
    EFFECTS,
    SCREEN,
    in_order,
    read_optional,
    read_table,
    text_of,
    values_of,
)


def test_genes_called_na_or_nan_stay_names(tmp_path: Path) -> None:
    path = tmp_path / "effects.csv"
    path.write_text("perturbation,gene,observed,predicted\nNULL,NA,1,nan\nNone,nan,,-2e-3\n")
    table = read_table(path, EFFECTS)
    assert text_of(table, "gene") == ["NA", "nan"]
    assert text_of(table, "perturbation") == ["NULL", "None"]
    np.testing.assert_array_equal(values_of(table, "observed"), [1.0, np.nan])
    np.testing.assert_array_equal(values_of(table, "predicted"), [np.nan, -0.002])


def test_optional_columns_that_are_absent_are_empty(tmp_path: Path) -> None:
    path = tmp_path / "effects.csv"
    path.write_text("perturbation,gene,observed,predicted\nA,G,1,2\n")
    table = read_table(path, EFFECTS)
    assert np.isnan(values_of(table, "additive")).all()
    assert text_of(table, "group") == [""]


def test_a_table_that_is_not_there_is_empty_and_has_its_columns(tmp_path: Path) -> None:
    table = read_optional(tmp_path / "curves.csv", CURVES)
    assert list(table) == ["curve", "series", "label", "x", "value", "low", "high", "n"]
    assert text_of(table, "curve") == []
    (tmp_path / "curves.csv").write_text("curve,x\nrisk,1\n")
    with pytest.raises(CheckpointError, match="lacks the column series, label, value"):
        read_optional(tmp_path / "curves.csv", CURVES)


def test_column_names_may_be_written_with_spaces(tmp_path: Path) -> None:
    path = tmp_path / "screen.csv"
    path.write_text(
        "perturbation,predicted effect size,additive effect size,verdict,extra note\n"
        "A+B,1.5,2.5,use the sum,kept\n"
    )
    table = read_table(path, SCREEN)
    assert values_of(table, "predicted_effect_size").tolist() == [1.5]
    assert text_of(table, "extra_note") == ["kept"]


def test_a_missing_column_is_named_with_those_found(tmp_path: Path) -> None:
    path = tmp_path / "effects.csv"
    path.write_text("perturbation,observed,predicted\n")
    with pytest.raises(CheckpointError, match=r"lacks the column gene \(found: perturbation, obs"):
        read_table(path, EFFECTS)


@pytest.mark.parametrize("content", [b"", b"\xff\xfe\x00a", b'a,b\n"x,1\n1,2,3\n'])
def test_a_file_that_is_no_csv_is_refused(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "effects.csv"
    path.write_bytes(content)
    with pytest.raises(CheckpointError, match=r"effects\.csv"):
        read_table(path, EFFECTS)


def test_yes_and_no_are_numbers(tmp_path: Path) -> None:
    path = tmp_path / "effects.csv"
    path.write_text("perturbation,gene,observed,predicted\nA,G,True,no\n")
    table = read_table(path, EFFECTS)
    assert (values_of(table, "observed")[0], values_of(table, "predicted")[0]) == (1.0, 0.0)


def test_distinct_names_keep_the_order_of_the_file() -> None:
    assert in_order(["b", "a", "b", "c"]) == ["b", "a", "c"]
