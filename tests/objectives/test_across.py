"""Alone here; with two processes in tests/distributed."""

from __future__ import annotations

import torch

from gpjepa.core.ranks import Rows
from gpjepa.model.draws import SharedGenerator
from gpjepa.objectives.across import WHOLE, Across
from gpjepa.objectives.vicreg import _vicreg_of_moments, vicreg

Z = torch.randn(2, 12, 5, generator=torch.Generator().manual_seed(0))


def test_alone_everything_is_what_torch_makes_of_the_rows() -> None:
    assert torch.equal(WHOLE.mean(Z[0]), Z[0].mean(dim=0))
    assert torch.equal(WHOLE.deviation(Z[0]), Z[0].std(dim=0))
    assert torch.equal(WHOLE.part(Z[0]), Z[0])
    assert torch.equal(WHOLE.total(Z[0]), Z[0])
    generator = torch.Generator()
    assert WHOLE.draws(generator) is generator


def test_the_covariance_is_that_of_numpy_and_its_gradient_that_of_finite_differences() -> None:
    across = Across(Rows(0, 12, 12))
    views = Z.double().requires_grad_()
    expected = torch.stack([torch.cov(view.T) for view in Z.double()])
    assert torch.allclose(across.covariance(views), expected)
    assert torch.autograd.gradcheck(across.covariance, (views,))


def test_terms_of_moments_are_those_of_rows() -> None:
    ours, theirs = _vicreg_of_moments(*Z, Across(Rows(0, 12, 12))), vicreg(*Z)
    for name in ("invariance", "variance", "covariance"):
        assert torch.allclose(getattr(ours, name), getattr(theirs, name), rtol=1e-5), name


def test_parts_are_weighted_by_rows_and_sums_by_what_is_counted() -> None:
    parts = [Across(Rows(0, 4, 6, 2)), Across(Rows(4, 6, 6, 2))]
    x = torch.arange(6.0)
    means = [across.part(x[across.rows.here].mean()) for across in parts]
    assert torch.isclose(sum(means) / 2, x.mean())
    sums = [across.share(x[across.rows.here].sum(), 6) for across in parts]
    assert torch.isclose(sum(sums) / 2, x.mean())
    assert float(parts[0].share(torch.tensor(0.0), 0)) == 0.0


def test_draws_are_of_the_whole_batch() -> None:
    source = Across(Rows(4, 6, 6, 2)).draws(torch.Generator())
    assert isinstance(source, SharedGenerator)
    assert source.rows.total == 6
