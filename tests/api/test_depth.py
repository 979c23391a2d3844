from __future__ import annotations

from dataclasses import replace

import numpy as np

from gpjepa.api.depth import depth_robustness
from gpjepa.api.model import GPJEPA


def test_held_out_cells_are_looked_up_among_training_cells(run, assessed) -> None:
    rows = depth_robustness(GPJEPA.load(run, "cpu"), assessed, 0)
    assert {"gpjepa", "PCA", "HVG"} <= set(rows["model"])
    queries = len(assessed.parts.test) + len(assessed.parts.truth_controls)
    assert (rows["n"] == queries).all()
    own = rows[rows["model"] == "gpjepa"].set_index("metric")["value"]
    assert (own.between(0.0, 1.0)).all()
    assert own["depth_overlap_100"] > own["depth_overlap_10"]


def test_too_few_cells_have_no_rows(run, assessed) -> None:
    nothing = np.zeros(0, dtype=np.int64)
    few = replace(assessed, parts=replace(assessed.parts, test=nothing, truth_controls=nothing))
    assert depth_robustness(GPJEPA.load(run, "cpu"), few, 0) is None
