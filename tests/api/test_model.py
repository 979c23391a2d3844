from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from anndata import AnnData
from scipy import sparse

from gpjepa.api.model import GPJEPA
from gpjepa.core.errors import (
    CheckpointError,
    ConfigError,
    DataError,
    OutputExistsError,
    VocabularyError,
)
from gpjepa.data.feature_table import GeneFeatures
from gpjepa.data.perturbseq import read


def parameters(model: GPJEPA) -> dict[str, torch.Tensor]:
    parts = {"model": model.bundle.model, "teacher": model.bundle.teacher}
    return {f"{n}.{k}": v for n, part in parts.items() for k, v in part.state_dict().items()}


def equal(one: torch.Tensor, other: torch.Tensor) -> bool:
    """Tell whether tensors hold the same values; NaN is what nothing is known of."""
    return np.array_equal(one.cpu().numpy(), other.cpu().numpy(), equal_nan=one.is_floating_point())


def same(one: GPJEPA, other: GPJEPA) -> bool:
    ours, theirs = parameters(one), parameters(other)
    return ours.keys() == theirs.keys() and all(equal(ours[k], theirs[k]) for k in ours)


def fitted(tiny, cells: AnnData, seed: int = 0, read_with=(), **changes) -> GPJEPA:
    data = read(cells, announce=False, **dict(read_with))
    model = GPJEPA(
        data, tiny.make_config(**changes), tiny.make_split(data), seed=seed, device="cpu"
    )
    model.pretrain()
    model.fit()
    return model


def test_predicted_cells_are_raw_counts_on_the_same_genes_in_order(model, data) -> None:
    found = model.predict(["C+D", "A"], cells=50)
    assert sparse.isspmatrix_csr(found.X) or found.X.format == "csr"
    assert found.X.dtype == np.int32
    assert found.X.min() >= 0
    assert found.X.sum() > 0
    assert list(found.var_names) == [g for g in data.genes if g in set(model.bundle.panel.names)]
    assert found.obs["perturbation"].astype(str).tolist() == ["C+D"] * 50 + ["A"] * 50
    assert found.obs_names.is_unique


def test_libraries_of_predicted_cells_are_those_of_control_cells(model) -> None:
    found = model.predict("A", cells=30)
    library = dict(zip(model.controls.names, model.controls.table.library, strict=True))
    from_control = [library[name] for name in found.obs["control_cell"].astype(str)]
    assert np.allclose(found.obs["total_counts"], from_control)
    assert sorted(from_control) == sorted(library.values())  # thirty controls, each used once
    assert (np.asarray(found.X.sum(axis=1)).ravel() <= found.obs["total_counts"]).all()


def test_predictions_start_from_no_control_cell_kept_for_the_truth(model, split) -> None:
    assert not set(model.controls.names) & split.truth_controls
    assert len(model.controls) == 30


def test_a_population_is_the_same_whatever_is_predicted_beside_it(model) -> None:
    alone = model.predict("B", cells=20, seed=3)
    beside = model.predict(["A", "B"], cells=20, seed=3)
    assert (beside.X[20:] != alone.X).nnz == 0
    assert (alone.X != model.predict("B", cells=20, seed=4).X).nnz > 0


def test_order_and_spelling_of_a_combination_are_irrelevant(model) -> None:
    first = model.predict("C+D", cells=20)
    for text in ("D+C", "D;C", "D_C", "ctrl+C+D"):
        assert (first.X != model.predict(text, cells=20).X).nnz == 0


def test_an_unknown_perturbation_is_refused_with_the_nearest_names(tiny, data, split) -> None:
    features = GeneFeatures(("A", "KLF1", "KLF2"), np.eye(3, dtype=np.float32))
    model = GPJEPA(data, tiny.make_config(), split, features=features, device="cpu")
    model.fit()
    for call in (model.predict, model.effects, model.rollout):
        with pytest.raises(VocabularyError, match="'KLF17' is not known .8 names; closest: 'KLF1'"):
            call(["A", "KLF17"])


@pytest.mark.parametrize(
    ("labels", "message"),
    [([], "no perturbation was named"), (["A+"], "empty member"), (["A+A"], "names 'A' twice")],
)
def test_labels_that_are_no_sets_are_refused(model, labels, message: str) -> None:
    for call in (model.predict, model.effects, model.rollout):
        with pytest.raises(VocabularyError, match=message):
            call(labels)


def test_no_cells_and_levels_out_of_range_are_refused(model) -> None:
    with pytest.raises(ConfigError, match="cells is 0; expected 1 or more"):
        model.predict("A", cells=0)
    with pytest.raises(ConfigError, match="cells is -1"):
        model.rollout("A", cells=-1)
    for level in (0.0, 1.0, 1.5):
        with pytest.raises(ConfigError, match=f"level is {level}; expected a number between"):
            model.effects("A", level=level)


