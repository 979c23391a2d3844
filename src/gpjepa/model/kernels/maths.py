"""exp, log, log1p and erf that a compiler can run on several numbers at once; single precision.

Polynomials on a reduced range with the float's own exponent, accurate to about 1e-7; numba. Beside
them sums and dot products.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from numba import njit

FLOAT, INT = np.float32, np.int32
# a product and a sum may be one instruction
FUSED: Mapping[str, Any] = {"error_model": "numpy", "fastmath": {"contract"}, "cache": True}
LEAST = FLOAT(-87.0)  # e to that is the smallest float32 that is not denormal
LOG2E, LN2_HIGH, LN2_LOW = FLOAT(1.44269504), FLOAT(0.693359375), FLOAT(-2.12194440e-4)
HALF, ONE = FLOAT(0.5), FLOAT(1.0)
ROUNDER = FLOAT(1.5 * 2**23)  # added, it rounds to a whole number
MANTISSA, ROOT_HALF = INT(23), INT(0x3F3504F3)
# of (2^r − 1)/r on [−1/2, 1/2], as in Cephes
T0, T1, T2 = FLOAT(1.535336188e-4), FLOAT(1.339887440e-3), FLOAT(9.618437358e-3)
T3, T4, T5 = FLOAT(5.550332472e-2), FLOAT(2.402264791e-1), FLOAT(6.931472029e-1)
# minimax coefficients of (log(1 + f) − f + f²/2)/f³
L0, L1, L2 = FLOAT(7.0376836292e-2), FLOAT(-1.1514610310e-1), FLOAT(1.1676998740e-1)
L3, L4, L5 = FLOAT(-1.2420140846e-1), FLOAT(1.4249322787e-1), FLOAT(-1.6668057665e-1)
L6, L7, L8 = FLOAT(2.0000714765e-1), FLOAT(-2.4999993993e-1), FLOAT(3.3333331174e-1)
# of the rational function of x² that is erf(x)/x on [−4, 4], as in XLA
P0, P1, P2 = FLOAT(-2.72614225801306e-10), FLOAT(2.77068142495902e-08), FLOAT(-2.10102402082508e-06)
P3, P4 = FLOAT(-5.69250639462346e-05), FLOAT(-7.34990630326855e-04)
P5, P6 = FLOAT(-2.95459980854025e-03), FLOAT(-1.60960333262415e-02)
Q0, Q1, Q2 = (
    FLOAT(-1.45660718464996e-05),
    FLOAT(-2.13374055278905e-04),
    FLOAT(-1.68282697438203e-03),
)
Q3, Q4 = FLOAT(-7.37332916720468e-03), FLOAT(-1.42647390514189e-02)


@njit(**FUSED)
def exp_below(x):
    """Return e^x for x ≤ 0.

    Accurate to 3e-7 and, where products are rounded, 1e-7 |x|.
    """
    x = max(x, LEAST)
    shifted = x * LOG2E + ROUNDER
    r = x * LOG2E - (shifted - ROUNDER)
    p = (((((T0 * r + T1) * r + T2) * r + T3) * r + T4) * r + T5) * r + ONE
    # the rounded power is in the last bits of the sum, from where it goes to the exponent
    exponent = INT(FLOAT(shifted).view(np.int32) << MANTISSA)
    return INT(FLOAT(p).view(np.int32) + exponent).view(np.float32)


@njit(**FUSED)
def log_of(y):
    """Return log y for y above the denormal numbers."""
    bits = FLOAT(y).view(np.int32)
    power = INT((bits - ROOT_HALF) >> MANTISSA)
    f = INT(bits - INT(power << MANTISSA)).view(np.float32) - ONE
    p = ((((L0 * f + L1) * f + L2) * f + L3) * f + L4) * f + L5
    p = ((p * f + L6) * f + L7) * f + L8
    whole, square = FLOAT(power), f * f
    return f + (f * square * p - HALF * square + whole * LN2_LOW) + whole * LN2_HIGH


@njit(**FUSED)
def log1p_of(u):
    """Return log(1 + u) for u ≥ 0; what rounding 1 + u loses is put back."""
    y = ONE + u
    return log_of(y) + (u - (y - ONE)) / y


@njit(**FUSED)
def log1p_and_share(u):
    """Return log(1 + u), as `log1p_of`, and u / (1 + u), with one division."""
    y = ONE + u
    inverse = ONE / y
    return log_of(y) + (u - (y - ONE)) * inverse, u * inverse


@njit(**FUSED)
def erf(x):
    """Return the error function."""
    x = min(max(x, FLOAT(-4.0)), FLOAT(4.0))
    s = x * x
    p = (((((P0 * s + P1) * s + P2) * s + P3) * s + P4) * s + P5) * s + P6
    q = (((Q0 * s + Q1) * s + Q2) * s + Q3) * s + Q4
    return x * p / q


@njit(**FUSED)
def digamma(x):
    """Return ψ(x) for x ≥ 16 by its asymptotic series, double precision."""
    square = 1.0 / (x * x)
    series = square * (1.0 / 12.0 - square * (1.0 / 120.0 - square / 252.0))
    return math.log(x) - 0.5 / x - series


@njit(fastmath=True, error_model="numpy", cache=True)
def total_of(values):
    """Return the sum, made several at once."""
    total = FLOAT(0.0)
    for i in range(values.shape[0]):
        total += values[i]
    return total


@njit(fastmath=True, error_model="numpy", cache=True)
def dot(a, b):
    """Return the sum of products, made several at once; `b` has no more numbers than `a`."""
    total = FLOAT(0.0)
    for i in range(b.shape[0]):
        total += a[i] * b[i]
    return total
