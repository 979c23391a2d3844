from __future__ import annotations

import numpy as np
import pytest

from gpjepa.benchmark.recovery import RECOVERY, blind, recovery_rows, summary, true_ranks


def test_the_right_candidate_of_highest_cosine_is_first_whatever_its_length() -> None:
    predicted = np.array([[3.0, 0.0], [0.0, 0.1], [1.0, 1.0]])
    truth = np.array([[1.0, 0.0], [0.1, 5.0], [0.2, 1.0]])
    assert true_ranks(predicted, truth, np.array([0, 1, 0])).tolist() == [1, 1, 3]


def test_tied_candidates_share_the_middle_rank() -> None:
    predicted = np.zeros((7, 2))
    assert true_ranks(predicted, np.ones((1, 2)), np.array([3])).tolist() == [4]


def test_ranks_are_summed_up() -> None:
    found = summary(np.array([1.0, 1.0, 10.0, 11.0]))
    assert found == {"rank_1": 0.5, "top_10": 0.75, "median_rank": 5.5}


def test_random_ranks_score_what_no_knowledge_is_said_to() -> None:
    ranks = np.random.default_rng(0).integers(1, 51, size=40_000)
    found = summary(ranks.astype(float))
    for metric, value in blind(50).items():
        assert found[metric] == pytest.approx(value, rel=0.05)


def test_rows_hold_every_model_and_no_knowledge_as_floor() -> None:
    predicted = np.eye(30)
    frame = recovery_rows("here", {"a": predicted}, predicted[:4], np.arange(4))
    best = frame[(frame.model == "a") & (frame.metric == "rank_1")]
    assert best.value.item() == 1.0
    assert best.floor.item() == pytest.approx(1 / 30)
    assert set(frame.model) == {"a", "no knowledge"}


def test_headlines_name_what_the_parts_score() -> None:
    metrics = set(summary(np.ones(2)))
    assert {each.metric for each in RECOVERY.headlines} <= metrics
    assert {each.group for each in RECOVERY.headlines} == {part.name for part in RECOVERY.parts}
