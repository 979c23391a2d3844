from __future__ import annotations

import pytest
import torch

from gpjepa.training.monitors import active_units, effective_rank, spread_monitors


def test_effective_rank_counts_the_dimensions_that_vary_alike() -> None:
    base = torch.eye(4).repeat(50, 1)  # after centring three directions of equal variance
    assert float(effective_rank(base)) == pytest.approx(3.0, abs=1e-3)
    line = torch.linspace(-1, 1, 50).unsqueeze(1) @ torch.ones(1, 6)
    assert float(effective_rank(line)) == pytest.approx(1.0, abs=1e-3)


def test_effective_rank_ignores_shift_and_scale() -> None:
    z = torch.randn(200, 5, generator=torch.Generator().manual_seed(0))
    assert float(effective_rank(3.0 * z + 7.0)) == pytest.approx(float(effective_rank(z)), rel=1e-4)


def test_a_collapsed_dimension_shows_in_the_smallest_deviation() -> None:
    z = torch.randn(100, 3, generator=torch.Generator().manual_seed(0))
    (term,) = spread_monitors("encoder", z)
    assert (term.name, term.weight) == ("monitor/encoder_min_std", 0.0)
    assert float(term.value) > 0.8
    z[:, 1] = 2.0
    assert float(spread_monitors("encoder", z)[0].value) == 0.0


def test_units_are_active_when_their_average_kl_reaches_a_hundredth_of_a_nat() -> None:
    kl = torch.zeros(10, 4)
    kl[:, 0], kl[:, 1] = 0.5, 0.009
    kl[0, 2] = 0.2  # 0.02 on average
    term = active_units(kl)
    assert (float(term.value), term.weight) == (2.0, 0.0)


def test_monitors_carry_no_gradient() -> None:
    z = torch.randn(10, 3, requires_grad=True)
    assert not spread_monitors("x", z)[0].value.requires_grad
    assert not active_units(z).value.requires_grad
    assert not effective_rank(z).requires_grad
