from __future__ import annotations

import numpy as np
import pytest

from gpjepa.core.total_variance import alike, variance_shares

WEIGHTS = np.array([0.5, 1.0, 0.7, 1.5])  # of four independent sources
TRUE = WEIGHTS**2 / (WEIGHTS**2).sum()


def nested(cells: int, seed: int) -> tuple[np.ndarray, list[np.ndarray]]:
    """Return sums of four sources for three genes, and copies that share one, two and three."""
    rng = np.random.default_rng(seed)
    sources = WEIGHTS[:, None, None] * rng.standard_normal((4, cells, 3))
    again = WEIGHTS[:, None, None] * rng.standard_normal((3, 4, cells, 3))
    copies = [
        sources[: kept + 1].sum(axis=0) + again[kept, kept + 1 :].sum(axis=0) for kept in range(3)
    ]
    return sources.sum(axis=0) + 7.0, [copy - 2.0 for copy in copies]


def test_shares_are_those_of_independent_sources_and_sum_to_one() -> None:
    cells, copies = nested(20_000, 0)
    shares, errors = variance_shares(cells, copies)
    assert shares.sum() == pytest.approx(1.0)
    assert (np.abs(shares - TRUE) < 4 * errors).all()
    assert (errors < 0.02).all()


def test_errors_are_the_spread_over_repetitions() -> None:
    found = [variance_shares(*nested(400, seed)) for seed in range(60)]
    spread = np.std([shares for shares, _ in found], axis=0)
    errors = np.mean([errors for _, errors in found], axis=0)
    assert ((errors / spread > 0.7) & (errors / spread < 1.4)).all()


def test_cells_that_do_not_differ_have_no_shares() -> None:
    shares, _ = variance_shares(np.ones((40, 2)), [np.ones((40, 2))])
    assert np.isnan(shares).all()


def test_one_cell_is_refused() -> None:
    with pytest.raises(ValueError, match="found 1 cells; expected two or more; draw more cells"):
        variance_shares(np.ones((1, 2)), [np.ones((1, 2))])


@pytest.mark.parametrize("cells", [2, 9, 50])
def test_partners_are_others_of_about_the_same_value(cells) -> None:
    values = np.random.default_rng(cells).random(cells)
    partner = alike(values)
    assert (partner != np.arange(cells)).all()
    ranks = np.argsort(np.argsort(values))
    assert np.abs(ranks[partner] - ranks).max() <= 1
