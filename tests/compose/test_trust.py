from dataclasses import replace

import numpy as np
import pytest

from gpjepa.compose.stack import fit_stack
from gpjepa.compose.trust import FAR, GAIN, RELIABLE, fit_gain, verdicts
from gpjepa.inference.judgement import DO_NOT_TRUST, USE_MODEL, USE_SUM

NAN = float("nan")


@pytest.mark.parametrize(
    ("label", "ratio", "relative", "novelty", "expected"),
    [
        ("A+B", 1 - GAIN, 0.5, 0.0, USE_MODEL),
        ("A+B", 1 - 0.9 * GAIN, 0.5, 0.0, USE_SUM),
        ("A+B", NAN, NAN, 0.0, USE_SUM),
        ("A+B", 0.1, 1.01 * RELIABLE, 0.0, DO_NOT_TRUST),
        ("A+B", 0.1, 0.1, 1.01 * FAR, DO_NOT_TRUST),
        ("A", NAN, NAN, 0.0, USE_MODEL),
        ("A", NAN, 0.9 * RELIABLE, 0.5, USE_MODEL),
        ("A", NAN, NAN, 0.5, DO_NOT_TRUST),
    ],
)
def test_a_verdict_follows_from_gain_error_and_novelty(label, ratio, relative, novelty, expected):
    numbers = (np.array([each]) for each in (ratio, relative, novelty))
    assert verdicts([label], *numbers) == (expected,)


def test_the_expected_ratio_is_what_doubles_left_out_showed(screen, alone):
    stack = fit_stack(screen, alone)
    gain = fit_gain(stack, alone)
    held_out = stack.held_out
    found = gain.ratio(alone, held_out.labels, held_out.truth + stack.errors)
    own = np.linalg.norm(stack.errors, axis=1) / held_out.scale
    assert 0.7 < np.exp(np.log(found).mean() - np.log(own).mean()) < 1.4
    assert np.corrcoef(np.log(found), np.log(own))[0, 1] > 0.4
    assert fit_gain(replace(stack, held_out=None), alone) is None
