"""Rank-sum tests against scipy gene by gene."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import sparse, stats

from gpjepa.evaluation import rank_sums as module
from gpjepa.evaluation.rank_sums import rank_sums


def _cells(seed: int, cells: int, factor: float) -> tuple[sparse.csr_matrix, np.ndarray]:
    rng = np.random.default_rng(seed)
    library = rng.choice([50.0, 100.0, 173.0], size=cells)
    rates = np.array([0.2, 0.05, 0.01, 0.003, 0.0, 0.4]) * np.array([1, factor, 1, factor, 1, 1])
    return sparse.csr_matrix(rng.poisson(library[:, None] * rates)), library


def expected(
    cells: sparse.csr_matrix,
    library: np.ndarray,
    control: sparse.csr_matrix,
    control_library: np.ndarray,
) -> list[float]:
    first = np.log1p(1e4 * cells.toarray() / library[:, None]).round(9)
    second = np.log1p(1e4 * control.toarray() / control_library[:, None]).round(9)
    found = []
    for gene in range(first.shape[1]):
        pair = first[:, gene], second[:, gene]
        tied = np.ptp(np.concatenate(pair)) == 0
        found.append(1.0 if tied else stats.mannwhitneyu(*pair, method="asymptotic").pvalue)
    return found


@pytest.mark.parametrize("most", [1, 2_000_000])
def test_every_gene_and_population_equals_scipy_on_log_normalised_values_with_ties(
    most: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One population at a time, or all in one go, whose rates tie with each other too."""
    monkeypatch.setattr(module, "MOST_ENTRIES", most)
    control = _cells(1, 90, 1.0)
    sides = [_cells(2, 41, 1.0), _cells(3, 30, 2.0), _cells(2, 41, 1.0), _cells(5, 1, 1.0)]
    pvalues = rank_sums([side[0] for side in sides], [side[1] for side in sides], *control)
    for side, found in zip(sides, pvalues, strict=True):
        np.testing.assert_allclose(found, expected(*side, *control), rtol=1e-9)


def test_stored_zeros_and_large_counts_are_ranked_as_what_they_are() -> None:
    cells = sparse.csr_matrix(np.array([[5.0, 0.0], [70_000.0, 3.0], [2.0, 1.0]]))
    cells.data[1] = 0.0
    control = sparse.csr_matrix(np.array([[1.0, 3.0], [0.0, 2.0], [90_000.0, 0.0], [3.0, 1.0]]))
    library, control_library = np.full(3, 1e5), np.full(4, 1e5)
    found = rank_sums([cells], [library], control, control_library)[0]
    np.testing.assert_allclose(found, expected(cells, library, control, control_library))


def test_a_gene_expressed_in_every_cell_with_rate_one_stays_in_its_column() -> None:
    control = sparse.csr_matrix(np.array([[5, 0], [3, 0], [4, 0]]))
    perturbed = sparse.csr_matrix(np.array([[0, 5], [0, 3]]))
    found = rank_sums([perturbed], [np.array([5.0, 3.0])], control, np.array([5.0, 3.0, 4.0]))
    pvalue = stats.mannwhitneyu([0, 0], [1, 1, 1], method="asymptotic").pvalue
    np.testing.assert_allclose(found, [[pvalue, pvalue]])


def test_cells_without_counts_and_empty_sides_do_not_crash() -> None:
    empty = sparse.csr_matrix((3, 2))
    sides, libraries = [empty, empty[:0]], [np.zeros(3), np.zeros(0)]
    np.testing.assert_array_equal(rank_sums(sides, libraries, empty, np.zeros(3)), np.ones((2, 2)))
    np.testing.assert_array_equal(rank_sums(sides, libraries, empty[:0], np.zeros(0)), 1.0)
    assert rank_sums([], [], empty, np.zeros(3)).shape == (0, 2)


def test_p_values_are_uniform_under_the_null() -> None:
    rng = np.random.default_rng(5)
    rates = rng.gamma(2.0, 0.002, size=600)
    library = np.full(150, 1000.0)
    counts = sparse.csr_matrix(rng.poisson(library[:, None] * rates))
    pvalues = rank_sums([counts[100:]], [library[100:]], counts[:100], library[:100])
    assert (pvalues < 0.05).mean() == pytest.approx(0.05, abs=0.03)
