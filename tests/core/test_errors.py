from __future__ import annotations

import pytest

import gpjepa
from gpjepa.core.errors import OutputExistsError, first_line, listed, nearest, unknown


@pytest.mark.parametrize(
    "kind",
    [
        gpjepa.DataError,
        gpjepa.VocabularyError,
        gpjepa.ConfigError,
        gpjepa.CheckpointError,
        gpjepa.NumericError,
    ],
)
def test_every_error_can_be_caught_as_one(kind: type[Exception]) -> None:
    with pytest.raises(gpjepa.GPJEPAError):
        raise kind("found; expected; do")


def test_an_existing_output_counts_as_a_usage_error() -> None:
    assert issubclass(OutputExistsError, gpjepa.ConfigError)


def test_nearest_ignores_case_and_keeps_the_original_spelling() -> None:
    assert nearest("klf1", ["SET", "KLF1", "MAPK1"])[0] == "KLF1"


def test_nearest_is_empty_when_nothing_is_like_the_name() -> None:
    assert nearest("qqqq", ["SET", "KLF1"]) == []


def test_unknown_says_what_was_found_how_many_are_known_and_what_to_do() -> None:
    message = unknown("perturbation", "KLF17", ["KLF1", "SET"], "check the spelling")
    assert message == (
        "perturbation 'KLF17' is not known (2 names; closest: 'KLF1'); check the spelling"
    )


def test_unknown_counts_a_single_name_in_the_singular() -> None:
    assert "(1 name; closest: none)" in unknown("gene", "zzzz", ["KLF1"], "do")


def test_a_list_of_names_is_cut_and_says_so() -> None:
    assert listed([]) == ""
    assert listed(["A", 2]) == "A, 2"
    assert listed("ABCDE") == "A, B, C, D, E"
    assert listed("ABCDEF") == "A, B, C, D, E, …"
    assert listed("ABC", 2) == "A, B, …"


def test_the_first_line_of_an_error_is_its_kind_where_it_says_nothing() -> None:
    assert first_line(ValueError("\n one\ntwo")) == "one"
    assert first_line(ValueError()) == "ValueError"
