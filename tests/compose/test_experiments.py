from __future__ import annotations

import numpy as np
import pytest

from gpjepa.compose.experiments import next_experiments
from gpjepa.compose.fit import fit_table
from gpjepa.core.errors import ConfigError, DataError


@pytest.fixture(scope="module")
def composer(screen):
    return fit_table(screen.without(screen.pairs.rows[30:]), None, None, 0)


def test_a_batch_is_of_distinct_unmeasured_pairs_and_the_same_for_the_same_seed(
    screen, composer
) -> None:
    batch = next_experiments(composer, 8)
    measured = {screen.labels[row] for row in screen.pairs.rows[:30]}
    assert len(set(batch.labels)) == 8
    assert not measured & set(batch.labels)
    assert np.isnan(batch.distance).all()
    assert batch.labels == next_experiments(composer, 8).labels


def test_doubles_too_few_to_learn_from_and_those_without_singles_count_as_measured(screen) -> None:
    few = fit_table(screen.without(screen.pairs.rows[5:]), None, None, 0)
    measured = {screen.labels[row] for row in screen.pairs.rows[:5]}
    batch = next_experiments(few, 14 * 13 // 2 - 5)
    assert not measured & set(batch.labels)


def test_a_goal_brings_pairs_close_to_it(screen, composer) -> None:
    rows = screen.pairs.rows[30:]
    labels = [screen.labels[row] for row in rows]
    goal = screen.effects[rows[4]]
    batch = next_experiments(composer, 5, goal, labels)
    apart = np.linalg.norm(screen.effects[rows] - goal, axis=1)
    found = [apart[labels.index(label)] for label in batch.labels]
    assert np.mean(found) < 0.6 * apart.mean()
    assert np.isfinite(batch.distance).all()
    assert (batch.deviation > 0).all()


def test_what_is_no_pair_no_goal_or_too_few_is_refused(composer) -> None:
    with pytest.raises(ConfigError, match="not a pair"):
        next_experiments(composer, 1, candidates=["G00+G01+G02"])
    with pytest.raises(DataError, match="expected 12"):
        next_experiments(composer, 1, np.ones(3))
    with pytest.raises(ConfigError, match="expected 1 to"):
        next_experiments(composer, 1000)
