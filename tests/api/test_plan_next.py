from __future__ import annotations

import numpy as np
import pytest

from gpjepa.api.plan_next import COLUMNS, next_experiments, unmeasured
from gpjepa.api.plan_space import Constraints, Names, space_of
from gpjepa.core.errors import ConfigError


@pytest.fixture(scope="module")
def space(model):
    return space_of(Constraints(2, 1), Names(model.bundle.vocabulary))


def test_pairs_that_were_measured_are_no_candidates(start, space, data) -> None:
    labels = unmeasured(start, space, data.perturbations)
    assert len(labels) > 3
    assert not set(labels) & set(data.perturbations)
    assert all(label.count("+") == 1 for label in labels)


def test_a_batch_for_the_model_removes_error_and_more_first(model, data) -> None:
    table = next_experiments(model, 4, data=data)
    assert tuple(table.columns) == COLUMNS
    assert len(set(table["perturbation"])) == 4
    assert (table["deviation"] > 0).all()
    assert (table["told"] > 0).all()
    assert table["told"].sum() <= 1 + 1e-9
    assert table["told"].is_monotonic_decreasing
    assert table["energy"].isna().all()


def test_a_batch_for_a_goal_has_the_energies_of_the_plan(model, data) -> None:
    table = next_experiments(model, 3, "A+B", data=data, cells=40)
    assert (table["purpose"] == "goal").all()
    assert np.isfinite(table["energy"]).all()
    assert (table["energy_sd"] > 0).all()
    again = next_experiments(model, 3, "A+B", data=data, cells=40)
    assert again["perturbation"].tolist() == table["perturbation"].tolist()


def test_forbidden_and_named_measured_ones_are_left_out(model, data) -> None:
    first = next_experiments(model, 1, data=data)["perturbation"][0]
    others = next_experiments(model, 3, data=data, measured=[first])["perturbation"].tolist()
    assert first not in others
    gene = first.split("+")[0]
    kept = next_experiments(model, 2, data=data, forbidden=[gene])["perturbation"]
    assert all(gene not in label.split("+") for label in kept)


def test_more_experiments_than_candidates_are_refused(model, data) -> None:
    with pytest.raises(ConfigError, match="500 experiments of"):
        next_experiments(model, 500, data=data)
