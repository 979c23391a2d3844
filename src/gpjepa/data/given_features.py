"""Feature tables as users give them: objects, frames or files, and what they cover."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import pandas as pd

from gpjepa.core.errors import ConfigError, listed
from gpjepa.core.files import sha256
from gpjepa.data.feature_table import (
    Coverage,
    GeneFeatures,
    checked_features,
    coverage,
    read_feature_table,
    table_from_frame,
)

Given: TypeAlias = GeneFeatures | pd.DataFrame | Path | str
FEW = 0.5  # share of the perturbed genes below which a table's coverage is warned of
SHOWN = 8  # missing genes that a line names


def given_tables(features: Given | Sequence[Given] | None) -> tuple[GeneFeatures, ...]:
    """Return the tables that were given: `GeneFeatures`, a DataFrame, a path, or several of them.

    A DataFrame has one row a gene, named by its index or, where that only counts, by its first
    column. Raises `DataError` for repeated names and for values that are not finite numbers,
    `ConfigError` for anything else.
    """
    if features is None:
        return ()
    several = list(features) if isinstance(features, (list, tuple)) else [features]
    return tuple(_table(given) for given in several)


def _table(given: Any) -> GeneFeatures:
    match given:
        case GeneFeatures():
            return checked_features(given)
        case pd.DataFrame():
            return table_from_frame(given)
        case str() | Path():
            return read_feature_table(given)
        case _:
            raise ConfigError(
                f"features are a {type(given).__name__}; expected GeneFeatures, a DataFrame with "
                "one row a gene, or the path of a table; pass one of these"
            )


@dataclass(frozen=True, eq=False)
class FeatureFile:
    """A feature table with where it came from and which perturbed genes it covers."""

    path: str
    sha256: str
    table: GeneFeatures
    coverage: Coverage

    def describe(self) -> list[str]:
        """Return lines that say what the table covers, a warning when that is little."""
        covered, missing = self.coverage.covered, self.coverage.missing
        shown = listed(missing, SHOWN)
        line = (
            f"features: {Path(self.path).name} covers {len(covered)} of "
            f"{len(covered) + len(missing)} perturbed genes"
        )
        lines = [line + (f"; missing: {shown}" if missing else "")]
        if is_few(self.coverage):
            lines.append(
                f"warning: {Path(self.path).name} covers few of the perturbed genes; the others "
                "are placed by the gene sets alone, or not at all"
            )
        return lines

    def to_json(self) -> dict[str, Any]:
        """Return what is recorded with a run."""
        return {
            "path": self.path,
            "sha256": self.sha256,
            "names": len(self.table.names),
            "columns": int(self.table.values.shape[1]),
            "covered": len(self.coverage.covered),
            "missing": list(self.coverage.missing),
        }


def feature_file(path: Path | str, perturbed: Sequence[str]) -> FeatureFile:
    """Read a table and see which of the perturbed genes it covers; see `read_feature_table`."""
    table = read_feature_table(path)
    return FeatureFile(str(path), sha256(Path(path)), table, coverage(table, perturbed))


def is_few(found: Coverage) -> bool:
    """Say whether a table covers less than half of the perturbed genes."""
    return found.share < FEW


def warn_of_few(tables: Sequence[GeneFeatures], perturbed: Sequence[str]) -> None:
    """Warn the caller's caller of tables that cover less than half of the perturbed genes."""
    for table in tables:
        found = coverage(table, perturbed)
        if is_few(found):
            warnings.warn(
                f"a feature table covers {len(found.covered)} of {len(perturbed)} perturbed genes",
                stacklevel=3,
            )
