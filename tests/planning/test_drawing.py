from __future__ import annotations

import numpy as np

from gpjepa.planning.drawing import draw_sets
from gpjepa.planning.sets import sizes
from gpjepa.planning.space import Space


def names(count: int) -> tuple[str, ...]:
    return tuple(map(str, range(count)))


def test_draws_are_even_over_sets_of_all_sizes() -> None:
    space = Space(names(30), 3)
    counts = np.zeros(4)
    for seed in range(200):
        counts += np.bincount(sizes(draw_sets(space, 40, np.random.default_rng(seed))), minlength=4)
    shares = np.array([0, 30, 435, 4060]) / 4525
    np.testing.assert_allclose(counts / counts.sum(), shares, atol=0.012)


def test_every_set_comes_when_all_are_wanted() -> None:
    space = Space(names(12), 3, required=(4,))
    assert len(draw_sets(space, 10_000, np.random.default_rng(0))) == space.count() == 67


def test_sets_are_found_where_hardly_a_draw_fits() -> None:
    cost = np.full(400, 10.0)
    cost[:3] = 1.0
    space = Space(names(400), 3, 3, cost=cost, most_cost=12.0)
    found = draw_sets(space, 50, np.random.default_rng(0))
    assert space.allows(found).all()
    assert len(found) > 10


def test_the_same_seed_draws_the_same_sets() -> None:
    space = Space(names(50), 3)
    one, other = (draw_sets(space, 100, np.random.default_rng(3)) for _ in range(2))
    np.testing.assert_array_equal(one, other)
