"""End to end: ways to perturb, perturbations that are not genes, and users' feature tables."""

from __future__ import annotations

from dataclasses import replace
from types import ModuleType
from typing import Any

import numpy as np
import pandas as pd
import pytest
from anndata import AnnData
from anndata import concat as joined

from gpjepa.api.interactions_run import interactions_file
from gpjepa.api.model import GPJEPA
from gpjepa.core.errors import DataError, VocabularyError
from gpjepa.data.perturbseq import read
from gpjepa.inference.judgement import DO_NOT_TRUST

LABELS = ("A", "B", "C", "D")


def _two_ways(tiny: ModuleType) -> AnnData:
    """Return cells in which A and B are activated and repressed, C and D activated only."""
    up = tiny.make_cells(0, labels=LABELS, perturbed=16)
    down = tiny.make_cells(1, labels=("A", "B"), perturbed=12)
    down.obs_names = [f"i-{name}" for name in down.obs_names]
    cells = joined([up, down], merge="same")
    way = np.repeat(["CRISPRa", "CRISPRi"], [up.n_obs, down.n_obs]).astype(object)
    way[np.asarray(cells.obs["perturbation"] == "ctrl")] = None
    cells.obs["perturbation_modality"] = way
    return cells


def _fitted(
    tiny: ModuleType,
    cells: AnnData,
    features: pd.DataFrame | None = None,
    **settings: dict[str, Any],
) -> GPJEPA:
    """Return a model fitted on all of the cells."""
    data = read(cells, announce=False)
    split = tiny.make_split(data, (), ())
    model = GPJEPA(data, tiny.make_config(**settings), split, features=features, device="cpu")
    model.fit()
    return model


@pytest.fixture(scope="module")
def ways(tiny: ModuleType) -> GPJEPA:
    table = pd.DataFrame(
        np.random.default_rng(0).normal(size=(5, 3)), index=[*LABELS, "NEW"], columns=list("xyz")
    )
    return _fitted(tiny, _two_ways(tiny), table)


def _effect(model: GPJEPA, label: str, modality: str | None = None) -> np.ndarray:
    return model.effects(label, modality=modality)["effect"].to_numpy()


def test_effects_of_one_gene_under_two_modalities_are_not_pooled(tiny: ModuleType) -> None:
    data = read(_two_ways(tiny), announce=False)
    assert data.roles.modality == "perturbation_modality"
    assert data.modalities == ("CRISPRa", "CRISPRi")
    assert data.perturbations == (
        *("A@CRISPRa", "A@CRISPRi", "B@CRISPRa", "B@CRISPRi"),
        *("C@CRISPRa", "D@CRISPRa"),
    )
    again = read(data.to_anndata(), announce=False)
    assert again.perturbations == data.perturbations
    assert again.modalities == data.modalities


def test_a_gene_alone_means_its_commonest_modality_and_the_answer_says_so(ways: GPJEPA) -> None:
    told = ways.predict(["A", "C", "B@CRISPRi"], cells=4)
    assert list(told.obs["perturbation"].unique()) == ["A@CRISPRa", "C@CRISPRa", "B@CRISPRi"]
    np.testing.assert_array_equal(_effect(ways, "A"), _effect(ways, "A@CRISPRa"))
    np.testing.assert_array_equal(_effect(ways, "A", "CRISPRi"), _effect(ways, "A@CRISPRi"))
    assert np.abs(_effect(ways, "A", "CRISPRi") - _effect(ways, "A")).max() > 0
    pair = ways.interactions("A+B", modality="CRISPRi")
    assert set(pair["perturbation"]) == {"A@CRISPRi+B@CRISPRi"}
    mixed = ways.effects("B@CRISPRi+A@CRISPRa")
    assert set(mixed["perturbation"]) == {"A@CRISPRa+B@CRISPRi"}


def test_a_run_ranks_the_pairs_of_one_way_to_perturb(ways: GPJEPA, options, tmp_path) -> None:
    run = ways.save(tmp_path / "run")

    def pairs(labels: list[str], modality: str | None) -> set[str]:
        again = replace(options, force=True)
        out = tmp_path / "gi.csv"
        told = interactions_file(run, out, labels, 0.9, None, again, modality=modality)
        return {row["perturbation"] for row in told["combinations"]}

    assert pairs([], "CRISPRi") == {"A@CRISPRi+B@CRISPRi"}
    assert pairs(["B+A"], "CRISPRi") == {"A@CRISPRi+B@CRISPRi"}
    assert pairs(["B+A"], None) == {"A@CRISPRa+B@CRISPRa"}
    assert len(pairs([], "CRISPRa")) == 6
    assert pairs([], None) > pairs([], "CRISPRa")
    for labels, modality, problem in (
        ([], "KO", "modality 'KO' is not known; .* .CRISPRa, CRISPRi"),
        (["A@CRISPRa+B"], "CRISPRi", "'A@CRISPRa' is asked for with modality 'CRISPRi'"),
    ):
        with pytest.raises(VocabularyError, match=problem):
            pairs(labels, modality)


