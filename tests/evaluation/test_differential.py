"""Rank-sum tests against scipy gene by gene, and the agreement of calls."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import sparse, stats

from gpjepa.evaluation import differential


def _cells(seed: int, cells: int, factor: float) -> tuple[sparse.csr_matrix, np.ndarray]:
    rng = np.random.default_rng(seed)
    library = rng.choice([50.0, 100.0, 173.0], size=cells)
    rates = np.array([0.2, 0.05, 0.01, 0.003, 0.0, 0.4]) * np.array([1, factor, 1, factor, 1, 1])
    return sparse.csr_matrix(rng.poisson(library[:, None] * rates)), library


@pytest.mark.parametrize("factor", [1.0, 2.0])
def test_every_gene_equals_scipy_on_log_normalised_values_with_ties(factor: float) -> None:
    control, control_library = _cells(1, 90, 1.0)
    perturbed, library = _cells(2, 41, factor)
    pvalues = differential.rank_sum(
        perturbed, library, differential.rank_control(control, control_library)
    )
    first = np.log1p(1e4 * perturbed.toarray() / library[:, None])
    second = np.log1p(1e4 * control.toarray() / control_library[:, None])
    for gene in range(6):
        if gene == 4:
            assert pvalues[gene] == 1.0
            continue
        expected = stats.mannwhitneyu(
            first[:, gene].round(9), second[:, gene].round(9), method="asymptotic"
        ).pvalue
        assert pvalues[gene] == pytest.approx(expected, rel=1e-9)


def test_a_gene_expressed_in_every_cell_with_rate_one_stays_in_its_column() -> None:
    control = sparse.csr_matrix(np.array([[5, 0], [3, 0], [4, 0]]))
    perturbed = sparse.csr_matrix(np.array([[0, 5], [0, 3]]))
    ranked = differential.rank_control(control, np.array([5.0, 3.0, 4.0]))
    np.testing.assert_array_equal(np.diff(ranked.starts), [3, 0])
    pvalues = differential.rank_sum(perturbed, np.array([5.0, 3.0]), ranked)
    expected = stats.mannwhitneyu([0, 0], [1, 1, 1], method="asymptotic").pvalue
    np.testing.assert_allclose(pvalues, expected)


def test_cells_without_counts_and_empty_sides_do_not_crash() -> None:
    empty = sparse.csr_matrix((3, 2))
    ranked = differential.rank_control(empty, np.zeros(3))
    np.testing.assert_array_equal(differential.rank_sum(empty, np.zeros(3), ranked), 1.0)
    np.testing.assert_array_equal(differential.rank_sum(empty[:0], np.zeros(0), ranked), 1.0)


def test_p_values_are_uniform_under_the_null() -> None:
    rng = np.random.default_rng(5)
    rates = rng.gamma(2.0, 0.002, size=600)
    library = np.full(150, 1000.0)
    counts = sparse.csr_matrix(rng.poisson(library[:, None] * rates))
    ranked = differential.rank_control(counts[:100], library[:100])
    pvalues = differential.rank_sum(counts[100:], library[100:], ranked)
    assert (pvalues < 0.05).mean() == pytest.approx(0.05, abs=0.03)


def test_adjusted_p_values_equal_scipy() -> None:
    pvalues = np.random.default_rng(6).uniform(size=(3, 50)) ** 2
    for row, adjusted in zip(pvalues, differential.benjamini_hochberg(pvalues), strict=True):
        np.testing.assert_allclose(adjusted, stats.false_discovery_control(row))


def test_calls_by_hand() -> None:
    truth = np.array([[1, 1, 1, 0, 0]] * 3 + [[0] * 5], dtype=bool)
    calls = np.array([[1, 1, 0, 1, 0], [0] * 5, [1, 1, 1, 0, 0], [1] * 5], dtype=bool)
    np.testing.assert_allclose(differential.precision(calls, truth), [2 / 3, 0, 1, np.nan])
    np.testing.assert_allclose(differential.recall(calls, truth), [2 / 3, 0, 1, np.nan])


def test_direction_counts_significant_genes_and_no_direction_as_one_half() -> None:
    observed = np.array([[1.0, -2.0, 3.0, -4.0]])
    predicted = np.array([[2.0, 2.0, 0.0, -1.0]])
    significant = np.array([[True, True, True, False]])
    value = differential.direction_agreement(predicted, observed, significant)
    assert value[0] == pytest.approx(0.5)
    assert np.isnan(
        differential.direction_agreement(predicted, observed, np.zeros((1, 4), dtype=bool))
    ).all()
