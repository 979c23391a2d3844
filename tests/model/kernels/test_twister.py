from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("numba")

from gpjepa.model.kernels import twister


def test_words_and_numbers_are_those_of_numpys_twister() -> None:
    reference = np.random.MT19937()
    state = reference.state["state"]
    words, at = state["key"].copy(), int(state["pos"])
    for count in (3, 621, 624, 1, 1300):
        raw = reference.random_raw(count).astype(np.uint32)
        out = np.empty(count, np.float32)
        at = twister.uniform(words, at, out)
        np.testing.assert_array_equal(out, (raw & 0xFFFFFF).astype(np.float32) * 2.0**-24)
    assert at == reference.state["state"]["pos"]
    np.testing.assert_array_equal(words, reference.state["state"]["key"])
