from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest

from gpjepa.benchmark import rounds
from gpjepa.benchmark.rounds import BATCH, Aim, Notebook, goals, pool_of, replay, rounds_rows
from gpjepa.evaluation.effect_table import EffectTable


@pytest.fixture(scope="module")
def table() -> EffectTable:
    """Doubles that are the sum of their singles and a little noise."""
    rng = np.random.default_rng(0)
    singles = rng.normal(size=(14, 6))
    names = [f"G{index:02d}" for index in range(14)]
    pairs = list(combinations(range(14), 2))
    doubles = np.array([singles[a] + singles[b] for a, b in pairs])
    doubles += rng.normal(size=doubles.shape) * 0.01
    labels = (*names, *(f"{names[a]}+{names[b]}" for a, b in pairs))
    return EffectTable(labels, np.concatenate((singles, doubles)))


def test_additive_finds_the_best_of_additive_doubles_in_the_first_round(table) -> None:
    for aim, pool in goals(pool_of(table), 6, np.random.default_rng(0)):
        curve = replay(pool, aim, rounds.additive)
        assert curve.tolist() == [1.0] * rounds.ROUNDS


def test_a_policy_sees_only_what_it_measured(table) -> None:
    pool = pool_of(table)
    aim, rng = Aim(np.ones(6), False), np.random.default_rng(0)
    measured = list(range(12))
    others = pool.effects.copy()
    others[12:] = 1e3 * rng.normal(size=others[12:].shape)
    for policy in (rounds.ours, rounds.greedy, rounds.additive):
        chosen = [
            policy(Notebook(rounds.Pool(pool.alone, pool.labels, effects), aim, list(measured)))
            for effects in (pool.effects, others)
        ]
        assert chosen[0].tolist() == chosen[1].tolist()
        assert len(set(chosen[0].tolist())) == BATCH
        assert not set(chosen[0].tolist()) & set(measured)


def test_a_state_leaves_the_pool_and_its_worth_is_the_same_along_directions(table) -> None:
    pool = pool_of(table)
    (aim, rest), (along, whole) = goals(pool, 2, np.random.default_rng(0))
    assert len(rest.labels) == len(pool.labels) - 1
    assert np.linalg.norm(rest.effects - aim.vector, axis=1).min() > 0
    assert len(whole.labels) == len(pool.labels)
    basis = np.linalg.qr(np.random.default_rng(0).normal(size=(6, 6)))[0][:4]
    inside = pool.effects @ basis.T
    for each in (aim, along):
        lifted, slopes = each.worth(inside @ basis)
        worth, inner = each.worth(inside, basis)
        assert worth == pytest.approx(lifted)
        assert inner == pytest.approx(slopes @ basis.T)


def test_the_area_of_the_perfect_and_of_the_random_policy(table) -> None:
    def perfect(book: Notebook) -> np.ndarray:
        worth, _ = book.aim.worth(book.pool.effects[book.left])
        return book.left[np.argsort(-worth)[:BATCH]]

    frame = rounds_rows(table, 0, 4, [("perfect", perfect)])
    area = frame[(frame.metric == "area") & (frame.group == rounds.BOTH)].set_index("model")
    assert area.value["perfect"] == 1.0
    expected = np.mean([10 * step / size for step in range(1, 7) for size in (90, 91)])
    assert area.value["random"] == pytest.approx(expected)
    assert (area.floor == area.value["random"]).all()
    assert area.n.tolist() == [4, 4]