def test_effects_have_a_row_per_gene_with_intervals_that_widen_with_the_level(model) -> None:
    narrow, wide = model.effects(["C+D", "A"], level=0.5), model.effects(["C+D", "A"], level=0.95)
    assert list(narrow.columns) == [
        "perturbation",
        "gene",
        "effect",
        "low",
        "high",
        "sd",
        "novelty",
        "verdict",
        "source",
        "calibrated",
    ]
    assert len(narrow) == 2 * len(model.bundle.panel.names)
    assert narrow.gene[:3].tolist() == list(model.bundle.panel.names[:3])
    assert np.array_equal(narrow.effect, wide.effect)
    assert np.allclose(narrow.effect - narrow.low, narrow.high - narrow.effect)
    assert (wide.high - wide.low > narrow.high - narrow.low).all()
    single = wide[wide.perturbation == "A"]
    assert np.allclose(single.high - single.effect, 1.96 * single.sd, rtol=1e-3)
    assert single.sd.nunique() > 10


def test_three_validation_perturbations_leave_intervals_uncalibrated(model) -> None:
    assert not model.effects("C+D").calibrated.any()
    assert model.effects("A").calibrated.all()  # its own cells say how well it is known


def test_control_has_no_effect_and_others_have_one(model) -> None:
    found = model.effects(["control", "A"]).pivot(
        index="gene", columns="perturbation", values="effect"
    )
    assert found["A"].abs().max() > 2 * found["control"].abs().max()


def test_effects_are_those_of_large_predicted_populations(model) -> None:
    population = model.predict("A", cells=6000)
    control = model.predict("control", cells=6000)
    target = float(np.median(model.controls.table.library))

    def level(cells: AnnData) -> np.ndarray:
        share = np.asarray(cells.X.sum(axis=0)).ravel() / cells.obs["total_counts"].sum()
        return np.log1p(target * share)

    sampled = level(population) - level(control)
    expected = model.effects(["A", "control"])
    wide = expected.pivot(index="gene", columns="perturbation", values="effect")
    wide = wide.loc[list(model.bundle.panel.names)]
    assert np.abs(sampled - (wide["A"] - wide["control"])).max() < 0.05


def test_a_gene_without_data_but_with_features_is_predicted_and_differs_from_control(
    tiny, data, split
) -> None:
    values = np.random.default_rng(0).normal(size=(7, 4)).astype(np.float32)
    features = GeneFeatures((*"ABCDEF", "NEW"), values)
    model = GPJEPA(data, tiny.make_config(), split, features=features, device="cpu")
    model.fit()
    found = model.effects(["NEW", "control"])
    wide = found.pivot(index="gene", columns="perturbation", values="effect")
    assert (wide["NEW"] - wide["control"]).abs().max() > 0
    own = found[found.perturbation == "NEW"].iloc[0]
    assert own.novelty > 0
    assert own.verdict in ("use the model", "do not trust")
    assert model.predict("NEW+A", cells=5).n_obs == 5


def test_a_rollout_of_one_step_lies_where_a_prediction_does(model) -> None:
    once, direct = model.rollout(["A"], cells=3000), model.predict("A", cells=3000)
    a, b = (np.asarray(x.X.mean(axis=0)).ravel() for x in (once, direct))
    assert np.abs(np.log1p(a) - np.log1p(b)).max() < 0.1


def test_a_rollout_names_its_steps_and_each_step_acts(model) -> None:
    twice = model.rollout(["A", "B"], cells=400, seed=1)
    assert set(twice.obs["perturbation"]) == {"A > B"}
    assert twice.X.dtype == np.int32
    assert twice.n_obs == 400
    once = model.rollout("A", cells=400, seed=1)
    assert set(once.obs["perturbation"]) == {"A"}
    assert (once.X != twice.X).nnz > 0
    assert (twice.X != model.rollout(["A", "B"], cells=400, seed=1).X).nnz == 0


def test_shuffled_and_extra_genes_give_the_same_embedding(model, adata) -> None:
    expected = model.embed(adata)
    assert expected.shape == (adata.n_obs, 8)
    assert expected.dtype == np.float32
    order = np.random.default_rng(0).permutation(adata.n_vars)
    assert np.array_equal(model.embed(adata[:, order].copy()), expected)
    wider = AnnData(
        X=sparse.hstack([sparse.csr_matrix((adata.n_obs, 1)), adata.X]).tocsr(),
        obs=adata.obs.drop(columns="perturbation"),
    )
    wider.var_names = ["unheard-of", *adata.var_names]
    assert np.array_equal(model.embed(wider), expected)


