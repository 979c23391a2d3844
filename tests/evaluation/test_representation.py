"""The representation axis on simulated embeddings and on annotated blood cells."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from anndata import AnnData
from scipy import sparse

from gpjepa.data import datasets
from gpjepa.data.perturbseq import read
from gpjepa.evaluation.embedding_space import principal_components
from gpjepa.evaluation.pair import make_pair
from gpjepa.evaluation.representation import (
    REPRESENTATION_METRICS,
    cell_rows,
    find_embedding,
    score_representation,
)
from gpjepa.evaluation.representation_rows import NO_ANNOTATION

FACTORS = {"control": 1.0, "up": 4.0, "down": 0.2}


def cells(labels: list[str], seed: int, count: int = 120) -> AnnData:
    rng = np.random.default_rng(seed)
    names = np.repeat(np.array(labels, dtype=object), count)
    fold = np.array([FACTORS[name] for name in names])
    rates = np.linspace(1, 5, 20)
    mean = np.where(np.arange(20) < 8, rates * fold[:, None], rates)
    obs = pd.DataFrame({"perturbation": names, "total_counts": 400.0})
    obs.index = [f"s{seed}c{index}" for index in range(len(names))]
    adata = AnnData(sparse.csr_matrix(rng.poisson(mean).astype(np.float32)), obs=obs)
    adata.var_names = [f"g{index}" for index in range(20)]
    return adata


def embed(adata: AnnData) -> np.ndarray:
    return np.log1p(adata.X.toarray())[:, :10]


def score(predicted_embedding=None, observed_embedding=None, **change) -> pd.DataFrame | None:
    observed, predicted = cells(["control", "up", "down"], 0), cells(["up", "down"], 1)
    pair = make_pair(predicted, observed)
    if observed_embedding is not False:
        chosen = embed(observed) if observed_embedding is None else observed_embedding
        observed.obsm["X_embedding"] = chosen
    if predicted_embedding is not False:
        predicted.obsm["X_embedding"] = (
            embed(predicted) if predicted_embedding is None else predicted_embedding
        )
    return score_representation(predicted, observed, pair, 0)


def value(
    table: pd.DataFrame,
    metric: str,
    perturbation: str = "all",
    column: str = "value",
    model: str = "",
):
    rows = table[(table["metric"] == metric) & (table["perturbation"] == perturbation)]
    rows = rows[rows["model"] == model]
    return rows[column].item()


def test_without_an_embedding_there_is_no_axis():
    assert score(observed_embedding=False) is None
    assert find_embedding(cells(["control"], 0)) is None


def test_a_prediction_of_the_same_kind_is_as_similar_as_a_replicate():
    table = score()
    for label in ("all", "up", "down"):
        assert value(table, "held_out_similarity", label) > 0.98
        assert value(table, "held_out_similarity", label, "skill") == pytest.approx(1.0, abs=0.05)


def test_a_prediction_of_control_cells_has_no_similarity_and_the_opposite_a_negative_one():
    observed = cells(["control", "up", "down"], 0)
    control = embed(observed)[:120]
    nothing = score(np.concatenate([control, control]))
    assert abs(value(nothing, "held_out_similarity")) < 0.5
    up, down = embed(cells(["up"], 2)), embed(cells(["down"], 3))
    assert value(score(np.concatenate([down, up])), "held_out_similarity") < -0.9


def test_without_predicted_embedding_only_the_held_out_similarity_is_left_out():
    table = score(predicted_embedding=False)
    assert "held_out_similarity" not in set(table["metric"])
    assert {"effective_rank", "neighbourhood_overlap"} <= set(table["metric"])


def test_without_cell_types_the_average_says_that_there_is_no_annotation():
    table = score()
    assert np.isnan(value(table, "avg_bio_best"))
    assert value(table, "avg_bio_best", column="note") == NO_ANNOTATION
    assert "knn_accuracy" not in set(table["metric"])


def test_an_informative_embedding_beats_noise_and_a_collapsed_one_is_seen():
    good = score()
    shape = (360, 10)
    noise = np.random.default_rng(4).normal(size=shape)
    assert value(good, "neighbourhood_overlap") > 3 * value(
        score(observed_embedding=noise), "neighbourhood_overlap"
    )
    flat = noise * np.where(np.arange(10) < 6, 1.0, 1e-6)
    assert value(score(observed_embedding=flat), "collapsed_dimensions") == pytest.approx(0.4)
    line = noise[:, :1] @ np.ones((1, 10))
    assert value(score(observed_embedding=line), "effective_rank") < 0.3


def test_a_nan_in_the_embedding_is_the_worst_everywhere():
    broken = np.ones((360, 10))
    broken[3, 2] = np.nan
    table = score(observed_embedding=broken)
    assert set(table["metric"]) == {metric.name for metric in REPRESENTATION_METRICS}
    assert table["value"].isna().all()


def test_the_table_repeats_with_its_seed():
    pd.testing.assert_frame_equal(score(), score())


def test_blood_cells_are_scored_within_conditions_beside_pca():
    data = read(datasets.load("kang-pbmc"), announce=False)
    keep = np.random.default_rng(0).permutation(data.n_cells)[:700]
    genes = np.argsort(-np.asarray(data.counts.sum(axis=0)).ravel())[:800]
    data = data.subset(keep).select_genes([str(data.genes[gene]) for gene in np.sort(genes)])
    target = float(np.median(data.library))
    space = principal_components(data.counts, data.library, target, 50)
    rows = cell_rows(space, data, target, 0)
    found = {(row.metric, row.perturbation, row.model): row for row in rows}
    for condition in ("control", "stimulated", "all"):
        accuracy = found["knn_accuracy", condition, ""]
        assert accuracy.value == pytest.approx(
            found["knn_accuracy", condition, "PCA"].value, abs=0.02
        )
        assert accuracy.value > accuracy.floor + 0.3
        best, fixed = (found[name, condition, ""].value for name in BIO)
        assert fixed <= best + 1e-9
        assert best > 0.4
    shuffled = cell_rows(np.random.default_rng(1).permutation(space), data, target, 0)
    chance = {(row.metric, row.perturbation, row.model): row for row in shuffled}
    assert chance["avg_bio_fixed", "all", ""].value == pytest.approx(1 / 6, abs=0.04)
    assert chance["knn_accuracy", "all", ""].value < 0.45


BIO = ("avg_bio_best", "avg_bio_fixed")


def test_references_stand_beside_the_embedding_in_every_score_that_they_have():
    table = score()
    for model in ("PCA", "HVG", "multinomial mixture"):
        assert value(table, "held_out_similarity", model=model) > 0.9
    for model in ("HVG", "multinomial mixture"):
        assert 0.2 < value(table, "neighbourhood_overlap", model=model) < 1.0
