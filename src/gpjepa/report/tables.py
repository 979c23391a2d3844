"""The tables of a run directory: which columns they hold and how they are read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from gpjepa.core.errors import CheckpointError


@dataclass(frozen=True)
class TableSpec:
    """A CSV file's name and columns; optional columns may be absent and are then empty."""

    name: str
    text: tuple[str, ...]
    numbers: tuple[str, ...]
    optional_text: tuple[str, ...] = ()
    optional_numbers: tuple[str, ...] = ()


METRICS = TableSpec(
    name="metrics.csv",
    text=("axis", "metric", "perturbation", "model"),
    numbers=("value",),
    optional_numbers=("low", "high", "floor", "ceiling", "ceiling_low", "ceiling_high", "skill",
                      "n", "undefined"),
)  # fmt: skip
EFFECTS = TableSpec(
    name="effects.csv",
    text=("perturbation", "gene"),
    numbers=("observed", "predicted"),
    optional_text=("group", "verdict", "source"),
    optional_numbers=("observed_se", "low", "high", "additive", "training_mean", "novelty"),
)
CURVES = TableSpec(
    name="curves.csv",
    text=("curve", "series", "label"),
    numbers=("x", "value"),
    optional_numbers=("low", "high", "n"),
)
SPREAD = TableSpec(
    name="spread.csv",
    text=("perturbation", "source"),
    numbers=("share",),
    optional_numbers=("error",),
)
RESPONDERS = TableSpec(
    name="responders.csv",
    text=("perturbation",),
    numbers=("fraction",),
    optional_numbers=("low", "high"),
)
POPULATIONS = TableSpec(
    name="populations.csv",
    text=("perturbation", "gene"),
    numbers=("observed_variance", "predicted_variance", "observed_zero", "predicted_zero"),
    optional_numbers=("observed_mean", "predicted_mean", "control_mean", "control_variance",
                      "control_zero"),
)  # fmt: skip
HISTOGRAMS = TableSpec(
    name="histograms.csv",
    text=("perturbation", "gene", "kind"),
    numbers=("count", "fraction"),
)
LATENT = TableSpec(name="latent.csv", text=("kind", "perturbation"), numbers=("x", "y"))
SCREEN = TableSpec(
    name="screen.csv",
    text=("perturbation", "verdict"),
    numbers=("predicted_effect_size", "additive_effect_size"),
    optional_text=("top_genes",),
    optional_numbers=("novelty",),
)
HISTORY = TableSpec(
    name="history.csv",
    text=("stage", "set", "term"),
    numbers=("epoch", "value"),
    optional_numbers=("step", "weighted"),
)
TRUE_WORDS = frozenset({"true", "yes"})
FALSE_WORDS = frozenset({"false", "no"})


def read_table(path: Path, spec: TableSpec) -> pd.DataFrame:
    """Read one table; text stays text (a gene may be called NA), numbers become float64.

    Column names may be written with spaces for underscores; columns beyond the known ones are
    kept as text. A file with a header and no rows is an empty table.

    Raises:
        CheckpointError: the file is not CSV, or lacks a column that it must have.
    """
    try:
        table = pd.read_csv(path, dtype=str, keep_default_na=False)
    except (OSError, UnicodeDecodeError, pd.errors.ParserError, pd.errors.EmptyDataError) as error:
        raise CheckpointError(
            f"{path.name} cannot be read ({error}); expected CSV with a header; "
            "run `gpjepa evaluate` on the run again"
        ) from error
    table.columns = [str(name).strip().replace(" ", "_") for name in table.columns]
    missing = [name for name in (*spec.text, *spec.numbers) if name not in table.columns]
    if missing:
        raise CheckpointError(
            f"{path.name} lacks the column {', '.join(missing)} (found: "
            f"{', '.join(table.columns)}); expected {', '.join((*spec.text, *spec.numbers))}; "
            "run `gpjepa evaluate` on the run again"
        )
    for name in (*spec.numbers, *spec.optional_numbers):
        table[name] = _numbers(table[name]) if name in table.columns else np.nan
    for name in spec.optional_text:
        if name not in table.columns:
            table[name] = ""
    return table


def read_optional(path: Path, spec: TableSpec) -> pd.DataFrame:
    """Read a table that older runs, or models without such an answer, do not have: then empty.

    Raises:
        CheckpointError: the file is there and is not what it should be.
    """
    if path.is_file():
        return read_table(path, spec)
    text = {name: pd.Series(dtype=str) for name in (*spec.text, *spec.optional_text)}
    numbers = {
        name: pd.Series(dtype=np.float64) for name in (*spec.numbers, *spec.optional_numbers)
    }
    return pd.DataFrame(text | numbers)


def text_of(table: pd.DataFrame, column: str) -> list[str]:
    """Return a text column as plain strings, whatever pandas stores them as."""
    return [str(value) for value in table[column].tolist()]


def values_of(table: pd.DataFrame, column: str) -> np.ndarray:
    """Return a number column as float64."""
    return np.asarray(table[column], dtype=np.float64)


def in_order(names: Sequence[str]) -> list[str]:
    """Return the distinct names in the order of their first appearance."""
    return list(dict.fromkeys(names))


def _numbers(column: pd.Series) -> np.ndarray:
    """Read text as numbers; yes and no count as 1 and 0, anything else is NaN."""
    return np.array([_number(str(text)) for text in column.tolist()], dtype=np.float64)


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        word = text.strip().lower()
        if word in TRUE_WORDS:
            return 1.0
        return 0.0 if word in FALSE_WORDS else float("nan")