def test_modalities_without_training_cells_and_contradictions_are_refused(ways: GPJEPA) -> None:
    with pytest.raises(VocabularyError, match="'KO' is not known; .* .CRISPRa, CRISPRi"):
        ways.predict("A", cells=2, modality="KO")
    with pytest.raises(VocabularyError, match="modality 'KO' is not known"):
        ways.effects("A@KO")
    with pytest.raises(VocabularyError, match="'A@CRISPRa' is asked for with modality 'CRISPRi'"):
        ways.effects("A@CRISPRa", modality="CRISPRi")
    with pytest.raises(VocabularyError, match="names 'A' twice"):
        ways.effects("A@CRISPRa+A@CRISPRi")


def test_a_gene_measured_in_one_way_is_novel_in_another(ways: GPJEPA) -> None:
    found = ways.effects(["C@CRISPRa", "C@CRISPRi", "NEW@CRISPRi"])
    told = found.drop_duplicates("perturbation").set_index("perturbation")
    assert told.loc["C@CRISPRa", "novelty"] == 0.0
    assert told.loc["C@CRISPRi", "novelty"] > 0.0
    assert told.loc["NEW@CRISPRi", "verdict"] == DO_NOT_TRUST


def test_a_saved_model_remembers_the_ways_to_perturb(ways: GPJEPA, tmp_path) -> None:
    loaded = GPJEPA.load(ways.save(tmp_path / "run"), device="cpu")
    assert loaded.bundle.vocabulary == ways.bundle.vocabulary
    np.testing.assert_array_equal(_effect(loaded, "A", "CRISPRi"), _effect(ways, "A", "CRISPRi"))


def test_one_modality_for_all_cells_is_named_but_not_embedded(tiny: ModuleType) -> None:
    cells = tiny.make_cells(labels=LABELS)
    cells.obs["modality"] = "CRISPRi"
    assert read(cells, announce=False).perturbations == LABELS
    model = _fitted(tiny, cells)
    assert model.bundle.model.condition.ways is None
    np.testing.assert_array_equal(_effect(model, "A", "CRISPRi"), _effect(model, "A"))
    np.testing.assert_array_equal(_effect(model, "A@CRISPRi"), _effect(model, "A"))
    with pytest.raises(VocabularyError, match="modality 'KO' is not known"):
        model.effects("A", modality="KO")


def test_data_that_name_no_modality_refuse_one(model: GPJEPA) -> None:
    with pytest.raises(VocabularyError, match="'KO' is not known; .*named none"):
        model.effects("A", modality="KO")


@pytest.fixture(scope="module")
def drugged(tiny: ModuleType) -> AnnData:
    return tiny.make_cells(labels=("stimulated", "dexamethasone"), perturbed=24)


def test_a_drug_has_a_learned_embedding_and_an_unseen_one_is_refused(
    tiny: ModuleType, drugged: AnnData
) -> None:
    model = _fitted(tiny, drugged, perturbation={"features": ("hallmark",)})
    assert model.bundle.vocabulary.members == ("dexamethasone", "stimulated")
    assert np.abs(_effect(model, "stimulated") - _effect(model, "dexamethasone")).max() > 0
    for unseen in ("IL2", "stimulate"):
        with pytest.raises(VocabularyError) as caught:
            model.predict(unseen, cells=2)
        assert f"'{unseen}' is not known" in str(caught.value)
        assert "give a feature table that covers it" in str(caught.value)
    assert "closest: 'stimulated'" in str(caught.value)


def test_a_table_keyed_by_drug_places_one_that_was_never_given(
    tiny: ModuleType, drugged: AnnData
) -> None:
    table = pd.DataFrame({"x": [1.0, 0, 1], "y": [0.0, 1, 0.5]})
    table.index = pd.Index(["stimulated", "dexamethasone", "IL2"])
    model = _fitted(tiny, drugged, table)
    found = model.effects(["stimulated", "IL2"]).drop_duplicates("perturbation")
    assert list(found["perturbation"]) == ["stimulated", "IL2"]
    assert found["novelty"].iloc[0] == 0.0
    assert 0.0 < found["novelty"].iloc[1] <= 1.0
    assert model.predict("IL2", cells=3).n_obs == 3
    with pytest.raises(VocabularyError, match="'IL7' is not known .3 names; closest: 'IL2'"):
        model.predict("IL7", cells=3)


def test_a_table_of_few_perturbed_genes_is_warned_of_and_of_none_refused(
    tiny: ModuleType, data
) -> None:
    few = pd.DataFrame({"x": [1.0, 2.0]}, index=["A", "NEW"])
    with pytest.warns(UserWarning, match="covers 1 of 6 perturbed genes"):
        GPJEPA(data, tiny.make_config(), features=few, device="cpu")
    none = pd.DataFrame({"x": [1.0, 2.0]}, index=["TP53", "NEW"])
    with pytest.raises(DataError, match="covers none of the 6 perturbations"), pytest.warns():
        GPJEPA(data, tiny.make_config(), features=none, device="cpu")
