from __future__ import annotations

import numpy as np
import pytest
from scipy import special

pytest.importorskip("numba")

from gpjepa.model.kernels.maths import (
    digamma,
    dot,
    erf,
    exp_below,
    log1p_and_share,
    log1p_of,
    log_of,
    total_of,
)

POSITIVE = np.concatenate((10.0 ** np.linspace(-30, 30, 4001), np.linspace(0.5, 2.0, 1001)))


def test_logarithms_are_accurate_to_single_precision() -> None:
    for x in POSITIVE.astype(np.float32):
        assert float(log_of(x)) == pytest.approx(np.log(float(x)), rel=4e-7, abs=1e-7)
        assert float(log1p_of(x)) == pytest.approx(np.log1p(float(x)), rel=4e-7, abs=1e-37)
        both = [float(value) for value in log1p_and_share(x)]
        expected = [np.log1p(float(x)), float(x) / (1.0 + float(x))]
        assert both == pytest.approx(expected, rel=4e-7, abs=1e-37)
    assert log1p_of(np.float32(0.0)) == 0.0


def test_powers_of_e_are_accurate_to_single_precision() -> None:
    for x in np.linspace(-80.0, 0.0, 4001).astype(np.float32):
        expected = np.exp(float(x))
        assert float(exp_below(x)) == pytest.approx(expected, rel=3e-7 + 1e-7 * abs(float(x)))
    assert 0.0 <= float(exp_below(np.float32(-1e6))) < 2e-38
    assert exp_below(np.float32(0.0)) == 1.0


def test_sums_and_dot_products_are_those_of_double_precision() -> None:
    one, two = np.random.default_rng(0).uniform(0, 1, (2, 1001)).astype(np.float32)
    assert float(total_of(one)) == pytest.approx(one.astype(np.float64).sum(), rel=1e-6)
    assert float(dot(one, two)) == pytest.approx(one.astype(np.float64) @ two, rel=1e-6)


def test_the_error_function_is_scipys() -> None:
    for x in np.linspace(-12.0, 12.0, 4001).astype(np.float32):
        assert float(erf(x)) == pytest.approx(special.erf(float(x)), rel=4e-7)
    assert float(erf(np.float32(0.0))) == 0.0


@pytest.mark.parametrize("x", [16.0, 17.3, 100.0, 1e5])
def test_digamma_is_scipys(x) -> None:
    assert digamma(x) == pytest.approx(special.digamma(x), rel=1e-9)
