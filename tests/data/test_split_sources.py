import json
from pathlib import Path

import pytest

from gpjepa.core.errors import DataError
from gpjepa.data.perturbseq import read


def test_a_column_of_parts_is_a_split(make) -> None:
    adata = make(("control", "A", "B", "C"), per_label=2)
    adata.obs["fold"] = ["train"] * 4 + ["val"] * 2 + ["Test"] * 2
    split = read(adata, announce=False).split("fold")
    assert (split.train, split.validation, split.test) == (("A",), ("B",), ("C",))
    assert split.groups == {"C": "unseen_single"}


def test_a_column_that_divides_a_perturbation_is_refused(make) -> None:
    adata = make(("control", "A", "B"), per_label=2)
    adata.obs["fold"] = ["train", "test"] * 3
    with pytest.raises(DataError, match="column 'fold' puts 2 perturbations in train and test"):
        read(adata, announce=False).split("fold")


def test_a_column_with_other_values_is_refused(make) -> None:
    adata = make(("control", "A"), per_label=2)
    adata.obs["fold"] = ["1", "2"] * 2
    with pytest.raises(DataError, match="'fold' holds '1'; a split column expects train, valid"):
        read(adata, announce=False).split("fold")


def written(path: Path, document: object) -> str:
    file = path / "split.json"
    file.write_text(json.dumps(document))
    return str(file)


def test_a_json_file_of_labels_is_a_split(data, tmp_path: Path) -> None:
    document = {"train": ["ctrl", "A", "B"], "val": ["C"], "test": ["B+A", "C;A"]}
    split = data.split(written(tmp_path, document))
    assert (split.train, split.validation, split.test) == (("A", "B"), ("C",), ("A+B", "A+C"))
    assert split.groups == {"A+B": "combo_seen2", "A+C": "combo_seen1"}
    assert "D" not in split.train


def test_a_json_file_with_a_test_alone_trains_and_validates_on_the_rest(data, tmp_path) -> None:
    split = data.split(written(tmp_path, {"test": ["A+B"]}))
    assert len(split.validation) == 1
    assert {*split.train, *split.validation} == set(data.perturbations) - {"A+B"}


def test_a_saved_split_is_used_as_it_is(data, tmp_path: Path) -> None:
    split = data.split("unseen-combination", seed=5)
    assert data.split(written(tmp_path, split.to_json()), seed=9) == split


def test_a_saved_split_of_other_cells_is_refused(data, tmp_path: Path) -> None:
    document = data.split("none").to_json() | {"truth_controls": ["elsewhere"]}
    with pytest.raises(DataError, match="keeps 1 control cells that the data do not have .*'elsew"):
        data.split(written(tmp_path, document))


def test_unknown_labels_of_a_json_file_are_refused(data, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="perturbation 'A\\+Z' is not known .*closest: 'A\\+"):
        data.split(written(tmp_path, {"train": ["A"], "test": ["A+Z"]}))


def test_overlapping_parts_of_a_json_file_are_refused(data, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="puts 1 perturbations in train and test .*'A\\+B'"):
        data.split(written(tmp_path, {"train": ["A+B"], "test": ["B+A"]}))


@pytest.mark.parametrize(
    ("document", "message"),
    [
        ([1], "has no list 'test'"),
        ({"train": ["A"]}, "has no list 'test'"),
        ({"test": "A"}, "has str under 'test'; expected a list of labels"),
        ({"test": ["A+A"]}, "names 'A' twice"),
    ],
)
def test_a_json_file_of_another_form_is_refused(data, tmp_path, document, message) -> None:
    with pytest.raises(DataError, match=message):
        data.split(written(tmp_path, document))


def test_a_file_that_is_absent_or_no_json_is_refused(data, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"absent\.json' cannot be read .*; expected JSON"):
        data.split(str(tmp_path / "absent.json"))
    broken = tmp_path / "broken.json"
    broken.write_text('{"test": [')
    with pytest.raises(DataError, match=r"broken\.json' cannot be read"):
        data.split(str(broken))
