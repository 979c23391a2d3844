import numpy as np
import pytest
from pandas import DataFrame

from gpjepa.core.errors import DataError
from gpjepa.data.obs import covariate_values, dose_values, perturbation_labels
from gpjepa.data.roles import Roles


def labels_of(*texts: str | None, control: str = "ctrl") -> tuple[list[str], list[str]]:
    cells = np.array([f"cell{i}" for i in range(len(texts))], dtype=object)
    roles = Roles("condition", control, "X")
    labels, remarks = perturbation_labels(np.array(texts, dtype=object), cells, roles)
    return list(labels), remarks


def test_labels_become_canonical() -> None:
    labels, _ = labels_of("ctrl", "ctrl+A", "A+ctrl", "B+A", "A;B", "B|C")
    assert labels == ["control", "A", "A", "A+B", "A+B", "B+C"]


def test_merged_labels_are_remarked_on() -> None:
    assert labels_of("ctrl", "A+B", "B+A")[1] == [
        "1 labels name a set of members that another label names too"
    ]
    assert labels_of("ctrl", "A", "B")[1] == []


def test_a_label_that_may_be_a_combination_is_remarked_on() -> None:
    (remark,) = labels_of("ctrl", "A", "B", "A-B")[1]
    assert remark.startswith("label 'A-B' is read as one perturbation, although")


def test_underscores_split_only_labels_whose_parts_have_cells() -> None:
    assert labels_of("ctrl", "A", "B", "A_B", "A_C")[0] == ["control", "A", "B", "A+B", "A_C"]


def test_a_guide_label_of_control_and_gene_is_the_gene() -> None:
    assert labels_of("NegCtrl", "A", "A_NegCtrl", control="NegCtrl")[0] == ["control", "A", "A"]


def test_another_control_name_is_a_perturbation_once_the_control_is_given() -> None:
    labels, remarks = labels_of("NT", "DMSO", "ctrl+A", control="NT")
    assert labels == ["control", "DMSO", "A"]
    assert remarks == ["'DMSO' is taken as a perturbation, not as control"]


def test_a_label_named_control_beside_the_chosen_one_is_refused() -> None:
    with pytest.raises(DataError, match="holds 'control' beside the control label 'NT'; expected"):
        labels_of("NT", "control", "A", control="NT")


def test_missing_perturbations_are_counted_and_the_first_cell_named() -> None:
    expected = "'condition' has 2 missing values \\(first: cell 'cell1'\\); expected .*; fill them"
    with pytest.raises(DataError, match=expected):
        labels_of("ctrl", None, "A", None)


def test_a_label_with_the_same_gene_twice_is_refused() -> None:
    with pytest.raises(DataError, match="column 'condition': perturbation 'A\\+A' names 'A' twice"):
        labels_of("ctrl", "A+A")


def test_covariates_become_text_and_may_not_be_missing() -> None:
    table = DataFrame({"lane": [1, 2], "gap": ["x", None]}, index=["c0", "c1"])
    assert list(covariate_values(table, "lane")) == ["1", "2"]
    with pytest.raises(DataError, match="'gap' has 1 missing values \\(first: cell 'c1'"):
        covariate_values(table, "gap")


def test_a_control_cell_without_a_dose_has_none() -> None:
    table = DataFrame({"dose": ["1.5", None, "0.1"]})
    doses = dose_values(table, "dose", np.array([False, True, False]))
    assert list(doses) == [1.5, 0.0, 0.1]


@pytest.mark.parametrize("value", [None, "high", "-1", "inf"])
def test_a_perturbed_cell_without_a_dose_is_refused(value) -> None:
    table = DataFrame({"dose": ["1", value]}, index=["c0", "c1"])
    with pytest.raises(DataError, match="dose column 'dose' has 1 values that are no dose .*'c1'"):
        dose_values(table, "dose", np.array([False, False]))
