from __future__ import annotations

import numpy as np
import pytest

from gpjepa.compose.belief import believe


def parts(screen, measured: int):
    rows = screen.pairs.rows
    labels = [screen.labels[row] for row in rows]
    effects = screen.effects[rows]
    return labels[:measured], effects[:measured], labels[measured:], effects[measured:]


def test_the_mean_beats_the_sum_and_the_deviations_cover_the_errors(screen, alone) -> None:
    seen, effects, asked, truth = parts(screen, 40)
    belief, basis, _ = believe(alone, seen, effects, asked)
    error = belief.mean - truth @ basis.T
    sums = np.linalg.norm(alone.sums(asked) - truth, axis=1)
    assert np.linalg.norm(error, axis=1).mean() < 0.5 * sums.mean()
    variance = (np.diagonal(belief.covariance) + belief.noise)[:, None] * belief.spread**2
    standardised = (error**2).sum() / variance.sum()
    assert 0.2 < standardised < 5.0


def test_a_measured_pair_is_hardly_in_doubt_and_alike_pairs_vary_together(screen, alone) -> None:
    seen, effects, asked, _ = parts(screen, 40)
    belief, _, kernel = believe(alone, seen, effects, [*seen[:5], *asked])
    doubt = np.diagonal(belief.covariance) / (belief.noise / kernel.noise)
    assert doubt[:5].max() < doubt[5:].mean()
    assert np.linalg.eigvalsh(belief.covariance).min() > -1e-8


def test_a_given_kernel_is_kept(screen, alone) -> None:
    seen, effects, asked, _ = parts(screen, 30)
    first, _, kernel = believe(alone, seen, effects, asked)
    again, _, kept = believe(alone, seen, effects, asked, kernel)
    assert kept is kernel
    assert again.mean == pytest.approx(first.mean)


def test_without_measured_pairs_the_sum_is_believed_with_doubt(screen, alone) -> None:
    _, _, asked, _ = parts(screen, 0)
    belief, basis, _ = believe(alone, [], np.zeros((0, 12)), asked)
    assert belief.mean == pytest.approx(alone.sums(asked) @ basis.T)
    total = (np.diagonal(belief.covariance) + belief.noise).mean() * (belief.spread**2).sum()
    size = (belief.mean**2).sum(axis=1).mean()
    assert total == pytest.approx(0.25 * size, rel=0.2)  # half of a typical sum
