from __future__ import annotations

import numpy as np
import pytest

from gpjepa.core.errors import DataError
from gpjepa.data.labels import CONTROL
from gpjepa.data.modality import are_modalities, modality_column, same_way, with_modality

CELLS = np.array(["c0", "c1", "c2", "c3"], dtype=object)


def _texts(*values: str | None) -> np.ndarray:
    return np.array(values, dtype=object)


def test_members_carry_the_modality_of_their_cell_where_there_are_several() -> None:
    labels = _texts("A", "A+B", "A", CONTROL)
    found, modalities = with_modality(
        labels, _texts("CRISPRi", "CRISPRa", "CRISPRa", None), CELLS, "modality"
    )
    assert list(found) == ["A@CRISPRi", "A@CRISPRa+B@CRISPRa", "A@CRISPRa", CONTROL]
    assert modalities == ("CRISPRa", "CRISPRi")  # commonest first


def test_one_modality_for_all_leaves_labels_as_they_are() -> None:
    labels = _texts("A", "A+B", CONTROL, CONTROL)
    found, modalities = with_modality(labels, _texts("KO", "KO", "CRISPRa", None), CELLS, "m")
    assert list(found) == list(labels)
    assert modalities == ("KO",)


def test_a_member_that_says_its_modality_keeps_it() -> None:
    labels = _texts("A@CRISPRa+B@CRISPRi", "A", "B", CONTROL)
    found, _ = with_modality(labels, _texts("CRISPRa", "CRISPRa", "CRISPRi", None), CELLS, "m")
    assert list(found) == ["A@CRISPRa+B@CRISPRi", "A@CRISPRa", "B@CRISPRi", CONTROL]
    column = modality_column(found, ("CRISPRa", "CRISPRi"))
    assert column is not None
    assert list(column) == ["CRISPRa", "CRISPRa", "CRISPRi", "none"]
    again, _ = with_modality(found, column, CELLS, "m")
    assert list(again) == list(found)


def test_a_perturbed_cell_without_modality_is_named() -> None:
    labels = _texts("A", "B", CONTROL, CONTROL)
    with pytest.raises(DataError, match="column 'm' has 1 missing values .first: cell 'c1'"):
        with_modality(labels, _texts("KO", None, None, None), CELLS, "m")


@pytest.mark.parametrize("name", ["CRISPRa+KO", "a;b", "KO@high"])
def test_a_name_that_labels_cannot_hold_is_refused(name: str) -> None:
    labels = _texts("A", "B", CONTROL, CONTROL)
    with pytest.raises(DataError, match="rename it"):
        with_modality(labels, _texts("KO", name, None, None), CELLS, "m")


@pytest.mark.parametrize(
    ("levels", "expected"),
    [
        (["CRISPRa", "CRISPRi", "control"], True),
        (["KO", "none"], True),
        (["RNA", "ATAC"], False),
        (["CRISPRa", "high"], False),
        (["ctrl"], False),
        ([], False),
    ],
)
def test_ways_to_perturb_are_told_from_other_levels(levels: list[str], expected: bool) -> None:
    assert are_modalities(levels) is expected


def test_data_without_modality_have_no_column() -> None:
    assert modality_column(_texts("A", CONTROL), ()) is None


def test_members_perturbed_in_different_ways_have_nothing_in_common() -> None:
    found = same_way(["A@CRISPRa", "B@CRISPRi", "C"], ["B@CRISPRa", "C"])
    assert found.tolist() == [[1.0, 0.0], [0.0, 0.0], [0.0, 1.0]]
