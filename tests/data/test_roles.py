import numpy as np
import pandas
import pytest
from pandas import DataFrame

from gpjepa.core.errors import DataError
from gpjepa.data.labels import CONTROL_NAMES
from gpjepa.data.roles import (
    BATCH_COLUMNS,
    CELL_TYPE_COLUMNS,
    PERTURBATION_COLUMNS,
    Roles,
    find_roles,
    levels,
    text_values,
)


def obs(**columns: list) -> DataFrame:
    return DataFrame(columns)


@pytest.mark.parametrize("column", PERTURBATION_COLUMNS)
@pytest.mark.parametrize("case", [str, str.upper, str.title])
def test_a_perturbation_column_is_detected_in_any_case(column: str, case) -> None:
    assert find_roles(obs(**{case(column): ["ctrl", "A"]})).perturbation == case(column)


@pytest.mark.parametrize("control", CONTROL_NAMES)
def test_a_control_label_is_detected_in_any_case(control: str) -> None:
    assert find_roles(obs(condition=["A", control.upper()])).control == control.upper()


def test_a_column_without_a_control_label_is_passed_over() -> None:
    roles = find_roles(obs(gene=["A", "control"], perturbation=["CRISPRa", "CRISPRi"]))
    assert roles.perturbation == "gene"


def test_the_first_of_two_fitting_columns_is_taken_and_the_other_named() -> None:
    roles = find_roles(obs(target=["A", "NT"], condition=["A", "control"]))
    assert roles.perturbation == "condition"
    assert "note: 'target' would do as perturbation column too and is not used" in roles.describe()


def test_columns_that_differ_in_case_only_are_ambiguous() -> None:
    table = obs(Condition=["A", "control"], condition=["A", "control"])
    with pytest.raises(DataError, match="ambiguous: 'Condition', 'condition' all hold .*--perturb"):
        find_roles(table)


def test_no_perturbation_column_is_said_with_what_there_is() -> None:
    with pytest.raises(
        DataError,
        match=r"no perturbation column found \(obs has: guide, x\).*"
        "expected one of perturbation, condition.*name yours with perturbation=",
    ):
        find_roles(obs(guide=["A", "control"], x=[1, 2]))


def test_a_given_column_that_is_absent_is_named_with_the_closest() -> None:
    with pytest.raises(DataError, match="perturbation column 'guides' is not known .*'guide'"):
        find_roles(obs(guide=["A", "control"]), perturbation="guides")


def test_candidates_without_control_cells_are_named() -> None:
    with pytest.raises(DataError, match="no control cells: columns 'condition', 'gene' hold none"):
        find_roles(obs(condition=["A", "B"], gene=["A", "B"]))


def test_labels_and_missing_ones_are_told_where_no_control_is_found() -> None:
    expected = r"\('gene' holds 'NT-1', 'A'; 2 cells have no label\); expected control cells"
    with pytest.raises(DataError, match=expected):
        find_roles(obs(gene=["NT-1", None, "A", None]))


def test_several_doses_that_no_one_asked_for_are_told() -> None:
    cells = {"perturbation": ["ctrl", "A", "A"], "dose": [np.nan, 1.0, 10.0]}
    (remark,) = find_roles(obs(**cells)).remarks
    assert remark.startswith("column 'dose' is not used: cells of 2 doses are pooled; name it")
    assert find_roles(obs(**cells), dose="dose").remarks == ()
    for plain in ([0, 1, 1], ["1", "1+1", "1"], [np.nan, np.nan, 1]):
        assert find_roles(obs(perturbation=["ctrl", "A", "A"], dose=plain)).remarks == ()


def test_a_given_column_without_control_cells_is_refused() -> None:
    with pytest.raises(
        DataError,
        match="no control cells: column 'guide' holds 'A', 'B' and none of control, ctrl.*control=",
    ):
        find_roles(obs(guide=["A", "B"]), perturbation="guide")


def test_a_given_control_label_that_is_absent_is_refused() -> None:
    with pytest.raises(DataError, match="control label 'mock' is not known .*holds 'A', 'NT'"):
        find_roles(obs(guide=["A", "NT"]), perturbation="guide", control="mock")


