from __future__ import annotations

import numpy as np
from scipy.sparse import csr_matrix

from gpjepa.evaluation.gate import expressed_untargeted

GENES = np.array(["low", "exact", "high", "target"], dtype=object)


def test_exactly_a_tenth_of_a_count_passes_and_targets_do_not() -> None:
    counts = np.zeros((100, 4), dtype=np.float32)
    counts[:9, 0] = 1.0
    counts[:10, 1] = 1.0
    counts[:, 2:] = 3.0
    found = expressed_untargeted(csr_matrix(counts), GENES, {"target"})
    assert found.tolist() == [False, True, True, False]


def test_without_control_cells_no_gene_passes() -> None:
    assert not expressed_untargeted(csr_matrix((0, 4), dtype=np.float32), GENES, ()).any()


def test_a_target_that_says_how_it_was_perturbed_is_a_target() -> None:
    counts = csr_matrix(np.ones((10, 4), dtype=np.float32))
    found = expressed_untargeted(counts, GENES, {"target@CRISPRi", "high@x+y"})
    assert found.tolist() == [True, True, False, False]
