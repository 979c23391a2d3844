from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest

from gpjepa.planning.sets import padded
from gpjepa.planning.shift_guess import ShiftGuess

MEMBERS, LATENT = 12, 5
RNG = np.random.default_rng(0)
FIRST = RNG.normal(size=(MEMBERS, LATENT))
TURN = 0.3 * RNG.normal(size=(LATENT, LATENT))
OWN = {pair: 0.2 * RNG.normal(size=LATENT) for pair in combinations(range(MEMBERS), 2)}


def every(size: int) -> np.ndarray:
    return padded(combinations(range(MEMBERS), size), 3)


def shifts(sets: np.ndarray, own: float = 0.0, triple: float = 0.0) -> np.ndarray:
    """Sums, a linear map and `own` shifts of pairs, and a share of the sum in triples."""
    found = []
    for row in sets:
        key = [member for member in row if member >= 0]
        total = FIRST[key].sum(axis=0)
        beyond = np.zeros(LATENT)
        for pair in combinations(key, 2):
            beyond = beyond + FIRST[list(pair)].sum(axis=0) @ TURN + own * OWN[pair]
        found.append(total + beyond + (triple * total if len(key) == 3 else 0.0))
    return np.array(found)


def taught(*seen: np.ndarray, **world) -> ShiftGuess:
    guess = ShiftGuess(MEMBERS, LATENT)
    for sets in (every(1), *seen):
        guess.learn(sets, shifts(sets, **world))
    return guess


def off(guess: ShiftGuess, sets: np.ndarray, **world) -> float:
    return float(np.abs(guess(sets) - shifts(sets, **world)).mean())


def test_without_pairs_shifts_are_sums() -> None:
    guess = taught()
    np.testing.assert_allclose(guess(every(2)), [FIRST[[i, j]].sum(axis=0) for i, j, _ in every(2)])


def test_members_never_scored_cannot_be_guessed() -> None:
    guess = ShiftGuess(MEMBERS, LATENT)
    guess.learn(every(1)[:4], FIRST[:4])
    found = guess(np.array([[0, 3, -1], [0, 4, -1], [5, -1, -1]]))
    np.testing.assert_array_equal(np.isnan(found).any(axis=1), [False, True, True])


def test_pairs_seen_are_exact_and_others_follow_them() -> None:
    pairs = every(2)
    guess = taught(pairs[::2], own=1.0)
    assert off(guess, pairs[::2], own=1.0) == pytest.approx(0, abs=1e-12)
    assert off(guess, pairs[1::2], own=1.0) < 0.6 * off(taught(own=1.0), pairs[1::2], own=1.0)


def test_triples_are_the_sum_of_the_pairs_seen() -> None:
    guess = taught(every(2), own=1.0)
    assert off(guess, every(3), own=1.0) == pytest.approx(0, abs=1e-10)


def test_what_triples_do_beyond_their_pairs_is_learned_from_triples() -> None:
    world = {"own": 0.5, "triple": -0.4}
    before = off(taught(every(2), **world), every(3)[1::2], **world)
    after = off(taught(every(2), every(3)[::2], **world), every(3)[1::2], **world)
    assert after < 0.15 * before


def test_sets_with_a_member_that_is_not_known_teach_nothing() -> None:
    guess, pairs = ShiftGuess(MEMBERS, LATENT), every(2)
    guess.learn(every(1)[:3], FIRST[:3])
    guess.learn(pairs[-1:], shifts(pairs[-1:]))
    np.testing.assert_allclose(guess(pairs[:1]), FIRST[[0, 1]].sum(axis=0)[None])


def test_a_pair_seen_again_is_taken_as_last_seen() -> None:
    guess, pair = taught(every(2)), every(2)[:1]
    guess.learn(pair, np.ones((1, LATENT)))
    np.testing.assert_allclose(guess(pair), np.ones((1, LATENT)))
