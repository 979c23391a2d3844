"""All baselines together, on cells."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import sparse

from gpjepa.core.errors import ConfigError, VocabularyError
from gpjepa.data.perturbseq import PerturbSeq, read
from gpjepa.evaluation.baselines import (
    NAMES,
    fit_baselines,
    fit_effect_baselines,
)
from gpjepa.evaluation.effect_table import EffectTable
from gpjepa.evaluation.pseudobulk import median_library, pseudobulk, standard_error

GENES = [f"G{index}" for index in range(12)]
FACTORS = {"G0": 2.0, "G1": 0.5, "G2": 3.0}


def screen(labels: list[str], cells: int = 400, seed: int = 0) -> PerturbSeq:
    """Cells whose members multiply three target genes' rates, so that logs add up."""
    import anndata
    import pandas

    rng = np.random.default_rng(seed)
    rates = np.linspace(1, 3, 12)
    blocks, names = [], []
    for label in labels:
        rate = rates.copy()
        for member in label.split("+"):
            if member in FACTORS:
                start = 3 + 3 * list(FACTORS).index(member)
                rate[start : start + 3] *= FACTORS[member]
        blocks.append(rng.poisson(rate, size=(cells, 12)))
        names += [label] * cells
    index = [f"c{number}" for number in range(len(names))]
    obs = pandas.DataFrame({"perturbation": names, "total_counts": 200.0}, index=index)
    adata = anndata.AnnData(sparse.csr_matrix(np.vstack(blocks).astype(np.float32)), obs=obs)
    adata.var_names = GENES
    return read(adata, announce=False)


TRAIN = ["control", "G0", "G1", "G2", "G0+G1"]


def fitted(labels: list[str] = TRAIN):
    data = screen(labels)
    target = median_library(data.library[data.is_control])
    return data, target, {b.name: b for b in fit_baselines(data, target=target)}


def test_all_baselines_are_there_in_order_and_predict_finite_effects_or_none():
    _, _, baselines = fitted()
    assert tuple(baselines) == NAMES
    for baseline in baselines.values():
        predicted = baseline.effects(["G0+G2", "G0+G11", "absent"])
        assert predicted.shape == (3, 12)
        finite = np.isfinite(predicted).all(axis=1)
        assert np.all(finite | np.isnan(predicted).all(axis=1))
        assert finite[0]
    assert np.isnan(baselines["additive"].effects(["G0+G11"])).all()


def test_additive_predicts_an_unseen_pair_of_multiplicative_effects():
    _, target, baselines = fitted()
    truth = screen(["control", "G0+G2"], seed=9)
    observed = [
        pseudobulk(truth.counts[mask], truth.library[mask], target)
        for mask in (truth.labels == "G0+G2", truth.is_control)
    ]
    predicted = baselines["additive"].effects(["G0+G2"])[0]
    np.testing.assert_allclose(predicted, observed[0] - observed[1], atol=0.25)


def test_sampled_cells_have_the_predicted_pseudobulk():
    data, target, baselines = fitted()
    base = pseudobulk(data.counts[data.is_control], data.library[data.is_control], target)
    for name in NAMES:
        effect = baselines[name].effects(["G0+G2"])[0]
        counts, library = baselines[name].sample("G0+G2", 6000, np.random.default_rng(1))
        np.testing.assert_allclose(pseudobulk(counts, library, target), base + effect, atol=0.04)


def test_sampling_where_a_baseline_does_not_apply_is_refused():
    _, _, baselines = fitted()
    with pytest.raises(VocabularyError, match="'additive' has no effect for 'G0\\+G11'"):
        baselines["additive"].sample("G0+G11", 5, np.random.default_rng(0))


