from __future__ import annotations

import numpy as np
import pytest
import torch

from gpjepa.objectives.vicreg import (
    COVARIANCE_WEIGHT,
    INVARIANCE_WEIGHT,
    VARIANCE_WEIGHT,
    VICReg,
    covariance_term,
    variance_term,
    vicreg,
)

ROWS, WIDTH = 40, 5


@pytest.fixture
def views() -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    mix = torch.randn((WIDTH, WIDTH), generator=generator)
    a = 0.4 * torch.randn((ROWS, WIDTH), generator=generator) @ mix
    return a, a + 0.3 * torch.randn((ROWS, WIDTH), generator=generator)


def paper_variance(z: np.ndarray) -> float:
    """Equation 1: mean over dimensions of max(0, γ − √(Var + ε)), γ = 1, ε = 1e-4."""
    total = 0.0
    for column in z.T:
        spread = sum((x - column.mean()) ** 2 for x in column) / (len(column) - 1)
        total += max(0.0, 1.0 - np.sqrt(spread + 1e-4))
    return total / z.shape[1]


def paper_covariance(z: np.ndarray) -> float:
    """Equations 3 and 4: squared off-diagonal covariances, summed and divided by d."""
    n, d = z.shape
    covariance = sum(np.outer(row - z.mean(0), row - z.mean(0)) for row in z) / (n - 1)
    return sum(covariance[i, j] ** 2 for i in range(d) for j in range(d) if i != j) / d


def test_terms_are_those_of_the_paper_up_to_the_stated_averages(views) -> None:
    own = vicreg(*views)
    a, b = (view.double().numpy() for view in views)
    # Equation 5 sums squared distances over dimensions, as its published code does not.
    invariance = np.mean([np.sum((x - y) ** 2) for x, y in zip(a, b, strict=True)])
    assert float(own.invariance) == pytest.approx(invariance / WIDTH, rel=1e-5)
    assert float(own.variance) == pytest.approx(
        (paper_variance(a) + paper_variance(b)) / 2, rel=1e-5
    )
    assert float(own.covariance) == pytest.approx(
        (paper_covariance(a) + paper_covariance(b)) / 2, rel=1e-5
    )


def test_the_total_weighs_the_terms_25_25_1(views) -> None:
    own = vicreg(*views)
    expected = 25.0 * own.invariance + 25.0 * own.variance + 1.0 * own.covariance
    torch.testing.assert_close(own.total(), expected)
    assert (INVARIANCE_WEIGHT, VARIANCE_WEIGHT, COVARIANCE_WEIGHT) == (25.0, 25.0, 1.0)


def test_anti_collapse_is_the_total_without_invariance_in_its_units() -> None:
    own = VICReg(torch.tensor(7.0), torch.tensor(0.5), torch.tensor(10.0))
    assert float(own.anti_collapse()) == pytest.approx(0.5 + 10.0 / 25.0)
    assert float(own.total() - 25.0 * own.anti_collapse()) == pytest.approx(25.0 * 7.0)


def test_collapse_makes_the_variance_term_gamma() -> None:
    collapsed = torch.full((ROWS, WIDTH), 3.0)
    # √ε = .01 keeps the gradient of the root finite
    assert float(variance_term(collapsed)) == pytest.approx(1.0 - 0.01, abs=1e-6)
    assert float(variance_term(collapsed, gamma=2.0, eps=0.0)) == pytest.approx(2.0)


def test_dimensions_of_unit_spread_cost_no_variance_and_one_collapsed_costs_its_share() -> None:
    z = 2.0 * torch.randn((500, 4), generator=torch.Generator().manual_seed(1))
    assert float(variance_term(z)) == 0.0
    z[:, 2] = 0.0
    assert float(variance_term(z)) == pytest.approx(0.99 / 4, abs=1e-6)


def test_collapse_has_a_finite_gradient() -> None:
    z = torch.zeros((ROWS, WIDTH), requires_grad=True)
    variance_term(z).backward()
    assert bool(torch.isfinite(z.grad).all())


def test_orthogonal_dimensions_have_no_covariance_and_a_copied_one_its_variance_squared() -> None:
    z = torch.randn((ROWS, 3), generator=torch.Generator().manual_seed(2)).double()
    q = 10.0 * torch.linalg.qr(z - z.mean(dim=0))[0]  # orthogonal and still centred
    assert float(covariance_term(q)) < 1e-12
    copied = torch.cat((q[:, :1], q[:, :1]), dim=1)
    assert float(covariance_term(copied)) == pytest.approx(float(q[:, 0].var()) ** 2)


def test_shifting_all_cells_changes_neither_variance_nor_covariance(views) -> None:
    z = views[0].double()
    torch.testing.assert_close(variance_term(z + 7.0), variance_term(z))
    torch.testing.assert_close(covariance_term(z + 7.0), covariance_term(z))


def test_equal_views_have_no_invariance_cost(views) -> None:
    own = vicreg(views[0], views[0])
    assert float(own.invariance) == 0.0
    torch.testing.assert_close(own.covariance, covariance_term(views[0]))


def test_moments_are_computed_in_single_precision(views) -> None:
    own = vicreg(*(view.bfloat16() for view in views))
    assert {x.dtype for x in (own.invariance, own.variance, own.covariance)} == {torch.float32}
