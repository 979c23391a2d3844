import numpy as np
import pytest

from gpjepa.compose.priors import make_priors
from gpjepa.core.errors import DataError
from gpjepa.data.feature_table import GeneFeatures
from gpjepa.data.gene_features import similarity

GENES = ("KLF1", "CEBPA", "MAPK1", "TP53")


def test_gene_sets_give_their_similarity():
    rows = make_priors(GENES, None).rows(GENES)
    np.testing.assert_allclose(rows @ rows.T, similarity(GENES, GENES), atol=1e-4)


def test_genes_of_which_nothing_is_known_have_no_row():
    priors = make_priors(GENES, None)
    assert priors.known(("TP53", "NOT-A-GENE")) == ("TP53",)
    assert not priors.rows(("NOT-A-GENE",)).any()
    nobody = make_priors(("G1", "G2"), None)
    assert nobody.known(("G1", "TP53")) == ()
    assert nobody.notes()
    assert not nobody.views(("TP53",)).alike.size


def test_views_are_families_sets_broad_sets_and_expression_and_a_table_stands_before_them():
    facts = make_priors(GENES, None).views(("MAPK3", "NOT-A-GENE"))
    assert facts.alike.shape == (4, 2, 4)
    assert facts.alike[0, 0].argmax() == GENES.index("MAPK1")
    assert not facts.alike[:, 1].any()
    np.testing.assert_array_equal(facts.own[:, 1], 0.0)
    np.testing.assert_allclose(facts.own[:, 0], 1.0)
    rng = np.random.default_rng(0)
    table = GeneFeatures((*GENES, "NEW"), rng.normal(size=(5, 3)))
    both = make_priors(GENES, table).views(("NEW", "MAPK3"))
    assert both.alike.shape == (6, 2, 4)
    assert both.alike[:2, 0].all()
    assert not both.alike[:2, 1].any()
    np.testing.assert_allclose(both.own, [[1, 0], [1, 0], [0, 1], [0, 1], [0, 1], [0, 1]])


def test_genes_perturbed_in_different_ways_are_not_alike():
    basis = ("MAPK1@CRISPRi", "MAPK3@CRISPRa")
    views = make_priors(basis, None).views(("MAPK3@CRISPRi",))
    assert views.alike[0, 0, 0] > 0.5
    assert not views.alike[:, 0, 1].any()


def test_an_empty_table_says_that_nothing_is_known():
    nothing = make_priors(GENES, GeneFeatures((), np.zeros((0, 3))))
    assert nothing.known(GENES) == ()
    assert not nothing.rows(GENES).any()
    assert nothing.views(GENES).alike.shape == (0, 4, 4)


def test_a_gene_that_a_table_leaves_out_is_still_known_by_its_sets():
    table = GeneFeatures(("KLF1", "TP53"), np.eye(2))
    priors = make_priors(GENES, table)
    assert priors.known(("KLF1", "STAT1", "NOT-A-GENE")) == ("KLF1", "STAT1")


def test_own_features_are_scaled_so_that_no_unit_rules():
    rng = np.random.default_rng(0)
    values = rng.normal(size=(4, 3))
    table = GeneFeatures(GENES, values)
    other = GeneFeatures(GENES, values * np.array([1000.0, 1.0, 0.01]) + 5)
    np.testing.assert_allclose(
        make_priors(GENES, table).rows(GENES), make_priors(GENES, other).rows(GENES), atol=1e-9
    )


def test_little_coverage_is_told():
    table = GeneFeatures(("KLF1", "TP53"), np.eye(2))
    (note,) = make_priors((*GENES, "SET"), table).notes()
    assert "40%" in note


@pytest.mark.parametrize("values", [np.array([[np.nan, 1.0]]), np.ones((2, 2)), np.ones(3)])
def test_broken_features_are_refused(values):
    with pytest.raises(DataError, match="features"):
        make_priors(GENES, GeneFeatures(("KLF1",), values))
