import itertools

import numpy as np
import pytest

from gpjepa.benchmark.table_calibration import (
    ADVISED,
    CALIBRATION,
    SUM,
    calibration_rows,
    held_doubles,
    held_genes,
    over_constant,
)
from gpjepa.benchmark.task import MODEL
from gpjepa.evaluation.effect_table import EffectTable

GENES = (
    *("CDKN1A", "CEBPA", "CEBPB", "DUSP9", "ETS2", "FOXA1"),
    *("IRF1", "JUN", "KLF1", "MAPK1", "SET", "SPI1"),
)


@pytest.fixture(scope="module")
def table():
    """Return 12 singles and all their doubles: .6 of the sum, and noise that grows with it."""
    rng = np.random.default_rng(0)
    names = sorted(GENES)
    singles = rng.normal(size=(12, 10)) * rng.uniform(0.3, 3.0, size=(12, 1))
    pairs = list(itertools.combinations(range(12), 2))
    sums = np.array([singles[a] + singles[b] for a, b in pairs])
    size = np.linalg.norm(sums, axis=1, keepdims=True)
    doubles = 0.6 * sums + 0.05 * size * rng.normal(size=sums.shape)
    labels = (*names, *(f"{names[a]}+{names[b]}" for a, b in pairs))
    return EffectTable(labels, np.concatenate((singles, doubles)))


@pytest.fixture(scope="module")
def scores(table):
    rows = calibration_rows("doubles", held_doubles(table, 100), 100)
    return rows.set_index(["metric", "model"])["value"]


def test_one_width_for_all_is_no_better_than_itself():
    rng = np.random.default_rng(0)
    truth, mean = rng.normal(size=(20, 5)), np.zeros((20, 5))
    assert over_constant(truth, mean, np.full((20, 5), 1.3), 0.9) == pytest.approx(1.0, abs=0.01)


def test_widths_that_follow_the_error_beat_one_width_and_others_do_not():
    rng = np.random.default_rng(0)
    spread = np.exp(rng.normal(size=(2000, 1)))
    truth = spread * rng.normal(size=(2000, 5))
    good = over_constant(truth, 0 * truth, 1.645 * spread + 0 * truth, 0.9)
    assert good < 0.8
    assert over_constant(truth, 0 * truth, 1.645 / spread + 0 * truth, 0.9) > 1.2


def test_errors_in_proportion_to_the_sum_are_known_to_be(scores):
    assert scores["coverage_90", MODEL] == pytest.approx(0.9, abs=0.08)
    assert scores["score_90_over_constant", MODEL] < 0.95
    assert scores["spearman_sd_error", MODEL] > 0.5
    assert 0.5 < scores["spread_skill", MODEL] < 1.6
    assert scores["risk_coverage_area", MODEL] < 0.85


def test_a_model_that_saves_two_fifths_of_the_sum_is_used(scores):
    assert scores["share: use the model", MODEL] > 0.9
    assert scores["l2_over_additive: use the model", MODEL] < 0.5
    assert scores["error: use the model", MODEL] < scores["error: use the model", SUM]
    assert scores["error: use the model", ADVISED] == scores["error: use the model", MODEL]


def test_the_model_is_set_beside_the_best_baseline(scores):
    assert scores["l2_over_best_baseline", MODEL] < 1.2
    assert np.isfinite(scores["difference_in_standard_errors", MODEL])


def test_what_is_held_out_was_not_trained_on(table):
    for held in (held_doubles, held_genes):
        asked = held(table, 101)
        assert not set(asked.labels) & set(asked.training.labels)
    alone = held_genes(table, 101)
    members = {gene for label in alone.training.labels for gene in label.split("+")}
    assert members.isdisjoint(alone.labels)


def test_the_task_has_a_part_for_each_group_of_headlines():
    groups = {headline.group for headline in CALIBRATION.headlines}
    assert groups == {part.name for part in CALIBRATION.parts}
