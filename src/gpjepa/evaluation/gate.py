"""Which genes effects are judged on: expressed in control cells, perturbed by nothing."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from gpjepa.data.disk_counts import Counts
from gpjepa.data.labels import symbol_of

CONTROL_MEAN = 0.1  # counts a cell that a gene needs among controls


def expressed_untargeted(
    control: Counts, genes: NDArray[np.object_], targets: Iterable[str]
) -> NDArray[np.bool_]:
    """Return a mask [G] of genes with a mean of at least .1 counts that are not `targets`.

    Targets may carry a modality (KLF1@CRISPRi). The mean is in double precision: float32 puts 10
    counts in 100 cells below .1. Without control cells no gene passes.
    """
    total = np.asarray(control.sum(axis=0), dtype=np.float64).ravel()
    mean = total / max(control.shape[0], 1)
    perturbed = sorted({name for target in targets for name in (target, symbol_of(target))})
    return (mean >= CONTROL_MEAN) & ~np.isin(np.asarray(genes).astype(str), perturbed)
