"""Scores of predicted interactions on tables of effects, without cells."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas

from gpjepa.core.errors import DataError
from gpjepa.core.random import numpy_stream
from gpjepa.data.labels import members_of
from gpjepa.evaluation.bootstrap import bootstrap_mean
from gpjepa.evaluation.effect_table import EffectTable
from gpjepa.evaluation.interaction_metrics import (
    GENE_METRICS,
    PAIR_METRIC,
    gene_scores,
    pair_score,
    resampled_pair_score,
)
from gpjepa.evaluation.interaction_noise import TableErrors, shrunken_interactions
from gpjepa.evaluation.interactions import (
    base_rate,
    chance_precision,
    interacting_genes,
    interacting_pairs,
    signed_items,
)

DRAWS = 1000
TAIL = 0.025


def score_interactions(
    effects: EffectTable,
    predicted: Mapping[str, np.ndarray],
    labels: Sequence[str],
    errors: TableErrors,
    seed: int = 0,
) -> pandas.DataFrame:
    """Score predicted interactions ε [labels, G] by model on measured effects of combinations.

    `effects` holds the measured combinations and their members' singles on the same genes,
    `errors` the standard errors of both (see `norman_errors`). A model's ε is its effect of a
    combination minus its own effects of the members (`rule_interactions`), or minus the measured
    ones where it predicts none. Truth and labels come from shrunken singles, so that a
    prediction gains nothing from the noise of the singles that it is made of.

    Columns: metric, model, value, low, high (bootstrap over combinations), base_rate (of the
    labels), chance (what a random order or no prediction gets), n (combinations scored). A
    combination with a NaN in its prediction gets the worst score.

    Raises:
        DataError: a label is not measured with its members, or shapes do not go together.
    """
    _check(effects, predicted, labels, errors)
    truth = shrunken_interactions(effects, list(labels), errors)
    genes = interacting_genes(truth.value, truth.error)
    pairs = interacting_pairs(truth.value, truth.error)
    items = signed_items(truth.value, genes)
    found = items.any(axis=1)
    rates = (0.0, float(base_rate(items[found]).mean()) if found.any() else np.nan)
    chance = (0.0, float(chance_precision(items[found]).mean()) if found.any() else np.nan)
    counts = _resamples(len(labels), seed)
    rows: list[tuple[str, str, float, float, float, float, float, int]] = []
    for model, values in predicted.items():
        for index, scores in enumerate(gene_scores(values, truth.value, genes)):
            known = scores[~np.isnan(scores)]
            mean = float(known.mean()) if known.size else float("nan")
            told = (*bootstrap_mean(known, seed), rates[index], chance[index], known.size)
            rows.append((GENE_METRICS[index].name, model, mean, *told))
        spread = _interval(resampled_pair_score(values, pairs, counts))
        told = (*spread, float(base_rate(pairs)), float(chance_precision(pairs)), len(labels))
        rows.append((PAIR_METRIC.name, model, pair_score(values, pairs), *told))
    columns = ["metric", "model", "value", "low", "high", "base_rate", "chance", "n"]
    return pandas.DataFrame(rows, columns=columns)


def _resamples(count: int, seed: int) -> np.ndarray:
    rng = numpy_stream(seed, "bootstrap of combinations", count)
    return rng.multinomial(count, np.full(count, 1.0 / count), size=DRAWS).astype(np.float64)


def _interval(draws: np.ndarray) -> tuple[float, float]:
    """Return the middle 95 % of what is defined; NaN for nothing."""
    known = draws[~np.isnan(draws)]
    if not known.size:
        return float("nan"), float("nan")
    low, high = np.quantile(known, [TAIL, 1.0 - TAIL])
    return float(low), float(high)


def _check(
    effects: EffectTable,
    predicted: Mapping[str, np.ndarray],
    labels: Sequence[str],
    errors: TableErrors,
) -> None:
    for label in labels:
        if len(members_of(label)) < 2 or label not in effects.row or not effects.single_rows(label):
            raise DataError(
                f"{label!r} is no measured combination with measured members; expected labels as "
                "A+B with rows for A+B, A and B; leave it out"
            )
    if not len(labels):
        raise DataError("no combination to score; expected at least one; pass labels")
    shape = (len(labels), effects.effects.shape[1])
    wrong = {model: values.shape for model, values in predicted.items() if values.shape != shape}
    if wrong or errors.states.shape != effects.effects.shape:
        raise DataError(
            f"shapes differ: predictions {wrong}, errors {errors.states.shape}; expected {shape} "
            f"and {effects.effects.shape}; pass [labels, genes] and errors of every row"
        )
