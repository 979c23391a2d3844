import pytest
from hypothesis import given
from hypothesis import strategies as st

from gpjepa.core.errors import VocabularyError
from gpjepa.data.labels import (
    CONTROL,
    CONTROL_NAMES,
    has_separator,
    is_control_name,
    label_of,
    listed,
    members_of,
    modality_of,
    pairs_of,
    parse_label,
    symbol_of,
)

GENES = st.from_regex(r"[A-Z][A-Z0-9]{1,6}", fullmatch=True).filter(
    lambda gene: not is_control_name(gene)
)


@given(st.lists(GENES, min_size=1, max_size=5, unique=True), st.sampled_from("+;|,"), st.data())
def test_order_of_members_and_separator_are_irrelevant(genes, separator, draw) -> None:
    shuffled = draw.draw(st.permutations(genes))
    assert parse_label(separator.join(shuffled)) == label_of(genes)
    assert members_of(label_of(genes)) == tuple(sorted(genes))


@given(st.lists(GENES, min_size=1, max_size=4, unique=True))
def test_a_canonical_label_is_a_fixed_point(genes) -> None:
    label = label_of(genes)
    assert parse_label(label) == label


@given(st.lists(GENES, max_size=3, unique=True), st.sampled_from(CONTROL_NAMES), st.booleans())
def test_control_members_are_dropped_on_either_side(genes, control, first) -> None:
    text = "+".join([control, *genes] if first else [*genes, control])
    assert parse_label(text) == label_of(genes)


@pytest.mark.parametrize("text", ["ctrl", "CTRL", "Non-Targeting", "ctrl+ctrl", " control "])
def test_a_control_alone_is_the_control_label(text: str) -> None:
    assert parse_label(text) == CONTROL
    assert members_of(CONTROL) == ()
    assert label_of(()) == CONTROL


def test_spaces_around_members_are_irrelevant() -> None:
    assert parse_label(" SET + KLF1 ") == "KLF1+SET"


def test_underscores_separate_only_when_every_part_is_known() -> None:
    assert parse_label("A_B", known={"A", "B"}) == "A+B"
    assert parse_label("A_ctrl", known={"A"}) == "A"
    assert parse_label("A_B", known={"A"}) == "A_B"
    assert parse_label("A_B") == "A_B"


def test_a_name_with_an_underscore_that_is_known_itself_stays_whole() -> None:
    assert parse_label("A_B", known={"A", "B", "A_B"}) == "A_B"
    assert parse_label("A_B+C", known={"A", "B"}) == "A+B+C"


def test_a_name_like_a_control_is_no_control() -> None:
    assert parse_label("NT5E") == "NT5E"


def test_the_case_of_genes_is_kept() -> None:
    assert parse_label("Klf1+Set") == "Klf1+Set"


@pytest.mark.parametrize("text", ["A+A", "A;B|A", "A_A"])
def test_the_same_gene_twice_is_refused(text: str) -> None:
    with pytest.raises(VocabularyError, match="names 'A' twice; expected a set of different"):
        parse_label(text, known={"A", "B"})


@pytest.mark.parametrize("text", ["", "  ", "A+", "+A", "A++B"])
def test_an_empty_member_is_refused(text: str) -> None:
    with pytest.raises(VocabularyError, match="empty member; expected names joined by"):
        parse_label(text)


def test_given_controls_replace_the_usual_ones() -> None:
    assert parse_label("DMSO", controls=("NTC",)) == "DMSO"
    assert parse_label("NTC+A", controls=("NTC",)) == "A"


def test_pairs_are_of_different_genes_however_these_were_perturbed() -> None:
    assert pairs_of(["C", "A", "B"]) == ["A+B", "A+C", "B+C"]
    ways = ["A@CRISPRa", "A@CRISPRi", "B@CRISPRi"]
    assert pairs_of(ways) == ["A@CRISPRa+B@CRISPRi", "A@CRISPRi+B@CRISPRi"]
    assert pairs_of(["A"]) == pairs_of([]) == []


@pytest.mark.parametrize(
    ("member", "symbol", "modality"),
    [("KLF1@CRISPRi", "KLF1", "CRISPRi"), ("KLF1", "KLF1", None), ("@x", "@x", None)],
)
def test_a_member_is_a_gene_and_perhaps_how_it_was_perturbed(member, symbol, modality) -> None:
    assert (symbol_of(member), modality_of(member)) == (symbol, modality)
    assert not has_separator(member)
    assert has_separator(f"{member}+B")


@pytest.mark.parametrize("text", [None, float("nan"), ("A", "B")])
def test_what_is_no_text_is_refused(text: object) -> None:
    with pytest.raises(VocabularyError, match="is of type .*expected text such as 'A\\+B'"):
        parse_label(text)  # type: ignore[arg-type]


def test_a_text_alone_is_one_label() -> None:
    assert listed("KLF1+SET1") == ["KLF1+SET1"]
    assert listed(("KLF1", "SET1")) == ["KLF1", "SET1"]
