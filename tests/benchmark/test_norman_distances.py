from __future__ import annotations

import numpy as np
import pandas
import pytest

from gpjepa.benchmark import norman_distances
from gpjepa.core.config import Config
from gpjepa.data import datasets

pytestmark = pytest.mark.usefixtures("without_model")


@pytest.fixture(scope="module")
def table():
    return norman_distances.load_table()


def test_coordinates_return_the_distances_that_they_were_scaled_from(table) -> None:
    adata = datasets.load("norman-distances")
    names = list(adata.obs_names)
    rows = [names.index(label) for label in table.labels if label in names]
    measured = np.asarray(adata.obsp["distances"])[np.ix_(rows, rows)]
    points = table.effects[[label in names for label in table.labels]]
    squares = ((points[:, None] - points[None]) ** 2).sum(-1)
    assert np.corrcoef((2 * squares).ravel(), measured.ravel())[0, 1] > 0.999
    assert (table.effects.shape[1], len(table.pairs.rows)) == (50, 131)


@pytest.fixture(scope="module")
def doubles(without_model: None) -> pandas.DataFrame:
    return (
        norman_distances.doubles(Config(), 0, "cpu")
        .set_index(["metric", "model"])
        .value.sort_index()
    )


def test_published_order_additive_then_training_mean_then_no_change(doubles) -> None:
    distance = doubles["l2"]
    assert distance["additive"] < distance["training mean"] < distance["no change"]
    assert doubles["pearson_delta"]["additive"] > doubles["pearson_delta"]["training mean"] > 0


def test_the_strong_baseline_is_as_far_above_the_sum_as_known(doubles) -> None:
    share = doubles["l2_over_additive"]
    assert share["strong"] == pytest.approx(0.66, abs=0.04)
    assert share["scaled additive"] == pytest.approx(0.796, abs=0.06)
    assert share["oracle: best c1, c2"] == pytest.approx(0.635, abs=0.08)
    assert doubles["pearson_delta"]["additive"] == pytest.approx(0.922, abs=0.015)
    assert doubles["pearson_delta"]["strong"] == pytest.approx(0.941, abs=0.015)


@pytest.mark.slow
def test_ten_splits_give_the_figures_of_the_first_look() -> None:
    frames = [norman_distances.doubles(Config(), seed, "cpu") for seed in range(10)]
    found = pandas.concat(frames).groupby(["metric", "model"]).value.mean()
    share = found["l2_over_additive"]
    assert 0.645 < share["strong"] < 0.675
    assert share["scaled additive"] == pytest.approx(0.796, abs=0.012)
    assert share["oracle: best c1, c2"] == pytest.approx(0.635, abs=0.015)
    assert found["pearson_delta"]["strong"] == pytest.approx(0.941, abs=0.006)


def test_of_genes_never_perturbed_little_is_known_beyond_the_mean() -> None:
    frame = norman_distances.genes(Config(), 0, "cpu")
    chosen = (frame.group == "unseen genes") & (frame.metric == "l2_over_training_mean")
    shares = frame[chosen].set_index("model").value
    assert 0.85 < shares["linear"] < 1.1
    assert "oracle: truth on the training singles" not in shares
