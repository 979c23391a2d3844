"""The sources of spread of predicted populations as a table."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import torch

from gpjepa.api.answers import canonical
from gpjepa.api.populations import Start
from gpjepa.core.errors import ConfigError, DataError
from gpjepa.core.random import derive_seed
from gpjepa.evaluation.gate import CONTROL_MEAN
from gpjepa.inference.respond import draw_sources
from gpjepa.inference.spread import SOURCES, Scale, sources_of_spread

if TYPE_CHECKING:
    from pandas import DataFrame

FEWEST_CELLS = 20


def spread_table(start: Start, labels: Sequence[str] | str, cells: int, seed: int) -> DataFrame:
    """Return the share of the variance of each source for each label, with standard errors.

    Of `cells` control cells, each used once. Genes that control cells express and that no training
    perturbation targets count. Raises `ConfigError` for fewer than 20 cells and `DataError` where
    there are not so many control cells or no gene counts.
    """
    import pandas

    bundle, table = start.bundle, start.cells.table
    if cells < FEWEST_CELLS:
        raise ConfigError(
            f"cells is {cells}; expected {FEWEST_CELLS} or more to measure a variance; pass for "
            "example cells=1000"
        )
    if len(table) < FEWEST_CELLS:
        raise DataError(
            f"found {len(table)} control cells; expected {FEWEST_CELLS} or more to measure a "
            "variance; give more control cells"
        )
    gated = start.expressed()
    if not gated.any():
        raise DataError(
            f"0 of {len(gated)} genes have a mean count of {CONTROL_MEAN} in the control cells and "
            "are no target; expected one or more; give deeper control cells"
        )
    device = bundle.model.device()
    scale = Scale(torch.from_numpy(np.flatnonzero(gated)).to(device), start.target)
    source = draw_sources(len(table), min(cells, len(table)), seed)
    rows = []
    for label in canonical(labels, start):
        condition = start.condition([label] * len(source), source)
        own = derive_seed(seed, "spread", label)
        found = sources_of_spread(bundle.model, table, condition, source, start.offset, scale, own)
        rows += [(label, *row) for row in zip(SOURCES, found.shares, found.errors, strict=True)]
    return pandas.DataFrame(rows, columns=["perturbation", "source", "share", "error"])