def test_missing_genes_are_named_at_embed(model, adata) -> None:
    with pytest.raises(DataError, match="2 of 24 genes are missing from the data .A, gene3."):
        model.embed(adata[:, [g not in ("A", "gene3") for g in adata.var_names]].copy())


def test_cells_without_totals_are_refused_by_a_model_of_totals(model, adata) -> None:
    bare = adata.copy()
    del bare.obs["total_counts"]
    with pytest.raises(DataError, match="no totals beyond their genes; expected obs total_counts"):
        model.embed(bare)


def test_a_saved_model_predicts_embeds_and_judges_identically(model, saved, adata) -> None:
    loaded = GPJEPA.load(saved, device="cpu")
    assert same(loaded, model)
    assert np.array_equal(loaded.embed(adata), model.embed(adata))
    ours, theirs = model.predict(["C+D"], cells=40), loaded.predict(["C+D"], cells=40)
    assert (ours.X != theirs.X).nnz == 0
    assert ours.obs.equals(theirs.obs)
    assert model.effects("C+D").equals(loaded.effects("C+D"))
    assert loaded.config == model.config


def test_nothing_is_pickled_in_a_saved_model(saved) -> None:
    assert {path.name for path in saved.iterdir()} == {
        "model.safetensors",
        "config.json",
        "genes.json",
        "vocabulary.json",
        "calibration.json",
        "controls.h5ad",
        "evidence.safetensors",
    }


def test_saving_refuses_an_existing_directory_without_force(model, tmp_path: Path) -> None:
    target = tmp_path / "model"
    target.mkdir()
    (target / "mine.txt").write_text("mine")
    with pytest.raises(OutputExistsError, match="exists already"):
        model.save(target)
    assert [path.name for path in target.iterdir()] == ["mine.txt"]
    model.save(target, force=True)
    assert (target / "mine.txt").read_text() == "mine"
    assert same(GPJEPA.load(target, device="cpu"), model)


def test_a_model_that_is_not_fitted_says_so(tiny, data, split, adata, tmp_path) -> None:
    raw = GPJEPA(data, tiny.make_config(), split, device="cpu")
    for call in (
        lambda: raw.predict("A"),
        lambda: raw.effects("A"),
        lambda: raw.rollout(["A"]),
        lambda: raw.save(tmp_path / "x"),
    ):
        with pytest.raises(CheckpointError, match="not fitted yet; .* call fit"):
            call()
    assert not (tmp_path / "x").exists()
    assert raw.embed(adata).shape == (adata.n_obs, 8)


def test_a_loaded_model_cannot_be_trained(saved) -> None:
    loaded = GPJEPA.load(saved, device="cpu")
    for call in (loaded.fit, loaded.pretrain, loaded.encoder_bundle):
        with pytest.raises(CheckpointError, match="no training data"):
            call()


def changed(adata: AnnData, where: np.ndarray) -> AnnData:
    """Return a copy in which the counts of some cells are others."""
    other = adata.copy()
    counts = other.X.toarray()
    rng = np.random.default_rng(8)
    counts[where] = rng.poisson(20.0, (int(where.sum()), counts.shape[1]))
    other.X = sparse.csr_matrix(counts)
    sums = counts.sum(axis=1) + 100.0
    other.obs["total_counts"] = np.where(where, sums, other.obs["total_counts"])
    return other


def test_changing_the_test_cells_or_the_truth_controls_changes_no_parameter(
    tiny, model, adata, data, split
) -> None:
    test = np.isin(data.labels.astype(str), split.test)
    truth = np.isin(data.cells.astype(str), list(split.truth_controls))
    assert test.sum() == 12
    assert truth.sum() == 30
    for where in (test, truth):
        assert same(fitted(tiny, changed(adata, where)), model)


def test_changing_a_training_cell_changes_parameters(tiny, model, adata, data) -> None:
    where = np.arange(data.n_cells) == int(np.argmax(data.labels == "A"))
    assert not same(fitted(tiny, changed(adata, where)), model)


def test_the_same_seed_gives_the_same_bytes_and_another_seed_others(tiny, model, adata) -> None:
    assert same(fitted(tiny, adata), model)
    assert not same(fitted(tiny, adata, seed=1), model)


def test_fitting_again_gives_the_same_model(tiny, data, split) -> None:
    again = GPJEPA(data, tiny.make_config(), split, device="cpu")
    again.pretrain()
    again.fit()
    first = {name: value.clone() for name, value in parameters(again).items()}
    again.fit()
    second = parameters(again)
    assert all(equal(first[name], second[name]) for name in first)


