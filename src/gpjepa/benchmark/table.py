"""Tables of benchmark documents: one score a line, models side by side; the table of all."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from gpjepa.benchmark.paired import beside, legend
from gpjepa.benchmark.task import MODEL, Headline
from gpjepa.benchmark.tasks import find_task
from gpjepa.core.errors import DataError
from gpjepa.evaluation.baselines import NAMES

FIRST = (MODEL, *NAMES)
ORACLES = ("oracle", "true sum", "measured")  # beginnings of names that look at the truth
Record = Mapping[str, Any]


def wide(document: Record) -> list[dict[str, str]]:
    """Return a benchmark's scores as rows: group, score, every model, floor, ceiling, n.

    Models show their mean over seeds and its standard deviation; "-" where one does not apply.
    A benchmark with a reference has a row a model and a column a headline instead.
    """
    if "paired" in document:
        return beside(document, _titles(document))
    models = _ordered({record["model"] for record in document["table"]})
    rows = []
    for (group, metric), records in _by_score(document).items():
        row = {"group": group, "score": metric}
        row |= {name: _cell(records.get(name)) for name in models}
        first = next(iter(records.values()))
        row |= {"floor": _number(first["floor"]), "ceiling": _number(first["ceiling"])}
        row |= {"n": str(max(record["n"] for record in records.values()))}
        rows.append(row)
    return rows


def markdown(documents: Sequence[Record]) -> str:
    """Return the table of the model against every baseline on all benchmarks, in Markdown.

    One line a headline score, the best prediction in bold. The last columns give what bounds
    the score (the ceiling is a replicate, or the measured effects' own score) and the verdict on
    the model against the best of the others: even where their difference, paired over seeds, is
    within its standard error.

    A benchmark with a reference, such as the ablations, is a table of its own: a line a model, its
    difference from the reference beside each mean.

    Raises `DataError` for documents without a headline score.
    """
    own = [compared(document) for document in documents if "paired" in document]
    documents = [document for document in documents if "paired" not in document]
    return "\n\n".join([*([together(documents)] if documents or not own else []), *own])


def compared(document: Record) -> str:
    """Return the table of a benchmark with a reference, in Markdown."""
    rows = wide(document)
    spent = f"{document['seconds'] / 60:.0f} core-minutes"
    about = f"{document['benchmark']}: {document['title']}; {document['seeds']} seeds, {spent}."
    lines = [list(rows[0]), ["---"] * len(rows[0]), *(list(row.values()) for row in rows)]
    table = "\n".join(f"| {' | '.join(line)} |" for line in lines)
    return f"{about}\n\n{table}\n\n{legend(document)}"


def _titles(document: Record) -> list[tuple[str, str, str]]:
    """Return group, metric and title of the headlines of a benchmark."""
    headlines = find_task(document["benchmark"]).headlines
    return [(each.group, each.metric, each.text) for each in headlines]


def together(documents: Sequence[Record]) -> str:
    """Return one table of benchmarks whose baselines are the comparison, in Markdown."""
    lines = [line for document in documents for line in _lines(document)]
    if not lines:
        raise DataError(
            "no headline score found; expected the document that `gpjepa benchmark all --json` "
            "prints; run it"
        )
    head = ["benchmark", "held out", "score", *FIRST, "others", "bound", "verdict"]
    verdicts = [line[-1] for line in lines]
    rule = ["---"] * len(head)
    table = "\n".join(f"| {' | '.join(line)} |" for line in (head, rule, *lines))
    counts = ", ".join(f"{verdicts.count(word)} {word}" for word in ("won", "even", "lost"))
    return f"{table}\n\nAgainst the best of the others on each line: {counts}. {_told(documents)}"


def _told(documents: Sequence[Record]) -> str:
    """Return how many seeds and how much time are behind the table."""
    named: dict[int, list[str]] = {}
    for document in documents:
        named.setdefault(document["seeds"], []).append(document["benchmark"])
    usual = max(named, key=lambda seeds: len(named[seeds]))
    others = [f"{seeds}: {', '.join(named[seeds])}" for seeds in sorted(named) if seeds != usual]
    word = "seed" if usual == 1 else "seeds"
    more = f" ({'; '.join(others)})" if others else ""
    spent = sum(float(document["seconds"]) for document in documents)
    return f"Means over {usual} {word}{more}; {spent / 60:.0f} core-minutes together."


def _lines(document: Record) -> Iterator[list[str]]:
    """Yield the lines of one benchmark: those of its headline scores that were measured."""
    scores = _by_score(document)
    for headline in find_task(document["benchmark"]).headlines:
        records = scores.get((headline.group, headline.metric), {})
        if records:
            yield _line(document, headline, records)


def _line(document: Record, headline: Headline, records: Mapping[str, Record]) -> list[str]:
    """Return the cells of one line."""
    name = document["benchmark"]
    title = f"{name} (simulated)" if document["simulated"] and name != "simulated" else name
    rivals = [each for each in records if not each.startswith(ORACLES)]
    best = min(rivals, key=lambda each: headline.loss(records[each]["mean"]))

    def shown(each: str) -> str:
        if each not in records:
            return "–"
        text = f"{records[each]['mean']:.3f}"
        return f"**{text}**" if each == best else text

    others = [each for each in _ordered(set(rivals)) if each not in FIRST]
    bounds = [f"{each} {shown(each)}" for each in records if each.startswith(ORACLES)]
    ceiling = next(iter(records.values()))["ceiling"]
    if ceiling is not None:
        bounds.insert(0, f"ceiling {ceiling:.3f}")
    return [
        title,
        headline.group,
        headline.text,
        *(shown(each) for each in FIRST),
        ", ".join(f"{each} {shown(each)}" for each in others) or "–",
        ", ".join(bounds) or "–",
        verdict(headline, records, [each for each in rivals if each != MODEL]),
    ]


def verdict(headline: Headline, records: Mapping[str, Record], rivals: Sequence[str]) -> str:
    """Return won, even or lost against the best rival; "–" without model or rival.

    Even: the mean difference of the losses, paired over seeds, is within its standard error.
    """
    if MODEL not in records or not rivals:
        return "–"
    best = min(rivals, key=lambda each: headline.loss(records[each]["mean"]))
    own, other = records[MODEL]["values"], records[best]["values"]
    paired = [
        headline.loss(other[seed]) - headline.loss(own[seed]) for seed in own if seed in other
    ]
    if not paired:
        return "–"
    gain = float(np.mean(paired))
    error = float(np.std(paired, ddof=1)) / math.sqrt(len(paired)) if len(paired) > 1 else 0.0
    if abs(gain) <= error:
        return "even"
    return "won" if gain > 0 else "lost"


def _by_score(document: Record) -> dict[tuple[str, str], dict[str, Record]]:
    """Return the records of each (group, metric) by model."""
    found: dict[tuple[str, str], dict[str, Record]] = {}
    for record in document["table"]:
        found.setdefault((record["group"], record["metric"]), {})[record["model"]] = record
    return found


def _ordered(names: set[str]) -> list[str]:
    """Return models in the order of the tables: ours, the baselines, others, oracles."""
    others = sorted(names - set(FIRST), key=lambda name: (name.startswith(ORACLES), name))
    return [name for name in FIRST if name in names] + others


def _cell(record: Record | None) -> str:
    if record is None:
        return "-"
    spread = f" ± {record['sd']:.3f}" if record["seeds"] > 1 else ""
    return f"{record['mean']:.3f}{spread}"


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"
