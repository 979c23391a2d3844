"""Random numbers and counts drawn from them; numba.

A stream is a 64-bit state, so that cells with a seed each do not depend on how they are shared
out among threads. Source of the generator: Steele et al. 2014, SplitMix64.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from numba import njit

WORD = np.uint64
STEP, FIRST, SECOND = WORD(0x9E3779B97F4A7C15), WORD(0xBF58476D1CE4E5B9), WORD(0x94D049BB133111EB)
UNIT = 1.0 / 9007199254740992.0  # 2⁻⁵³
MUCH = np.float32(4.0)  # expected events of a gene from which its count is drawn by itself
MOST = 24.0  # expected counts that are found by going up from 0
OPTIONS: Mapping[str, Any] = {"error_model": "numpy", "nogil": True, "cache": True}


@njit(**OPTIONS)
def _mixed(state):
    z = WORD((state ^ WORD(state >> WORD(30))) * FIRST)
    z = WORD((z ^ WORD(z >> WORD(27))) * SECOND)
    return WORD(z ^ WORD(z >> WORD(31)))


@njit(**OPTIONS)
def stream(seed, number):
    """Return the first state of one of the streams of a seed, which are numbered from 1."""
    return _mixed(WORD(_mixed(WORD(seed)) + WORD(number)))


@njit(**OPTIONS)
def uniform(state):
    """Return the next state and a number in [0, 1)."""
    state = WORD(state + STEP)
    return state, float(_mixed(state) >> WORD(11)) * UNIT


@njit(**OPTIONS)
def waiting(state):
    """Return the next state and an exponential number of mean 1."""
    state, chance = uniform(state)
    return state, -math.log1p(-chance)


@njit(**OPTIONS)
def upward(size, mean, chance):
    """Return the NB count, of dispersion `size`, at which probabilities sum to `chance`.

    The search ends where float64 can add nothing.
    """
    if chance < 1.0 - mean:  # NB(0) is no less
        return 0
    share = mean / (mean + size)
    count, term = 0, math.exp(-size * math.log1p(mean / size))
    total = term
    while total <= chance and (term > 1e-18 or count < 2.0 * MOST):
        term *= share * (size + count) / (count + 1.0)
        count += 1
        total += term
    return count


@njit(**OPTIONS)
def negative_binomial(state, size, mean):
    """Draw an NB count; one of a great mean is the sum of several of small ones."""
    parts = max(math.ceil(mean / MOST), 1)
    total = 0
    for _ in range(parts):
        state, chance = uniform(state)
        total += upward(size / parts, mean / parts, chance)
    return state, total


@njit(**OPTIONS)
def logarithmic(state, share):
    """Draw from the logarithmic series, P(k) ∝ `share`ᵏ/k for k ≥ 1.

    Source: Kemp 1981, algorithm LK.
    """
    state, chance = uniform(state)
    if chance >= share:
        return state, 1
    while True:
        state, other = uniform(state)
        q = -math.expm1(math.log1p(-share) * other)
        if chance >= q:
            return state, 1
        if chance > q * q:
            return state, 2
        if chance > 0.0:
            return state, int(1.0 + math.log(chance) / math.log(q))


@njit(**OPTIONS)
def thinned(state, count, keep):
    """Draw how many of `count` are kept, each with probability `keep`."""
    kept = 0
    for _ in range(count):
        state, chance = uniform(state)
        kept += chance < keep
    return state, kept
