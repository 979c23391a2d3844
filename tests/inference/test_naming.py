from __future__ import annotations

import pytest

from gpjepa.core.errors import NumericError
from gpjepa.inference.naming import drawing
from gpjepa.model.diffusion.samplers import NonFiniteScore


def test_a_score_that_is_not_finite_is_told_with_step_and_perturbation() -> None:
    told = r"perturbation 'A\+B': the score of 2 of 9 cells is not finite at sampling step 3"
    with pytest.raises(NumericError, match=told) as caught, drawing("A+B"):
        raise NonFiniteScore(3, (0, 4), 9)
    assert isinstance(caught.value.__cause__, NonFiniteScore)


def test_other_errors_pass_as_they_are() -> None:
    with pytest.raises(NumericError, match="^rates$"), drawing("A"):
        raise NumericError("rates")
