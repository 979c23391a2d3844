"""Verdicts judged: how wrong the predictions are that a verdict was given to."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import pandas

from gpjepa.evaluation.bootstrap import bootstrap_mean
from gpjepa.evaluation.effect_scores import EFFECT_METRICS
from gpjepa.evaluation.report_table import ALL, COLUMNS
from gpjepa.evaluation.scored import Scored

ERRORS = ("l2", "normalised_mae", "pearson_delta")
RIVAL = "additive"  # what "use the sum" says is as good


def verdict_rows(
    verdicts: Sequence[str], scored: Mapping[str, Scored], name: str, seed: int
) -> pandas.DataFrame:
    """Return the mean errors of the perturbations with each verdict, "l2: use the sum" and so on.

    Beside the model stands the additive baseline where it applies, and their paired difference
    over the perturbations that both predict; n counts perturbations, intervals are bootstraps
    over them. A verdict is worth something if errors rise from "use the model" to "do not
    trust", and if the sum does as well as the model where it says "use the sum".
    """
    rows: list[dict[str, object]] = []
    for verdict in sorted(set(verdicts)):
        mask = np.array([own == verdict for own in verdicts])
        rows += _rows(verdict, mask, scored, name, seed)
    return pandas.DataFrame(rows).reindex(columns=list(COLUMNS))


def _rows(
    verdict: str, mask: np.ndarray, scored: Mapping[str, Scored], name: str, seed: int
) -> Iterator[dict[str, object]]:
    for index, metric in enumerate(EFFECT_METRICS):
        if metric.name not in ERRORS:
            continue
        own = scored[name].effects[index]
        yield _row(f"{metric.name}: {verdict}", name, own[mask], seed)
        if RIVAL not in scored or name == RIVAL:
            continue
        both = mask & scored[RIVAL].applies
        if both.any():
            other = scored[RIVAL].effects[index]
            with np.errstate(invalid="ignore"):
                gap = (own - other)[both]
            yield _row(f"{metric.name}: {verdict}", RIVAL, other[both], seed)
            yield _row(f"{metric.name}: {verdict}", f"{name} − {RIVAL}", gap, seed)


def _row(metric: str, model: str, values: np.ndarray, seed: int) -> dict[str, object]:
    known = values[~np.isnan(values)]
    low, high = bootstrap_mean(known, seed)
    return {
        "axis": "effect",
        "metric": metric,
        "perturbation": ALL,
        "model": model,
        "value": float(known.mean()) if known.size else np.nan,
        "low": low,
        "high": high,
        "n": known.size,
        "undefined": 0,
    }
