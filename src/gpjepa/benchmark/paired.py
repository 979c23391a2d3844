"""Differences from the full model, paired by seed and perturbation, with their intervals."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from gpjepa.core.random import numpy_stream

DRAWS, LEVEL = 2000, 0.95
DIGITS = 6  # decimals of what is reported
LEAST = 2  # perturbations that an interval needs
Record = Mapping[str, Any]
Scores = dict[tuple[str, str], dict[str, dict[int, Record]]]  # by group and metric, model, seed


def paired_records(rows: Sequence[tuple[int, Record]], reference: str) -> list[dict[str, Any]]:
    """Return every model's difference from the reference, a record a group, metric and model.

    `rows` are seeds with the rows that a part returned; their `each` holds the value of every
    perturbation. Compared are values of the same seed and perturbation. `difference` is the mean
    over all of these pairs, the model's value less the reference's, in the units of the score.
    `low` and `high` are the 95 % percentile interval of a bootstrap over perturbations, all seeds
    of a perturbation drawn with it: a seed is no sample. None where a score has no perturbations,
    or one. `n` counts perturbations, `seeds` the seeds that are in the mean.
    """
    found = []
    for (group, metric), models in _arranged(rows).items():
        base = models.get(reference, {})
        for model, own in models.items():
            seeds = sorted(set(own) & set(base))
            if model == reference or not seeds:
                continue
            pairs = [_differences(own[seed], base[seed]) for seed in seeds]
            row = {"group": group, "metric": metric, "model": model, "seeds": len(seeds)}
            if any(pairs):
                found.append(row | summarised(pairs))
            else:
                values = [own[seed]["value"] - base[seed]["value"] for seed in seeds]
                found.append(row | _plain(float(np.mean(values)), None, None, 0))
    return found


def summarised(pairs: Sequence[Mapping[str, float]]) -> dict[str, Any]:
    """Return mean, interval and number of perturbations of differences, a mapping a seed."""
    labels = sorted({label for differences in pairs for label in differences})
    values = [[each[label] for each in pairs if label in each] for label in labels]
    totals = np.array([sum(own) for own in values], dtype=np.float64)
    counts = np.array([len(own) for own in values], dtype=np.float64)
    mean = float(totals.sum() / counts.sum())
    if len(labels) < LEAST:
        return _plain(mean, None, None, len(labels))
    rng = numpy_stream(0, "paired", len(labels), DRAWS)
    drawn = rng.multinomial(len(labels), np.full(len(labels), 1 / len(labels)), size=DRAWS)
    means = drawn @ totals / (drawn @ counts)
    low, high = np.quantile(means, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return _plain(mean, float(low), float(high), len(labels))


def _plain(mean: float, low: float | None, high: float | None, count: int) -> dict[str, Any]:
    ends = [None if end is None else round(end, DIGITS) for end in (low, high)]
    return {"difference": round(mean, DIGITS), "low": ends[0], "high": ends[1], "n": count}


def _differences(own: Record, base: Record) -> dict[str, float]:
    """Return the differences of the perturbations that both have a value for."""
    mine, theirs = own.get("each") or {}, base.get("each") or {}
    return {
        label: mine[label] - theirs[label]
        for label in mine
        if mine[label] is not None and theirs.get(label) is not None
    }


def _arranged(rows: Sequence[tuple[int, Record]]) -> Scores:
    """Return the rows that have a value, by group and metric, model and seed."""
    found: Scores = {}
    for seed, row in rows:
        if row["value"] is not None:
            models = found.setdefault((row["group"], row["metric"]), {})
            models.setdefault(row["model"], {})[seed] = row
    return found


def models_of(rows: Sequence[tuple[int, Record]]) -> list[str]:
    """Return the models in the order in which the parts name them."""
    return list(dict.fromkeys(str(row["model"]) for _, row in rows))


def beside(document: Record, headlines: Sequence[tuple[str, str, str]]) -> list[dict[str, str]]:
    """Return a row a model: each headline's mean, and in brackets the difference and its interval.

    `headlines` are (group, metric, title); those without a value are left out.
    """
    means = {(r["group"], r["metric"], r["model"]): r for r in document["table"]}
    differences = {(r["group"], r["metric"], r["model"]): r for r in document["paired"]}
    shown = [each for each in headlines if any(key[:2] == each[:2] for key in means)]
    return [
        {"model": model} | dict(_cells(model, shown, means, differences))
        for model in document["models"]
        if any((*each[:2], model) in means for each in shown)
    ]


def _cells(
    model: str,
    shown: Sequence[tuple[str, str, str]],
    means: Mapping[tuple[str, str, str], Record],
    differences: Mapping[tuple[str, str, str], Record],
) -> Iterator[tuple[str, str]]:
    for group, metric, title in shown:
        mean = means.get((group, metric, model))
        text = "–" if mean is None else f"{mean['mean']:.3f}"
        other = differences.get((group, metric, model))
        if mean is not None and other is not None:
            text += f" ({signed(other['difference'])}"
            if other["low"] is not None:
                text += f" [{signed(other['low'])}, {signed(other['high'])}]"
            text += ")"
        yield f"{group}: {title}", text


def signed(value: float) -> str:
    """Return a difference with its sign and three decimals."""
    return f"{value:+.3f}".replace("-", "−")


def legend(document: Record) -> str:
    """Return what the brackets are, in a sentence."""
    return (
        f"In brackets: the difference from {document['reference']}, paired by seed and "
        "perturbation, and its 95 % interval from resampling perturbations. A perturbation is "
        f"drawn with all of its seeds ({document['seeds']} at most), which are no samples."
    )