def test_history_has_both_stages_with_weighted_terms_and_validation(tiny, data, split) -> None:
    fresh = GPJEPA(data, tiny.make_config(), split, device="cpu")
    first, second = fresh.pretrain().history, fresh.fit().history
    assert set(first["stage"]) == {"pretrain"}
    assert {"predict", "vicreg", "total"} <= set(first["term"])
    assert set(second["stage"]) == {"fit"}
    assert set(second["set"]) == {"train", "validation"}
    trained = second[second["set"] == "train"]
    assert {
        "predict",
        "vicreg",
        "nb",
        "predictor_nb",
        "kl",
        "population",
        "shift",
        "interaction",
        "monitor/active_units",
        "total",
    } <= set(trained["term"])
    assert {"score", "slope"} <= set(second[second["set"] == "validation"]["term"])
    assert second["value"].notna().all()


def test_without_a_split_nothing_is_held_out(tiny, data) -> None:
    model = GPJEPA(data, tiny.make_config(), device="cpu")
    model.fit()
    assert set(model.bundle.vocabulary.members) == set("ABCDEF")
    assert not model.bundle.calibration.calibrated


@pytest.mark.parametrize("genes", [None, 12])
def test_data_without_totals_are_modelled_by_the_sum_of_the_panel(tiny, genes, tmp_path) -> None:
    cells = tiny.make_cells(totals=False)
    model = fitted(tiny, cells, data={"genes": genes})
    assert not model.bundle.panel.has_rest
    panel = np.asarray(model.controls.table.counts.sum(axis=1)).ravel()
    assert np.array_equal(panel, model.controls.table.library)
    found = model.predict("A", cells=200)
    total = np.asarray(found.X.sum(axis=1)).ravel()
    assert np.array_equal(total, found.obs["total_counts"])
    drawn_from = model.controls.table.library
    assert np.mean(total) == pytest.approx(np.mean(drawn_from), rel=0.05)
    loaded = GPJEPA.load(model.save(tmp_path / "model"), device="cpu")
    assert (found.X != loaded.predict("A", cells=200).X).nnz == 0
    assert np.allclose(model.effects("A").effect, loaded.effects("A").effect)
    assert model.embed(cells).shape == (len(cells), 8)
    assert model.embed(found).shape == (200, 8)


def test_batch_cell_type_and_dose_condition_the_prediction(tiny) -> None:
    cells = tiny.make_cells(batches=2, cell_types=2, doses=(1.0, 10.0))
    model = fitted(tiny, cells, read_with={"dose": "dose"}.items())
    found = model.predict("A", cells=40)
    assert set(found.obs["batch"]) == {"batch0", "batch1"}
    one = model.predict("A", cells=40, context="type1")
    assert set(one.obs["cell_type"]) == {"type1"}
    small, large = model.effects("A", dose=1.0).effect, model.effects("A", dose=10.0).effect
    assert np.abs(small - large).max() > 1e-4
    with pytest.raises(VocabularyError, match="context 'type7' is not known"):
        model.predict("A", context="type7")


def test_a_users_control_cells_replace_the_stored_ones(tiny, model, adata) -> None:
    mine = adata[adata.obs["perturbation"] == "ctrl"][:7].copy()
    found = model.predict("A", cells=21, control=mine)
    assert set(found.obs["control_cell"].astype(str)) == set(mine.obs_names)
    assert set(found.obs["total_counts"]) == set(mine.obs["total_counts"])
    with pytest.raises(DataError, match="genes are missing"):
        model.predict("A", control=mine[:, :5].copy())


def test_control_cells_without_a_trained_covariate_or_of_an_unknown_level_are_refused(tiny) -> None:
    cells = tiny.make_cells(batches=2)
    model = fitted(tiny, cells)
    mine = cells[cells.obs["perturbation"] == "ctrl"].copy()
    bare = mine.copy()
    del bare.obs["batch"]
    with pytest.raises(DataError, match="no batch; expected one of batch0, batch1"):
        model.predict("A", control=bare)
    mine.obs["batch"] = "batch9"
    with pytest.raises(VocabularyError, match="batch 'batch9' is not known"):
        model.predict("A", control=mine)


def test_a_perturbation_with_one_cell_trains(tiny) -> None:
    cells = tiny.make_cells()
    labels = cells.obs["perturbation"].to_numpy()
    keep = (labels != "F") | (np.cumsum(labels == "F") == 1)
    model = fitted(tiny, cells[keep].copy())
    assert np.isfinite(model.effects("F").effect).all()
