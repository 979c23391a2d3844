"""The Mersenne Twister MT19937, its 624 words regenerated and read several at once; numba.

Source: Matsumoto and Nishimura 1998.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numba import njit

FLOAT, WORD = np.float32, np.uint32
WORDS, AHEAD = 624, 397
UPPER, LOWER, TWIST = WORD(0x80000000), WORD(0x7FFFFFFF), WORD(0x9908B0DF)
MASK_B, MASK_C = WORD(0x9D2C5680), WORD(0xEFC60000)
MANTISSA, STEP = WORD(0xFFFFFF), FLOAT(2.0**-24)
OPTIONS: Mapping[str, Any] = {"error_model": "numpy", "nogil": True, "cache": True}


@njit(**OPTIONS)
def _twisted(word, following):
    y = WORD((word & UPPER) | (following & LOWER))
    odd = WORD(WORD(0) - WORD(following & WORD(1)))
    return WORD(WORD(y >> WORD(1)) ^ WORD(odd & TWIST))


@njit(**OPTIONS)
def _regenerate(words):
    back = WORDS - AHEAD
    for i in range(back):
        words[i] = WORD(words[i + AHEAD] ^ _twisted(words[i], words[i + 1]))
    for i in range(back, WORDS - 1):
        words[i] = WORD(words[i - back] ^ _twisted(words[i], words[i + 1]))
    words[WORDS - 1] = WORD(words[AHEAD - 1] ^ _twisted(words[WORDS - 1], words[0]))


@njit(**OPTIONS)
def _read(words, out):
    """Write a number in [0, 1), a multiple of 2⁻²⁴, of each word."""
    for i in range(out.shape[0]):
        y = words[i]
        y = WORD(y ^ WORD(y >> WORD(11)))
        y = WORD(y ^ WORD(WORD(y << WORD(7)) & MASK_B))
        y = WORD(y ^ WORD(WORD(y << WORD(15)) & MASK_C))
        y = WORD(y ^ WORD(y >> WORD(18)))
        out[i] = FLOAT(np.int32(y & MANTISSA)) * STEP


@njit(**OPTIONS)
def uniform(words, at, out):
    """Fill `out` from the `words` [624] on, of which those before `at` are spent.

    Returns where the next number begins; 624 is the end, after which words are regenerated.
    """
    done = 0
    while done < out.shape[0]:
        if at == WORDS:
            _regenerate(words)
            at = 0
        count = min(WORDS - at, out.shape[0] - done)
        _read(words[at : at + count], out[done : done + count])
        at += count
        done += count
    return at
