import numpy as np
import pytest

from gpjepa.core.errors import VocabularyError
from gpjepa.data.references import aliases, baseline, gene_sets, interaction_classes


def test_collections_have_their_published_sizes() -> None:
    assert len(gene_sets("go")) == 12_038
    assert len(gene_sets("reactome")) == 1_448
    assert len(gene_sets("hallmark")) == 50
    assert len(gene_sets()) == 12_038 + 1_448 + 50


def test_sets_hold_the_genes_they_are_known_for() -> None:
    sets = gene_sets("hallmark")
    assert {"STAT1", "IRF1", "PSMB9"} <= sets["HALLMARK_INTERFERON_GAMMA_RESPONSE"]
    assert all("" not in genes for genes in sets.values())
    assert all(5 <= len(genes) <= 500 for genes in gene_sets("go").values())


def test_an_unknown_collection_is_refused() -> None:
    with pytest.raises(VocabularyError, match=r"'kegg' is not known \(3 names"):
        gene_sets("kegg")


def test_only_labels_that_changed_are_aliases() -> None:
    names = aliases()
    assert names["KIAA1804"] == "MAP3K21"
    assert "KLF1" not in names
    assert len(names) == 6


def test_baselines_are_shares_of_a_cell_with_positive_sizes() -> None:
    for name, genes, marker in (("k562", 16_193, "GATA1"), ("thp1", 14_621, "SPI1")):
        frame = baseline(name)
        assert len(frame) == genes
        assert frame.index.is_unique
        assert 0.9 < frame["relative_expression"].sum() <= 1.0
        assert (frame > 0).to_numpy().all()
        assert np.isfinite(frame.to_numpy()).all()
        assert frame.loc[marker, "relative_expression"] > 1e-5
    with pytest.raises(VocabularyError, match="baseline 'k652' is not known"):
        baseline("k652")


def test_every_pair_has_one_class_and_a_sorted_label() -> None:
    classes = interaction_classes()
    assert len(classes) == 88
    assert classes["CEBPA+CEBPB"] == "redundant"
    assert all(label == "+".join(sorted(label.split("+"))) for label in classes)
