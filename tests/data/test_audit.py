from dataclasses import replace

import numpy as np
import pytest

from gpjepa.data.audit import audit
from gpjepa.data.partition import Split, truth_half


@pytest.fixture
def split(data) -> Split:
    return Split(
        "json", 0, ("A", "B"), ("C",), ("A+B",), {"A+B": "combo_seen2"}, truth_half(data, 0)
    )


def found(split: Split, data) -> str:
    return "\n".join(audit(split, data))


def test_a_sound_split_has_no_problems(split, data) -> None:
    assert audit(split, data) == []


def test_labels_in_two_parts_and_their_cells_are_found(split, data) -> None:
    problems = found(replace(split, train=("A", "B", "A+B")), data)
    assert "in train and in test: A+B" in problems
    assert "6 cells in train and in test" in problems


def test_labels_that_the_data_lack_are_found(split, data) -> None:
    assert "train: not in the data: Z" in found(replace(split, train=("A", "Z")), data)


def test_a_seen_perturbation_called_unseen_is_found(split, data) -> None:
    leaky = replace(
        split,
        scheme="unseen-perturbation",
        train=("A", "A+B"),
        test=("B", "A+C"),
        validation=(),
        groups={"B": "unseen_single", "A+C": "combo_seen1"},
    )
    problems = audit(leaky, data)
    assert problems == ["B: every member is also in training, so no gene of it is unseen"]


@pytest.mark.parametrize(
    ("group", "sound"),
    [
        ("combo_seen0", False),
        ("combo_seen1", False),
        ("combo_seen2", True),
    ],
)
def test_a_group_that_understates_what_was_seen_is_found(split, data, group, sound) -> None:
    problems = audit(replace(split, scheme="gears", groups={"A+B": group}), data)
    expected = [] if sound else [f"A+B: called {group}, but 2 of its members are in training"]
    assert problems == expected


def test_a_combination_whose_singles_do_not_train_is_found(split, data) -> None:
    leaky = replace(split, scheme="unseen-combination", train=("A",))
    assert audit(leaky, data) == ["A+B: not trained alone: B"]


def test_a_single_in_the_test_of_combinations_is_found(split, data) -> None:
    leaky = replace(split, scheme="unseen-combination", test=("A+B", "D"))
    assert "D: a single in the test of unseen-combination" in found(leaky, data)


def test_a_larger_combination_in_training_is_found(split, data) -> None:
    labels = data.labels.copy()
    labels[labels == "C+D"] = "A+B+C"
    leaky = replace(split, scheme="unseen-combination", train=("A", "A+B+C", "B"))
    assert audit(leaky, replace(data, labels=labels)) == [
        "A+B: training has A+B+C, which contains it"
    ]


def test_control_cells_on_one_side_only_are_found(split, data) -> None:
    everyone = frozenset(map(str, data.cells[data.is_control]))
    assert "no control cell to predict from" in found(replace(split, truth_controls=everyone), data)
    assert "no control cell to compare with" in found(
        replace(split, truth_controls=frozenset()), data
    )


def test_truth_controls_that_are_no_controls_are_found(split, data) -> None:
    wrong = split.truth_controls | {str(data.cells[-1])}
    assert "truth controls: not among the control cells: cell53" in found(
        replace(split, truth_controls=wrong), data
    )


def test_a_part_without_cells_is_found(split, data) -> None:
    assert audit(split, data.subset(np.flatnonzero(data.labels != "A+B"))) == [
        "test: not in the data: A+B",
        "test: no cell",
    ]
