from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import norm

from gpjepa.api.plan_search import shortlist
from gpjepa.api.plan_table import (
    as_good,
    beyond_sum,
    diverse,
    judged,
    require_finite,
    table_of,
)
from gpjepa.core.errors import NumericError
from gpjepa.planning.objective import Scores


@pytest.mark.parametrize("share", [1, 2, 3])
def test_at_most_so_many_sets_share_a_gene_and_the_best_come_first(share: int) -> None:
    sets = np.array([[0, 1], [0, 2], [0, -1], [1, 2], [3, 4], [0, 3]])
    rows = diverse(sets, 5, share)
    assert rows[0] == 0
    assert (np.diff(rows) > 0).all()
    used = sets[rows][sets[rows] >= 0]
    assert np.bincount(used).max() <= share
    for row in set(range(len(sets))) - set(rows):  # a set left out would have broken the limit
        earlier = sets[[r for r in rows if r < row]]
        counts = np.bincount(earlier[earlier >= 0], minlength=5)
        assert len(rows) == 5 or any(counts[m] >= share for m in sets[row] if m >= 0)


def test_without_a_limit_the_first_are_taken() -> None:
    assert diverse(np.zeros((9, 2), dtype=int), 4, None).tolist() == [0, 1, 2, 3]


def test_intervals_hold_both_errors(setup, found) -> None:
    listed = shortlist(setup, found)
    table = table_of(setup, listed, {"A"})
    half = norm.ppf(0.95) * np.hypot(table["energy_se"], table["model_sd"])
    np.testing.assert_allclose(table["high"] - table["energy"], half)
    assert (table["model_sd"] > 0).all()
    assert table.set_index("set")["measured"].to_dict()["A"]
    assert not table.set_index("set")["measured"].to_dict()["A+B"]


def test_sets_within_the_error_of_the_difference_are_as_good_as_the_first() -> None:
    rng = np.random.default_rng(0)
    common = rng.normal(size=200)
    influence = np.stack((common, common + 0.1 * rng.normal(size=200), rng.normal(size=200)))
    apart = np.array([0.0, 0.1, np.sqrt(2.0)]) / np.sqrt(200)
    assert as_good(1.0 + 0.8 * apart, influence).tolist() == [True, True, True]
    assert as_good(1.0 + 1.2 * apart, influence).tolist() == [True, False, False]


def test_the_table_marks_sets_that_are_as_good(setup, found) -> None:
    listed = shortlist(setup, found)
    table = table_of(setup, listed, None)
    influence = setup.population.influence(listed.sets)
    error = [np.std(each - influence[0], ddof=1) / np.sqrt(len(each)) for each in influence]
    gap = table["energy"] - table["energy"][0]
    assert table["as_good"].tolist() == (gap <= np.array(error)).tolist()
    assert table["as_good"][0]
    assert not table["as_good"].all()


def test_verdicts_and_novelty_are_those_of_effects(setup, model) -> None:
    labels = ("A", "C+D", "E+F")
    told = judged(setup, labels)
    effects = model.effects(labels).drop_duplicates("perturbation").set_index("perturbation")
    assert list(told.novelty) == effects.loc[list(labels), "novelty"].tolist()
    assert list(told.verdicts) == effects.loc[list(labels), "verdict"].tolist()


def test_the_nearest_measured_perturbation_shares_a_member(setup, found) -> None:
    table = table_of(setup, shortlist(setup, found), None)
    trained = set(setup.start.bundle.calibration.evidence.labels)
    for row in table.to_dict("records"):
        assert row["nearest"] in trained
        assert set(row["nearest"].split("+")) & set(row["set"].split("+"))
    assert table["measured"].isna().all()


def test_an_interaction_is_the_energy_beyond_the_sum(setup) -> None:
    sets = np.array([[0, 1], [4, -1]])  # cells of A and B together trained
    found = beyond_sum(setup, sets)
    assert found[1] == pytest.approx(0, abs=1e-5)
    assert found[0] != 0


def test_energies_that_are_not_finite_are_refused_only_where_none_is_left() -> None:
    scores = Scores(np.array([np.nan, 1.0]), np.zeros(2))
    assert require_finite(scores, ["A", "B"]).tolist() == [False, True]
    with pytest.raises(NumericError, match="all 1 sets is not finite .A"):
        require_finite(Scores(np.array([np.inf]), np.zeros(1)), ["A"])
