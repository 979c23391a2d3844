from __future__ import annotations

import numpy as np
import pytest

from gpjepa.benchmark import cell_types
from gpjepa.benchmark.scores import COLUMNS
from gpjepa.core.config import Config
from gpjepa.data import datasets
from gpjepa.data.perturbseq import read

TYPES = np.repeat(np.array(["B", "NK", "T"]), 100)


def test_separate_clusters_are_told_apart_without_error() -> None:
    rng = np.random.default_rng(0)
    centre = np.repeat(np.eye(3) * 20.0, 100, axis=0)
    assert cell_types.accuracy(centre + rng.normal(size=(300, 3)), TYPES, seed=0) == 1.0


def test_noise_is_told_apart_by_chance() -> None:
    noise = np.random.default_rng(1).normal(size=(300, 8))
    assert cell_types.accuracy(noise, TYPES, seed=0) == pytest.approx(1 / 3, abs=0.1)


def test_folds_are_those_of_the_seed() -> None:
    rng = np.random.default_rng(2)
    space = rng.normal(size=(300, 2)) + (TYPES == "B")[:, None]
    assert cell_types.accuracy(space, TYPES, 3) == cell_types.accuracy(space, TYPES, 3)
    assert len({cell_types.accuracy(space, TYPES, seed) for seed in range(4)}) > 1


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_every_space_is_scored_in_each_condition(config: Config) -> None:
    adata = datasets.load("kang-pbmc")[::6].copy()
    total = np.asarray(adata.X.sum(axis=0)).ravel()
    adata = adata[:, np.sort(np.argsort(-total)[:150])].copy()
    found = cell_types.score_cell_types(adata, read(adata, announce=False), config, 0, "cpu")
    assert list(found.columns) == list(COLUMNS)
    scores = found[found.metric == "knn_accuracy"].set_index(["group", "model"])["value"]
    assert set(scores.index) == {
        (f"types, {group}", model)
        for group in ("control", "stimulated")
        for model in ("gpjepa", "one step", "PCA (50)", "2000 variable genes")
    }
    assert scores.between(0.1, 1.0).all()
    assert (scores.xs("PCA (50)", level="model") > 0.5).all()
    best, fixed = (
        found[found.metric == name].set_index(["group", "model"])["value"]
        for name in ("avg_bio", "avg_bio_fixed")
    )
    assert best.between(0, 1).all()
    assert len(fixed) == len(best) == len(scores)
    alone = found[found.group == "collapse"].set_index("metric")
    assert set(alone.index) == {"least_std", "rank"}
    assert alone.value["least_std"] > 0
    assert 1.0 <= alone.value["rank"] <= config.encoder.latent


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_embeddings_after_fit_are_scored_in_each_condition(config: Config) -> None:
    adata = datasets.load("kang-pbmc")[::6].copy()
    total = np.asarray(adata.X.sum(axis=0)).ravel()
    adata = adata[:, np.sort(np.argsort(-total)[:60])].copy()
    found = cell_types.score_fitted(adata, read(adata, announce=False), config, 0, "cpu")
    groups = [f"types, {name}, after fit" for name in ("control", "stimulated")]
    assert list(found["group"]) == groups
    assert set(found["metric"]) == {"knn_accuracy"}
    assert found["value"].between(0.1, 1.0).all()


def test_cells_without_types_are_refused(tiny, config: Config) -> None:
    adata = tiny.make_cells()
    with pytest.raises(RuntimeError, match="without types"):
        cell_types.score_cell_types(adata, read(adata, announce=False), config, 0, "cpu")
