from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

pytest.importorskip("numba")

from gpjepa.model.kernels import draws

DRAWS = 20_000


def many(draw, *given) -> np.ndarray:
    state, found = np.uint64(7), []
    for _ in range(DRAWS):
        state, value = draw(np.uint64(state), *given)
        found.append(value)
    return np.array(found)


def test_uniform_numbers_and_waits_follow_their_laws() -> None:
    numbers = many(draws.uniform)
    assert 0.0 <= numbers.min() < numbers.max() < 1.0
    assert stats.kstest(numbers, "uniform").pvalue > 1e-3
    assert abs(np.corrcoef(numbers[1:], numbers[:-1])[0, 1]) < 0.03
    assert stats.kstest(many(draws.waiting), "expon").pvalue > 1e-3


def test_streams_of_seeds_begin_apart() -> None:
    states = np.array([[draws.stream(seed, n) for n in range(1, 101)] for seed in range(200)])
    assert len(np.unique(states)) == states.size
    first = np.array([draws.uniform(np.uint64(state))[1] for state in states.ravel()])
    assert stats.kstest(first, "uniform").pvalue > 1e-3
    for one in (first.reshape(states.shape), first.reshape(states.shape).T):
        assert abs(np.corrcoef(one[:-1].ravel(), one[1:].ravel())[0, 1]) < 0.03


@pytest.mark.parametrize("share", [0.01, 0.4, 0.9, 0.99])
def test_the_logarithmic_series_is_scipys(share) -> None:
    found, expected = many(draws.logarithmic, share), stats.logser(share)
    upto = int(expected.ppf(0.99)) + 1
    seen = np.bincount(np.minimum(found, upto + 1), minlength=upto + 2)[1:]
    shares = np.append(expected.pmf(np.arange(1, upto + 1)), expected.sf(upto))
    assert stats.chisquare(seen, shares / shares.sum() * DRAWS).pvalue > 1e-3


@pytest.mark.parametrize(("size", "mean"), [(0.2, 0.01), (3.0, 2.0), (1.5, 300.0), (80.0, 60.0)])
def test_negative_binomial_numbers_have_its_moments(size, mean) -> None:
    found = many(draws.negative_binomial, size, mean)
    spread = mean + mean**2 / size
    assert abs(found.mean() - mean) < 4.5 * np.sqrt(spread / DRAWS)
    assert found.var() == pytest.approx(spread, rel=0.25)


def test_thinned_counts_are_binomial() -> None:
    found = many(draws.thinned, 12, 0.25)
    expected = stats.binom(12, 0.25).pmf(np.arange(8)) * DRAWS
    seen = np.bincount(np.minimum(found, 7), minlength=8)
    expected[7] = DRAWS - expected[:7].sum()
    assert stats.chisquare(seen, expected).pvalue > 1e-3
