from __future__ import annotations

import pytest
import torch

from gpjepa.core.errors import ConfigError
from gpjepa.objectives.weights import Term, Terms


def test_a_term_enters_with_its_weight() -> None:
    term = Term("nb", torch.tensor(3.0), 0.5)
    assert float(term.weighted()) == 1.5
    assert float(term.value) == 3.0
    assert float(Term("kl", torch.tensor(3.0)).weighted()) == 3.0


def test_the_total_is_the_weighted_sum_and_its_gradient_the_weights() -> None:
    values = [torch.tensor(x, requires_grad=True) for x in (2.0, 5.0, 7.0)]
    terms = tuple(
        Term(name, value, weight)
        for name, value, weight in zip("abc", values, (1.0, 0.1, 3.0), strict=True)
    )
    total = Terms(terms).total()
    total.backward()
    assert float(total.detach()) == pytest.approx(2.0 + 0.5 + 21.0)
    assert [float(value.grad) for value in values] == pytest.approx([1.0, 0.1, 3.0])


def test_a_term_of_weight_zero_takes_no_part_even_when_it_is_not_finite() -> None:
    watched = torch.tensor(float("nan"), requires_grad=True)
    terms = Terms((Term("watched", watched, 0.0), Term("nb", torch.tensor(4.0), 0.5)))
    assert float(terms.total()) == 2.0
    assert watched.grad is None


def test_an_objective_without_any_weight_is_refused() -> None:
    terms = Terms((Term("predict", torch.tensor(4.0), 0.0), Term("vicreg", torch.tensor(1.0), 0.0)))
    with pytest.raises(ConfigError, match=r"weight 0 \(predict, vicreg\); expected at least one"):
        terms.total()
