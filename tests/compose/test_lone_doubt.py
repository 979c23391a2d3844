from __future__ import annotations

import numpy as np
import pytest

from gpjepa.compose.belief import believe
from gpjepa.compose.experiments import next_experiments
from gpjepa.compose.fit import fit_table
from gpjepa.compose.lone_doubt import with_members
from gpjepa.core.errors import VocabularyError
from gpjepa.data.feature_table import GeneFeatures

NEW = ("NEW1", "NEW2", "ODD")  # two of a kind that was measured, and one like nothing


@pytest.fixture(scope="module")
def composer(screen):
    rng = np.random.default_rng(0)
    names = [f"G{index:02d}" for index in range(14)]
    kinds = np.eye(4)[[*(index % 3 for index in range(14)), 0, 0, 3]]
    values = np.concatenate((2 * kinds, 0.3 * rng.normal(size=(17, 3))), axis=1)
    features = GeneFeatures((*names, *NEW), values.astype(np.float32))
    return fit_table(screen.without(screen.pairs.rows[30:]), None, features, 0)


def about(composer, pairs, lone):
    held = composer.stack.held_out
    alone = composer.members((*pairs, *lone))
    belief, basis, _ = believe(alone, held.labels, held.truth, pairs)
    return belief, with_members(composer, belief, basis, pairs, lone)


def test_pairs_of_measured_genes_are_believed_as_before(composer) -> None:
    before, after = about(composer, ["G00+G05", "G01+G07"], [])
    assert after is before


def test_a_gene_tells_of_its_pairs_and_of_no_others(composer) -> None:
    pairs = ["G00+NEW1", "G01+NEW1", "G00+G05"]
    before, after = about(composer, pairs, ["NEW1"])
    own = after.covariance[3, 3]
    assert own > 0
    np.testing.assert_allclose(after.covariance[3, :3], [own, own, 0.0])
    np.testing.assert_allclose(after.covariance[:2, :2] - before.covariance[:2, :2], own)
    assert after.covariance[2, 2] == pytest.approx(before.covariance[2, 2])
    left = np.diagonal(after.after(3).covariance)
    assert (left[:2] < np.diagonal(after.covariance)[:2] - 0.3 * own).all()
    assert left[2] == pytest.approx(after.covariance[2, 2])


def test_a_gene_like_nothing_measured_is_doubted_more(composer) -> None:
    _, after = about(composer, ["G00+G05"], ["NEW1", "ODD"])
    assert after.covariance[2, 2] > 1.2 * after.covariance[1, 1]
    assert after.covariance[1, 2] == 0.0


def test_the_doubt_is_as_large_as_errors_of_singles_left_out(composer) -> None:
    """Its share along the directions, of genes like those measured, in the unit of the table."""
    belief, after = about(composer, ["G00+G05"], ["NEW1"])
    said = (after.covariance[1, 1] + after.noise[1]) * (belief.spread**2).sum()
    errors = (composer.relations.errors**2).sum(axis=1).mean()
    assert 0.3 * errors < said < 3 * errors


def test_genes_never_measured_are_chosen_alone_and_in_pairs(composer) -> None:
    named = ["ODD", "NEW1", "G00+ODD", "G01+ODD", "G02+ODD", "G00+NEW1", "G00", "G00+G05"]
    batch = next_experiments(composer, 3, candidates=named)
    assert set(batch.labels) <= set(named) - {"G00"}
    assert batch.labels[0] in ("ODD", "G00+ODD", "G01+ODD", "G02+ODD")
    assert (batch.deviation > 0).all()
    assert batch.labels == next_experiments(composer, 3, candidates=named).labels


def test_a_goal_may_be_reached_by_a_gene_never_measured(composer) -> None:
    goal = composer.predict(["NEW1"]).effects[0]
    batch = next_experiments(composer, 1, goal, ["NEW1", "G01+G02", "G01+ODD"])
    assert batch.labels == ("NEW1",)
    assert batch.distance[0] < 1e-6 + 0.01 * np.linalg.norm(goal)
    assert next_experiments(composer, 1, goal, ["ODD", "NEW1"]).labels == ("NEW1",)


def test_a_gene_of_which_nothing_is_known_is_refused(composer) -> None:
    with pytest.raises(VocabularyError, match="has no features"):
        next_experiments(composer, 1, candidates=["G00+NOBODY"])
