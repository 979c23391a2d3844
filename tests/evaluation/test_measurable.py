"""Effect sizes and split-half ceilings, on simulated and on real cells."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from anndata import AnnData
from scipy import sparse

from gpjepa.data import datasets
from gpjepa.data.perturbseq import PerturbSeq, read
from gpjepa.evaluation.effect import pearson
from gpjepa.evaluation.measurable import measurable, scored_genes
from gpjepa.evaluation.pseudobulk import median_library, pseudobulk


def screen(folds: dict[str, float], cells: int = 200, seed: int = 0) -> PerturbSeq:
    """Poisson cells of 30 genes; a perturbation multiplies the first ten by its fold."""
    rng = np.random.default_rng(seed)
    rates = np.linspace(0.5, 4.0, 30)
    labels = ["control"] * (2 * cells)
    for label in folds:
        labels += [label] * (1 if label == "lone" else cells)
    fold = np.array([folds.get(label, 1.0) for label in labels])
    mean = np.where(np.arange(30) < 10, rates * fold[:, None], rates)
    obs = pd.DataFrame({"perturbation": labels, "total_counts": 500.0})
    obs.index = [f"c{index}" for index in range(len(labels))]
    adata = AnnData(sparse.csr_matrix(rng.poisson(mean).astype(np.float32)), obs=obs)
    adata.var_names = [f"g{index}" for index in range(30)]
    return read(adata, announce=False)


def table(folds, **more) -> pd.DataFrame:
    return measurable(screen(folds, **more)).set_index("perturbation")


def test_strong_effects_are_measurable_and_absent_ones_are_not():
    found = table({"strong": 3.0, "none": 1.0})
    assert found.loc["strong", "ceiling"] > 0.95
    assert found.loc["strong", "measurable"]
    assert found.loc["strong", "responds"]
    assert abs(found.loc["none", "ceiling"]) < 0.4
    assert not found.loc["none", "measurable"]
    assert not found.loc["none", "responds"]


def test_effect_size_is_free_of_noise_where_the_mean_change_is_not():
    sizes = [table({"none": 1.0, "weak": 1.5}, cells=cells) for cells in (60, 2000)]
    rates = np.linspace(0.5, 4.0, 30)[:10]
    truth = np.linalg.norm(np.log1p(1.5 * rates) - np.log1p(rates))
    for size in sizes:
        assert size.loc["weak", "effect_size"] == pytest.approx(truth, rel=0.2)
        assert size.loc["none", "effect_size"] < 0.25
    assert sizes[0].loc["none", "mean_change"] > 3 * sizes[1].loc["none", "mean_change"]


def test_a_perturbation_with_one_cell_is_reported_without_a_ceiling():
    found = table({"lone": 2.0, "strong": 3.0})
    assert found.loc["lone", "cells"] == 1
    assert np.isnan(found.loc["lone", ["ceiling", "low", "high"]].astype(float)).all()
    assert not found.loc["lone", "measurable"]
    assert np.isfinite(found.loc["lone", "mean_change"])


def test_without_expressed_genes_or_a_second_control_nothing_is_measurable(capfd):
    data = screen({"strong": 3.0})
    one_control = [*np.flatnonzero(~data.is_control).tolist(), 0]
    for poor in (data.select_genes(["g0"]), data.subset(np.array(one_control))):
        found = measurable(poor)
        assert np.isnan(found["ceiling"]).all()
        assert not found["measurable"].any()
    renamed = data.select_genes(["g0"])
    renamed.labels[~renamed.is_control] = "g0"  # the only gene is perturbed
    assert np.isnan(measurable(renamed)["energy_ratio"]).all()
    assert capfd.readouterr().err == ""  # BLAS complains of a matrix without columns


def test_the_table_repeats_with_its_seed():
    data = screen({"strong": 3.0, "none": 1.0})
    pd.testing.assert_frame_equal(measurable(data, seed=3), measurable(data, seed=3))
    assert not measurable(data, seed=3).equals(measurable(data, seed=4))


def test_rare_and_perturbed_genes_do_not_count():
    data = screen({"g3": 3.0, "g29": 1.0})
    assert not scored_genes(data)[[3, 29]].any()
    assert scored_genes(data).sum() == 28


def test_norman_cells_have_the_known_ceiling_and_a_shared_control_inflates_it():
    data = read(datasets.load("norman-k562"), announce=False)
    found = measurable(data)
    assert found["ceiling"].mean() == pytest.approx(0.55, abs=0.03)
    assert found.attrs["genes"] == 39
    mask = scored_genes(data)
    target = median_library(data.library[data.is_control])

    def profile(cells: np.ndarray) -> np.ndarray:
        return pseudobulk(data.counts[cells][:, np.flatnonzero(mask)], data.library[cells], target)

    control = profile(np.flatnonzero(data.is_control))
    rng = np.random.default_rng(0)
    shared = []
    for name in data.perturbations:
        cells = rng.permutation(np.flatnonzero(data.labels == name))
        half = len(cells) // 2
        shared.append(pearson(profile(cells[:half]) - control, profile(cells[half:]) - control))
    assert np.mean(shared) == pytest.approx(0.70, abs=0.04)


def test_papalexi_responds_where_it_is_known_to():
    found = measurable(read(datasets.load("papalexi-thp1"), announce=False))
    found = found.set_index("perturbation")
    assert found["ceiling"].mean() == pytest.approx(0.36, abs=0.03)
    strong = ["IFNGR1", "IFNGR2", "JAK2", "STAT1", "SMAD4"]
    assert (found.loc[strong, "ceiling"] > 0.9).all()
    assert sorted(found.index[found["responds"]]) == sorted(strong)
    weaker = ["IRF1", "CUL3", "STAT2", "BRD4"]
    assert found.loc[weaker, "measurable"].all()
    assert (found["low"] > 0.2).sum() == 9


def test_norman_singles_have_the_known_ceiling():
    data = read(datasets.load("norman-singles"), library="total_umi", announce=False)
    assert measurable(data, splits=4)["ceiling"].mean() == pytest.approx(0.83, abs=0.02)
