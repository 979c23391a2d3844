from __future__ import annotations

import json

import numpy as np
import pytest

from gpjepa.core.errors import VocabularyError
from gpjepa.data.labels import CONTROL
from gpjepa.data.vocabulary import PADDING, Vocabulary


@pytest.fixture
def vocabulary() -> Vocabulary:
    return Vocabulary(
        ("CEBPA", "KLF1", "SPI1", "GATA1", "CEBPB"),
        3,
        frozenset({"SPI1"}),
        {"batch": ("b1", "b2", "b10"), "cell_type": ("K562", "THP1")},
    )


def test_members_have_the_index_of_their_place(vocabulary) -> None:
    assert [vocabulary.index_of(name) for name in vocabulary.members] == [0, 1, 2, 3, 4]


def test_an_unknown_member_is_refused_with_the_nearest_names(vocabulary) -> None:
    with pytest.raises(VocabularyError) as caught:
        vocabulary.index_of("CEBPX")
    message = str(caught.value)
    assert "perturbation 'CEBPX' is not known (5 names; closest: " in message
    closest = message.split("closest: ")[1].split(")")[0]
    assert set(closest.split(", ")) >= {"'CEBPA'", "'CEBPB'"}
    assert "neither training cells nor prior features" in message
    assert "check the spelling or give a feature table" in message


def test_a_name_unlike_any_other_suggests_none(vocabulary) -> None:
    with pytest.raises(VocabularyError, match="'qqqqqqqq' is not known .*closest: none"):
        vocabulary.index_of("qqqqqqqq")


def test_the_case_of_a_name_counts_but_is_suggested(vocabulary) -> None:
    with pytest.raises(VocabularyError, match="'klf1' is not known .*closest: 'KLF1'"):
        vocabulary.index_of("klf1")


@pytest.mark.parametrize(
    ("label", "known"),
    [(CONTROL, True), ("KLF1", True), ("GATA1+KLF1", True), ("KLF1+QQQ", False), ("QQQ", False)],
)
def test_a_label_is_known_when_all_its_members_are(vocabulary, label, known) -> None:
    assert vocabulary.knows(label) is known


def test_only_members_with_training_cells_are_measured(vocabulary) -> None:
    measured = [name for name in (*vocabulary.members, "QQQ") if vocabulary.is_measured(name)]
    assert measured == ["CEBPA", "KLF1", "SPI1"]


@pytest.mark.parametrize(
    ("label", "measured"), [("KLF1+SPI1", True), ("CEBPA", True), ("GATA1+KLF1", False)]
)
def test_a_label_is_measured_when_all_its_members_are(vocabulary, label, measured) -> None:
    assert vocabulary.all_measured(label) is measured


def test_labels_are_encoded_as_padded_rows_of_members(vocabulary) -> None:
    encoded = vocabulary.encode(["KLF1", "CEBPA+GATA1", CONTROL, "CEBPA+KLF1+SPI1"])
    assert encoded.dtype == np.int64
    assert encoded.tolist() == [
        [1, PADDING, PADDING],
        [0, 3, PADDING],
        [PADDING, PADDING, PADDING],
        [0, 1, 2],
    ]


@pytest.mark.parametrize("labels", [[CONTROL], []])
def test_control_alone_is_one_column_of_padding(vocabulary, labels) -> None:
    assert vocabulary.encode(labels).tolist() == [[PADDING]] * len(labels)
    assert vocabulary.encode(labels).shape == (len(labels), 1)


def test_encoding_an_unknown_combination_names_the_unknown_member(vocabulary) -> None:
    with pytest.raises(VocabularyError, match="perturbation 'KLF2' is not known"):
        vocabulary.encode(["KLF1", "CEBPA+KLF2"])


def test_covariate_levels_are_encoded_in_the_order_of_the_vocabulary(vocabulary) -> None:
    encoded = vocabulary.encode_covariate("batch", ["b10", "b1", "b2", "b1"])
    assert encoded.tolist() == [2, 0, 1, 0]


def test_a_level_that_was_not_trained_is_refused(vocabulary) -> None:
    with pytest.raises(VocabularyError) as caught:
        vocabulary.encode_covariate("cell_type", ["K562", "K56"])
    assert "cell_type 'K56' is not known (2 names; closest: 'K562')" in str(caught.value)
    assert "use a cell_type that the model was trained on" in str(caught.value)


def test_a_vocabulary_survives_json(vocabulary) -> None:
    dosed = Vocabulary(vocabulary.members, 3, vocabulary.in_combination_only, {}, dose=True)
    for own in (vocabulary, dosed):
        assert Vocabulary.from_json(json.loads(json.dumps(own.to_json()))) == own


@pytest.fixture
def two_ways() -> Vocabulary:
    """KLF1 mostly repressed, SPI1 activated only, GATA1 never perturbed; activation is commoner."""
    members = ("KLF1@a", "KLF1@i", "SPI1@a", "GATA1@a", "GATA1@i", "SPI1@i")
    return Vocabulary(members, 3, modalities=("a", "i"), usual={"KLF1": "i"})


@pytest.mark.parametrize(
    ("label", "modality", "expected"),
    [
        ("KLF1", None, "KLF1@i"),
        ("KLF1", "a", "KLF1@a"),
        ("KLF1@a", None, "KLF1@a"),
        ("SPI1", None, "SPI1@a"),
        ("SPI1", "i", "SPI1@i"),
        ("GATA1", None, "GATA1@a"),
        ("KLF1+SPI1", None, "KLF1@i+SPI1@a"),
        ("KLF1+SPI1@i", None, "KLF1@i+SPI1@i"),
        ("QQQ", None, "QQQ"),
        (CONTROL, "i", CONTROL),
    ],
)
def test_a_gene_is_named_with_how_it_is_perturbed(two_ways, label, modality, expected) -> None:
    assert two_ways.resolve(label, modality) == expected


def test_ways_to_perturb_go_with_the_document_and_have_an_index(two_ways, vocabulary) -> None:
    assert Vocabulary.from_json(json.loads(json.dumps(two_ways.to_json()))) == two_ways
    assert two_ways.modality_index().tolist() == [0, 1, 0, 0, 1, 1]
    assert vocabulary.modality_index() is None
    assert set(two_ways.spellings()) == {*two_ways.members, "KLF1", "SPI1", "GATA1"}
    assert vocabulary.spellings() == vocabulary.members


def test_with_one_way_for_all_genes_are_called_by_their_names() -> None:
    one = Vocabulary(("KLF1", "SPI1"), 2, modalities=("KO",))
    assert one.modality_index() is None
    for label, modality in (("KLF1", None), ("KLF1", "KO"), ("KLF1@KO", None)):
        assert one.resolve(label, modality) == "KLF1"


def test_trained_members_are_those_with_cells_of_one_modality_if_asked(two_ways) -> None:
    everyone = two_ways.members[:3]
    assert two_ways.trained() == everyone
    assert two_ways.trained("i") == tuple(name for name in everyone if name.endswith("@i"))
    assert set(two_ways.trained("a")) | set(two_ways.trained("i")) == set(everyone)
    with pytest.raises(VocabularyError, match="modality 'KO' is not known"):
        two_ways.trained("KO")
    one = Vocabulary(("KLF1", "SPI1"), 2, modalities=("KO",))
    assert one.trained("KO") == ("KLF1", "SPI1")