def test_several_control_names_are_asked_about() -> None:
    with pytest.raises(
        DataError,
        match="ambiguous: column 'condition' holds 'DMSO', 'NT'; "
        "expected one; name it with control=",
    ):
        find_roles(obs(condition=["DMSO", "A", "NT"]))


def test_a_given_control_label_settles_it() -> None:
    assert find_roles(obs(condition=["DMSO", "A", "NT"]), control="NT").control == "NT"
    assert find_roles(obs(condition=["mock", "A"]), control="mock").perturbation == "condition"


@pytest.mark.parametrize("column", BATCH_COLUMNS)
def test_a_batch_is_detected(column: str) -> None:
    roles = find_roles(obs(condition=["A", "ctrl"], **{column.title(): [1, 2]}))
    assert roles.batch == column.title()
    assert f"batch: column '{column.title()}'" in roles.describe()


@pytest.mark.parametrize("column", CELL_TYPE_COLUMNS)
def test_a_cell_type_is_detected(column: str) -> None:
    assert find_roles(obs(condition=["A", "ctrl"], **{column: ["T", "B"]})).cell_type == column


def test_a_detected_covariate_with_one_level_is_ignored_and_said() -> None:
    roles = find_roles(obs(condition=["A", "ctrl"], cell_type=["k562", "k562"]))
    assert roles.cell_type is None
    assert "note: column 'cell_type' is not used: it has one level ('k562')" in roles.describe()


def test_a_given_covariate_with_one_level_is_kept() -> None:
    table = obs(condition=["A", "ctrl"], cell_type=["k562", "k562"])
    assert find_roles(table, cell_type="cell_type").cell_type == "cell_type"


def test_a_detected_covariate_with_gaps_is_ignored_and_said() -> None:
    roles = find_roles(obs(condition=["A", "ctrl", "B"], batch=["x", None, "y"]))
    assert roles.batch is None
    assert any("'batch' is not used: it has missing values" in line for line in roles.describe())


@pytest.mark.parametrize("role", ["batch", "cell_type", "dose"])
def test_a_given_covariate_that_is_absent_is_refused(role: str) -> None:
    with pytest.raises(DataError, match=f"{role} column 'lane' is not known"):
        find_roles(obs(condition=["A", "ctrl"]), **{role: "lane"})


def test_what_is_not_chosen_is_described_too() -> None:
    lines = Roles("condition", "ctrl", "X").describe()
    assert lines == [
        "perturbation: column 'condition'",
        "control: 'ctrl'",
        "counts: X",
        "library: sum over the genes here",
        "batch: none",
        "cell_type: none",
        "dose: none",
    ]


@pytest.mark.parametrize(
    "values",
    [
        np.array(["A ", None, "", "B"], dtype=object),
        pandas.Categorical(["A", None, "nan", "B"]),
        pandas.array(["A", pandas.NA, " ", "B"], dtype="string"),
    ],
)
def test_missing_and_empty_texts_are_none_in_every_column_type(values) -> None:
    table = DataFrame({"condition": values})
    assert list(text_values(table, "condition")) == ["A", None, None, "B"]
    assert levels(table, "condition") == ["A", "B"]


def test_a_modality_column_is_detected_by_its_name_and_what_it_holds() -> None:
    labels = ["ctrl", "A", "B"]
    roles = find_roles(obs(perturbation=labels, crispr_type=[None, "CRISPRa", "CRISPRi"]))
    assert roles.modality == "crispr_type"
    assert "modality: column 'crispr_type'" in roles.describe()
    for column, values in {
        "modality": ["RNA", "RNA", "ATAC"],
        "kind": ["KO", "KO", "KO"],
    }.items():
        assert find_roles(obs(perturbation=labels, **{column: values})).modality is None
    assert find_roles(obs(perturbation=labels, kind=["x", "y", "z"]), modality="kind").modality


def test_a_modality_column_with_gaps_is_left_alone_and_that_is_said() -> None:
    roles = find_roles(obs(perturbation=["ctrl", "A", "B"], modality=["KO", "KO", None]))
    assert roles.modality is None
    assert "note: column 'modality' is not used: it has missing values" in roles.describe()


def test_a_modality_column_that_is_not_there_is_refused() -> None:
    with pytest.raises(DataError, match="modality column 'way' is not known"):
        find_roles(obs(perturbation=["ctrl", "A"]), modality="way")
