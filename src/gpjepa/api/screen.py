"""Predictions for the combinations that nobody measured."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from gpjepa.api.answers import effect_matrix
from gpjepa.api.controls import ControlCells
from gpjepa.api.estimates import judged
from gpjepa.api.model import GPJEPA
from gpjepa.api.populations import Start
from gpjepa.data.labels import pairs_of
from gpjepa.inference.respond import draw_sources

if TYPE_CHECKING:
    from pandas import DataFrame

CELLS = 64  # control cells that a screened effect is averaged over
MOST = 6000  # combinations scored; beyond that the strongest members are combined
TOP = 5  # genes named per combination
COLUMNS = (
    "perturbation",
    "predicted_effect_size",
    "additive_effect_size",
    "novelty",
    "verdict",
    "top_genes",
)


def unmeasured_pairs(model: GPJEPA, measured: Sequence[str]) -> list[str]:
    """Return all pairs of genes measured alone in training that no label in `measured` is."""
    vocabulary = model.bundle.vocabulary
    known = vocabulary.members[: vocabulary.measured]
    alone = [name for name in known if name not in vocabulary.in_combination_only]
    return sorted(set(pairs_of(alone)) - set(measured))


def screen_pairs(model: GPJEPA, measured: Sequence[str], gated: np.ndarray, seed: int) -> DataFrame:
    """Rank the unmeasured pairs by predicted effect size (L2 over `gated` genes, log1p units).

    The additive effect size is that of the sum of the model's single effects. At most 6,000 pairs
    are scored, those of the members with the largest single effects.
    """
    import pandas

    pairs = unmeasured_pairs(model, measured)
    if not pairs:
        return pandas.DataFrame(columns=list(COLUMNS))
    start = _few(model, seed)
    singles = sorted({member for pair in pairs for member in pair.split("+")})
    alone = dict(zip(singles, effect_matrix(start, singles, seed)[:, gated], strict=True))
    size = {name: float(np.linalg.norm(effect)) for name, effect in alone.items()}
    pairs = sorted(pairs, key=lambda pair: (-sum(size[x] for x in pair.split("+")), pair))[:MOST]
    together = effect_matrix(start, pairs, seed)[:, gated]
    genes = np.array(model.bundle.panel.names, dtype=object)[gated]
    rows = []
    for pair, effect, far, told in zip(pairs, together, *judged(start, pairs), strict=True):
        additive = sum(alone[member] for member in pair.split("+"))
        rows.append(
            (
                pair,
                float(np.linalg.norm(effect)),
                float(np.linalg.norm(additive)),
                far,
                told,
                _top(genes, effect),
            )
        )
    table = pandas.DataFrame(rows, columns=list(COLUMNS))
    return table.sort_values(
        ["predicted_effect_size", "perturbation"], ascending=[False, True], ignore_index=True
    )


def _few(model: GPJEPA, seed: int) -> Start:
    cells: ControlCells = model.controls
    chosen = draw_sources(len(cells), min(CELLS, len(cells)), seed)
    return Start(model.bundle, cells.take(chosen), None)


def _top(genes: np.ndarray, effect: np.ndarray) -> str:
    order = np.argsort(-np.abs(effect), kind="stable")[:TOP]
    return ";".join(f"{genes[i]} {effect[i]:+.2f}" for i in order)
