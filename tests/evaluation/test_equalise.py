"""Equal cells and equal depth on both sides."""

from __future__ import annotations

import numpy as np
from scipy import sparse, stats

from gpjepa.evaluation.equalise import Entries, depth_shares, equal_cells, log_normalise, thin


def test_the_larger_side_is_subsampled_without_repetition():
    first, second = sparse.csr_matrix((7, 2)), sparse.csr_matrix((30, 2))
    rows, columns = equal_cells(first, second, np.random.default_rng(0))
    assert rows.tolist() == list(range(7))
    assert len(set(columns)) == 7
    assert columns.max() < 30


def test_thinning_is_binomial_for_small_and_large_counts():
    counts = np.array([[0, 1, 5, 40]] * 20000, dtype=np.float32)
    kept = thin(counts, 0.3, np.random.default_rng(1))
    for column, count in enumerate((0, 1, 5, 40)):
        expected = stats.binom.pmf(np.arange(count + 1), count, 0.3)
        seen = np.bincount(kept[:, column], minlength=count + 1) / len(kept)
        np.testing.assert_allclose(seen, expected, atol=0.012)


def test_keeping_everything_changes_nothing():
    counts = np.arange(12).reshape(3, 4)
    np.testing.assert_array_equal(thin(counts, 1.0, np.random.default_rng(2)), counts)


def test_only_the_deeper_side_is_thinned_to_the_other_mean():
    assert depth_shares(np.array([100.0, 300.0]), np.array([50.0])) == (0.25, 1.0)
    assert depth_shares(np.array([50.0]), np.array([200.0])) == (1.0, 0.25)
    assert depth_shares(np.array([0.0]), np.array([200.0])) == (1.0, 1.0)


def test_normalisation_divides_by_the_library_and_survives_empty_cells():
    counts = np.array([[2, 0], [0, 0]])
    values = log_normalise(counts, np.array([4.0, 0.0]), 10.0)
    np.testing.assert_allclose(values, [[np.log1p(5.0), 0.0], [0.0, 0.0]], rtol=1e-6)
    again = log_normalise(Entries.of(counts), np.array([4.0, 0.0]), 10.0)
    np.testing.assert_array_equal(again, values)


def test_entries_are_the_counts_that_are_not_zero_in_order():
    counts = sparse.csr_matrix((np.array([3.0, 0.0, 2.0]), [2, 1, 0], [0, 2, 3]), shape=(2, 3))
    entries = Entries.of(counts)
    assert (entries.cell.tolist(), entries.gene.tolist()) == ([0, 1], [2, 0])
    assert entries.count.tolist() == [3.0, 2.0]
    assert entries.per_gene().tolist() == [1, 0, 1]
    assert entries.per_gene(entries.count).tolist() == [2.0, 0.0, 3.0]
    assert entries.kept(np.array([0, 5])).cell.tolist() == [1]
