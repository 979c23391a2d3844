import numpy as np
import pytest

from gpjepa.data import datasets
from gpjepa.data.gene_features import similarity
from gpjepa.data.gene_relations import BROAD, Knowledge, knowledge

FAMILIES, SETS, BROAD_SETS, EXPRESSION = range(4)


@pytest.fixture(scope="module")
def known() -> Knowledge:
    return knowledge()


def test_paralogues_share_the_stem_of_their_symbol(known: Knowledge) -> None:
    value = known.alike(["CEBPA", "FOXA1"], ["CEBPB", "FOXA3", "KLF1", "CASP3"])[FAMILIES]
    assert value[0, 0] > 0.6
    assert value[1, 1] > 0.9
    assert value[0, 2] == 0.0
    assert value[0, 1:].max() < 0.3 * value[0, 0]


def test_rare_stems_count_more_than_common_ones(known: Knowledge) -> None:
    assert known.stems["CEBP"] > known.stems["CE"] > 0


def test_sets_are_those_of_the_gene_features(known: Knowledge) -> None:
    genes, others = ["STAT1", "MARCH8"], ["JAK2", "MARCHF8"]
    np.testing.assert_allclose(known.alike(genes, others)[SETS], similarity(genes, others))
    assert known.alike(genes, others)[SETS][1, 1] == pytest.approx(1.0)


def test_broad_sets_leave_the_narrow_ones_out(known: Knowledge) -> None:
    sizes = np.asarray((known.broad > 0).sum(axis=0)).ravel()
    assert sizes.min() >= BROAD
    assert 0 < known.broad.shape[1] < known.sets.weights.shape[1]


def test_expression_is_log_counts_per_million_of_nine_kinds_of_cells(known: Knowledge) -> None:
    share = datasets.baseline("k562")["relative_expression"]["HBG1"]
    row = known.expression[known.place["HBG1"]]
    assert row.shape == (9,)
    assert row[0] == pytest.approx(np.log10(1 + 1e6 * share))
    near = known.alike(["HBG1"], ["HBG1", "HBG2", "CD3D", "LYZ"])[EXPRESSION][0]
    assert near[0] == pytest.approx(1.0)
    assert near[1] > 2 * near[2:].max()


def test_similarities_form_a_covariance_with_ones_on_its_diagonal(known: Knowledge) -> None:
    genes = ["KLF1", "CEBPA", "CEBPB", "IRF1", "STAT1", "JUN"]
    for view, own in zip(known.alike(genes, genes), known.own(genes), strict=True):
        assert np.linalg.eigvalsh(view).min() > -1e-9
        np.testing.assert_allclose(np.diagonal(view), own)
        np.testing.assert_allclose(own, 1.0)


def test_of_an_unknown_name_nothing_is_known(known: Knowledge) -> None:
    assert not known.knows(["DRUG1"]).any()
    assert not known.alike(["DRUG1"], ["DRUG2", "KLF1"]).any()
    assert not known.alike(["KLF1"], ["DRUG2"]).any()
    assert not known.own(["DRUG1"]).any()
