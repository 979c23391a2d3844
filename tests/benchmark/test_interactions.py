from __future__ import annotations

import numpy as np
import pandas
import pytest

from gpjepa.benchmark import interactions, norman_effects
from gpjepa.data.schemes import with_all_singles
from gpjepa.evaluation.effect_table import EffectTable

pytestmark = pytest.mark.usefixtures("without_model")


@pytest.fixture(scope="module")
def table():
    """Every fourth gene, which is enough and four times as quick."""
    whole = norman_effects.load_table()
    return EffectTable(whole.labels, whole.effects[:, ::4], whole.genes[::4])


@pytest.fixture(scope="module")
def predictions(table, without_model: None):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(interactions, "FOLDS", 2)
        return interactions.predicted(table, 0)


def test_every_double_is_predicted_once_and_by_a_table_without_it(
    table, predictions, monkeypatch
) -> None:
    assert sorted(predictions.labels) == with_all_singles(table.labels)
    assert {values.shape for values in predictions.effects.values()} == {(126, 92)}
    assert {values.shape for values in predictions.singles.values()} == {(126, 2, 92)}
    trained = []
    monkeypatch.setattr(interactions, "known_features", lambda *tables: None)
    monkeypatch.setattr(
        interactions, "rules", lambda training, *rest: trained.append(training) or ()
    )
    interactions.predicted(table, 0)
    everyone = set(predictions.labels)
    held = [everyone - {*with_all_singles(each.labels)} for each in trained]
    assert sorted(len(each) for each in held) == [25, 25, 25, 25, 26]
    assert set().union(*held) == everyone


def test_an_interaction_is_the_double_minus_the_singles_of_the_same_fit(predictions) -> None:
    for model, values in predictions.interactions.items():
        expected = predictions.effects[model] - predictions.singles[model].sum(axis=1)
        np.testing.assert_allclose(values, expected, atol=1e-6)


def test_no_change_and_the_sum_have_no_interaction_and_the_strong_baseline_has(predictions) -> None:
    found = predictions.interactions
    assert not np.any(found["no change"])
    assert not np.any(found["additive"])
    assert np.abs(found["strong"]).max() > 0.1


@pytest.fixture(scope="module")
def scores(table, predictions) -> pandas.DataFrame:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(interactions, "predicted", lambda table, seed: predictions)
        return interactions.crossed_interactions(table, 0)


def test_what_predicts_no_interaction_scores_chance(scores) -> None:
    rows = scores[(scores["group"] == "interactions") & (scores["model"] == "additive")]
    np.testing.assert_allclose(rows["value"], rows["floor"], atol=1e-9)
    assert len(rows) == 4


def test_the_ratio_is_one_for_the_sum_and_the_multiple_of_chance_for_others(scores) -> None:
    by_metric = scores.set_index(["metric", "model"])["value"]
    assert by_metric["auprc_over_additive", "additive"] == pytest.approx(1.0)
    strong = by_metric["interaction_auprc", "strong"] / by_metric["interaction_auprc", "additive"]
    assert by_metric["auprc_over_additive", "strong"] == pytest.approx(strong)


def test_classes_have_the_base_rate_below_and_the_measured_effects_above(scores) -> None:
    rows = scores[scores["group"] == "interaction classes"].set_index(["metric", "model"])
    synergy = rows.loc["precision_10, synergy"]
    assert synergy.floor["additive"] == pytest.approx(24 / 86, abs=0.02)
    assert 0.4 <= synergy.ceiling["additive"] <= 0.9
    assert {"no change", "additive", "strong"} <= set(synergy.index)
    assert "truth" not in set(synergy.index)
    assert len(rows.index.levels[0]) == 5