def test_predicted_cells_are_counts_on_the_same_genes_and_repeat_with_the_seed():
    _, _, baselines = fitted()
    first, again, other = (
        baselines["strong"].predict(["G0+G2", "G1"], 30, seed) for seed in (0, 0, 1)
    )
    assert (first.X != again.X).nnz == 0
    assert (first.X != other.X).nnz > 0
    assert (first.X.format, first.X.dtype, first.X.min() >= 0) == ("csr", np.int32, True)
    assert first.obs["perturbation"].astype(str).tolist() == ["G0+G2"] * 30 + ["G1"] * 30
    assert list(first.var_names) == GENES
    assert first.obs_names.is_unique
    assert np.all(first.obs["total_counts"] >= np.asarray(first.X.sum(axis=1)).ravel())


def test_each_predicted_cell_names_the_control_cell_whose_library_it_has():
    data, _, baselines = fitted()
    found = baselines["additive"].predict("G0+G2", 50)
    library = dict(zip(data.cells[data.is_control], data.library[data.is_control], strict=True))
    assert np.allclose(found.obs["total_counts"], [library[c] for c in found.obs["control_cell"]])
    assert found.obs["control_cell"].is_unique  # each once before any is used again


def test_labels_are_understood_as_the_model_understands_them():
    _, _, baselines = fitted()
    additive = baselines["additive"]
    expected = additive.predict("G0+G2", 10)
    for text in ("G2+G0", "ctrl+G0+G2", "G0;G2"):
        assert (additive.predict(text, 10).X != expected.X).nnz == 0
    assert additive.predict(["G0+G2", "G2+G0"], 10).n_obs == 10
    with pytest.raises(VocabularyError, match="no perturbation was named"):
        additive.predict([], 10)
    with pytest.raises(ConfigError, match="cells is 0; expected 1 or more"):
        additive.predict("G0", 0)


def test_the_control_has_no_effect_under_any_baseline():
    data, _, baselines = fitted()
    counts = dict(zip(data.cells, data.counts.toarray(), strict=True))
    for baseline in baselines.values():
        assert not baseline.effects(["control"]).any()
        found = baseline.predict("control", 20)
        assert np.array_equal(found.X.toarray(), [counts[c] for c in found.obs["control_cell"]])


def test_the_mean_of_predicted_cells_is_the_predicted_effect_within_monte_carlo_error():
    data, target, baselines = fitted()
    base = pseudobulk(data.counts[data.is_control], data.library[data.is_control], target)
    for name in NAMES:
        effect = baselines[name].effects(["G0+G2"])[0]
        cells = baselines[name].predict("G0+G2", 4000)
        counts, library = cells.X.tocsr(), cells.obs["total_counts"].to_numpy()
        found = pseudobulk(counts, library, target) - base
        error = standard_error(counts, library, target)
        assert np.all(np.abs(found - effect) < 4.5 * error), name


def test_controls_alone_leave_no_change_only():
    _, _, baselines = fitted(["control"])
    assert tuple(baselines) == ("no change",)
    assert not baselines["no change"].effects(["G0"]).any()


def test_learned_factors_without_a_measured_double_say_that_they_are_not_fitted():
    _, _, baselines = fitted(["control", "G0", "G1", "G2+G3"])
    unfitted = {name for name, baseline in baselines.items() if not baseline.fitted}
    assert {"scaled additive", "strong"} <= unfitted
    assert all("not fitted" in baselines[name].notes[0] for name in unfitted)


def test_validation_combinations_teach_how_effects_combine_and_nothing_else():
    data, target, _ = fitted()
    other = screen(["control", "G0+G2", "G1+G2"], seed=3)
    other = other.subset(~other.is_control)
    pairs = zip(
        fit_baselines(data, target=target), fit_baselines(data, other, target=target), strict=True
    )
    learned = {
        plain.name
        for plain, taught in pairs
        if not np.allclose(plain.effects(["G1+G2"]), taught.effects(["G1+G2"]))
    }
    assert learned == {"scaled additive", "strong"}


def test_effect_table_without_rows_leaves_no_change():
    assert len(fit_effect_baselines(EffectTable((), np.zeros((0, 3))))) == 1
