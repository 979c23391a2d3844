from gpjepa.data.labels import parse_label
from gpjepa.data.readings import name_notes, reading_remarks

ALONE = {"control": "control", "A": "A", "B": "B"}


def test_a_text_whose_parts_are_perturbations_is_told() -> None:
    for text in ("A-B", "A/B", "A:B", "A & B", "A B"):
        (remark,) = reading_remarks({**ALONE, text: text})
        assert remark.startswith(f"label {text!r} is read as one perturbation, although")


def test_texts_that_underscores_do_not_split_are_told() -> None:
    (remark,) = reading_remarks({**ALONE, "A_Neg0": "A_Neg0", "B_Neg0": "B_Neg0"})
    assert remark.startswith("2 labels (first: 'A_Neg0') are read as one perturbation: '_' joins")


def test_a_name_with_a_separator_in_it_is_told() -> None:
    (remark,) = reading_remarks({**ALONE, "(+)-JQ1": parse_label("(+)-JQ1")})
    assert remark.startswith("label '(+)-JQ1' is read as several perturbations")
    assert "('(' and ')-JQ1')" in remark
    assert reading_remarks({"2,4-DPD": parse_label("2,4-DPD")})


def test_plain_labels_are_not_remarked_on() -> None:
    assert reading_remarks({**ALONE, "A+B": "A+B", "A+C": "A+C", "HLA-A": "HLA-A"}) == []
    assert reading_remarks({"C+D": "C+D", "C+E": "C+E"}) == []
    assert reading_remarks({**ALONE, "A_B": "A+B", "A_ctrl": "A"}) == []


def test_ensembl_ids_beside_symbols_are_told() -> None:
    ids = [f"ENSG{row:011d}" for row in range(5)]
    (note,) = name_notes(["KLF1@CRISPRi"], ids)
    assert note.startswith("genes are named by Ensembl ids (first: 'ENSG00000000000')")
    assert "'KLF1'" in note
    assert name_notes([ids[2]], ids) == []
    assert name_notes(["KLF1"], ["SET", "GATA1"]) == []
    assert name_notes([], ids) == []


def test_genes_in_another_case_are_told() -> None:
    (note,) = name_notes(["klf1", "SET"], ["KLF1", "SET"])
    assert "1 (first: 'klf1', 'KLF1')" in note
