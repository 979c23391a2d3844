from __future__ import annotations

import pandas
import pytest

from gpjepa.benchmark import norman_effects
from gpjepa.core.config import Config
from gpjepa.data import datasets
from gpjepa.data.labels import members_of

pytestmark = pytest.mark.usefixtures("without_model")


@pytest.fixture(scope="module")
def table():
    return norman_effects.load_table()


def test_scored_genes_are_expressed_in_k562_and_perturbed_by_nobody(table) -> None:
    assert (len(table.genes), len(table.pairs.rows)) == (368, 126)
    share = datasets.baseline("k562")["relative_expression"]
    assert 1e6 * min(share[gene] for gene in table.genes) >= 10
    targets = {gene for label in table.labels for gene in members_of(label)}
    assert not targets & set(table.genes)
    assert not set(datasets.aliases().values()) & set(table.genes) & {"MAP3K21", "CBARP"}


@pytest.fixture(scope="module")
def doubles(without_model: None) -> pandas.DataFrame:
    return (
        norman_effects.doubles(Config(), 0, "cpu").set_index(["metric", "model"]).value.sort_index()
    )


def test_published_order_additive_then_training_mean_then_no_change(doubles) -> None:
    distance, correlation = doubles["l2"], doubles["pearson_delta"]
    assert distance["additive"] < distance["training mean"] < distance["no change"]
    assert correlation["additive"] > correlation["training mean"] > correlation["no change"]


def test_the_strong_baseline_is_as_far_above_the_sum_as_known(doubles) -> None:
    share = doubles["l2_over_additive"]
    assert share["strong"] == pytest.approx(0.82, abs=0.03)
    assert share["scaled additive"] == pytest.approx(0.901, abs=0.03)
    assert share["oracle: best c1, c2"] == pytest.approx(0.809, abs=0.03)
    assert share["oracle: truth on 40 directions"] == pytest.approx(0.688, abs=0.02)
    assert doubles["pearson_delta"]["strong"] == pytest.approx(0.815, abs=0.015)


@pytest.mark.slow
def test_ten_splits_give_the_figures_of_the_first_look() -> None:
    frames = [norman_effects.doubles(Config(), seed, "cpu") for seed in range(10)]
    found = pandas.concat(frames).groupby(["metric", "model"]).value.mean()
    assert found["l2_over_additive"]["strong"] == pytest.approx(0.82, abs=0.02)
    assert found["pearson_delta"]["strong"] == pytest.approx(0.815, abs=0.012)
    assert found["pearson_delta"]["additive"] == pytest.approx(0.787, abs=0.015)


def test_predictors_of_unseen_genes_collapse_against_the_perturbed_reference() -> None:
    found = norman_effects.genes(Config(), 0, "cpu")
    singles = found[found.group == "unseen genes"].set_index(["metric", "model"]).value
    singles = singles.sort_index()
    for name in ("training mean", "matching mean", "linear"):
        assert singles["pearson_delta"][name] > 0.3
        assert singles["pearson_perturbed"][name] < 0.25
        assert singles["discrimination"][name] < 0.65
    assert singles["pearson_perturbed"]["oracle: truth on the training singles"] > 0.7
