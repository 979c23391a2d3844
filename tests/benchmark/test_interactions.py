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
    return interactions.predicted(table, 0)


def test_every_double_is_predicted_once_and_by_a_table_without_it(
    table, predictions, monkeypatch
) -> None:
    labels, effects, _ = predictions
    assert sorted(labels) == with_all_singles(table.labels)
    assert {values.shape for values in effects.values()} == {(126, 92)}
    trained = []
    monkeypatch.setattr(interactions, "known_features", lambda *tables: None)
    monkeypatch.setattr(
        interactions, "rules", lambda training, *rest: trained.append(training) or ()
    )
    interactions.predicted(table, 0)
    first, second = ({*with_all_singles(each.labels)} for each in trained)
    assert first | second == set(labels)
    assert not first & second
    assert (len(first), len(second)) == (63, 63)


def test_no_change_and_the_sum_have_no_interaction_and_the_strong_baseline_has(predictions) -> None:
    _, _, found = predictions
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
    assert len(rows) == 3


def test_classes_have_the_base_rate_below_and_the_measured_effects_above(scores) -> None:
    rows = scores[scores["group"] == "interaction classes"].set_index(["metric", "model"])
    synergy = rows.loc["precision_10, synergy"]
    assert synergy.floor["additive"] == pytest.approx(24 / 86, abs=0.02)
    assert 0.4 <= synergy.ceiling["additive"] <= 0.9
    assert {"no change", "additive", "strong"} <= set(synergy.index)
    assert "truth" not in set(synergy.index)
    assert len(rows.index.levels[0]) == 5
