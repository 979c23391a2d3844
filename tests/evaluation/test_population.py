"""Populations keep counts, libraries and labels together."""

from __future__ import annotations

import numpy as np
from scipy import sparse

from gpjepa.evaluation.population import Population, pooled

CELLS = Population(
    sparse.csr_matrix(np.arange(12, dtype=np.float32).reshape(6, 2)),
    np.arange(6.0),
    np.array(["B", "control", "A", "B", "control", "A+B"], dtype=object),
)


def test_cells_of_a_label_come_with_their_counts_and_libraries() -> None:
    found = CELLS.of("B")
    np.testing.assert_array_equal(found.counts.toarray(), [[0, 1], [6, 7]])
    np.testing.assert_array_equal(found.library, [0, 3])
    assert CELLS.of("nobody").n_cells == 0
    assert CELLS.of("nobody").of("B").n_cells == 0


def test_controls_and_perturbed_cells_share_no_cell_and_leave_none() -> None:
    assert CELLS.perturbations == ("A", "A+B", "B")
    np.testing.assert_array_equal(CELLS.controls.library, [1, 4])
    np.testing.assert_array_equal(CELLS.perturbed.library, [0, 2, 3, 5])


def test_codes_index_the_asked_labels_and_leave_others_out() -> None:
    np.testing.assert_array_equal(CELLS.codes(("A+B", "B")), [1, -1, -1, 1, -1, 0])


def test_selecting_genes_leaves_the_library_alone() -> None:
    found = CELLS.genes(np.array([False, True]))
    np.testing.assert_array_equal(found.counts.toarray().ravel(), [1, 3, 5, 7, 9, 11])
    np.testing.assert_array_equal(found.library, CELLS.library)


def test_pooling_keeps_every_cell_of_both() -> None:
    both = pooled(CELLS.of("A"), CELLS.controls)
    assert both.labels.tolist() == ["A", "control", "control"]
    np.testing.assert_array_equal(both.counts.toarray(), [[4, 5], [2, 3], [8, 9]])
    np.testing.assert_array_equal(both.library, [2, 1, 4])
