"""Feature tables of genes: the rows, whom they cover, and reading a user's own table."""

from __future__ import annotations

import importlib.util
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from gpjepa.core.errors import ConfigError, DataError
from gpjepa.data.labels import symbol_of
from gpjepa.data.references import aliases

NOT_A_NUMBER = ("", "nan", "NaN", "NA", "N/A", "null", "None")


@dataclass(frozen=True, eq=False)
class GeneFeatures:
    """Features of the genes that have any: values [genes, F] float32, rows named by `names`."""

    names: tuple[str, ...]
    values: np.ndarray

    def select(self, genes: Sequence[str]) -> GeneFeatures:
        """Return the rows of those of `genes` that have features, named as they are asked for.

        A gene is found by its own symbol first, then by its other one (`aliases`); one that says
        how it was perturbed, as in KLF1@CRISPRi, by its symbol when not by the whole.
        """
        renamed = aliases()
        known = {renamed.get(name, name): row for row, name in enumerate(self.names)}
        known |= {name: row for row, name in enumerate(self.names)}

        def row_of(gene: str) -> int | None:
            tried = (gene, renamed.get(gene), symbol_of(gene), renamed.get(symbol_of(gene)))
            return next((known[name] for name in tried if name in known), None)

        kept = [(gene, row) for gene in genes if (row := row_of(gene)) is not None]
        rows = np.array([row for _, row in kept], dtype=np.int64)
        return GeneFeatures(tuple(gene for gene, _ in kept), self.values[rows])


@dataclass(frozen=True)
class Coverage:
    """Which genes have features and which have none, in the order asked for."""

    covered: tuple[str, ...]
    missing: tuple[str, ...]

    @property
    def share(self) -> float:
        """Return the share of genes with features; nan without genes."""
        total = len(self.covered) + len(self.missing)
        return len(self.covered) / total if total else float("nan")


def coverage(features: GeneFeatures, genes: Sequence[str]) -> Coverage:
    """Report which of `genes` have features, other symbols of a gene counted too."""
    covered = set(features.select(genes).names)
    return Coverage(
        covered=tuple(gene for gene in genes if gene in covered),
        missing=tuple(gene for gene in genes if gene not in covered),
    )


def read_feature_table(path: Path | str) -> GeneFeatures:
    """Read a table of gene features: CSV or TSV (also .gz), parquet or npz.

    CSV and parquet: one row a gene, the symbol in the first column, numbers in the others.
    npz: one vector a gene, keyed by symbol.
    Raises `DataError` for values that are not finite numbers, vectors of unequal length or
    repeated symbols, `ConfigError` for another kind of file or parquet without pyarrow.
    """
    source = Path(path)
    kind = source.name.removesuffix(".gz").rpartition(".")[2].lower()
    match kind:
        case "csv" | "tsv":
            names, values = _delimited(source, "," if kind == "csv" else "\t")
        case "parquet":
            names, values = _parquet(source)
        case "npz":
            names, values = _npz(source)
        case _:
            raise ConfigError(
                f"feature table {str(source)!r} ends in {kind!r}; expected csv, tsv, parquet or "
                "npz; save the table in one of these formats"
            )
    return _validated(source, names, values)


def _unreadable(source: Path, error: Exception) -> DataError:
    """Word the error for a file that cannot be parsed."""
    return DataError(
        f"feature table {str(source)!r} cannot be read ({error}); expected one row or vector a "
        "gene, all of one length; check the file"
    )


def _delimited(source: Path, separator: str) -> tuple[list[str], np.ndarray]:
    """Read symbols and numbers of a delimited text file; a symbol may read NA."""
    try:
        header = pd.read_csv(source, sep=separator, nrows=0).columns
        frame = pd.read_csv(
            source,
            sep=separator,
            index_col=False,
            dtype={header[0]: str} if len(header) else None,
            keep_default_na=False,
            na_values={column: list(NOT_A_NUMBER) for column in header[1:]},
            on_bad_lines="error",
        )
    except (OSError, UnicodeDecodeError, ValueError, EOFError) as error:
        raise _unreadable(source, error) from error
    return _split_frame(source, frame)


def _parquet(source: Path) -> tuple[list[str], np.ndarray]:
    """Read a parquet file whose first column, or named string index, holds the symbols."""
    if importlib.util.find_spec("pyarrow") is None:
        raise ConfigError(
            f"feature table {str(source)!r} is parquet, and pyarrow is not installed; expected "
            "pyarrow for parquet; install it, or save the table as CSV or npz"
        )
    try:
        frame = pd.read_parquet(source)
    except (OSError, ValueError) as error:
        raise _unreadable(source, error) from error
    if not isinstance(frame.index, pd.RangeIndex):
        frame = frame.reset_index()
    return _split_frame(source, frame)


def _split_frame(source: Path | str, frame: pd.DataFrame) -> tuple[list[str], np.ndarray]:
    """Split a frame in symbols (first column) and numbers (the others)."""
    numbers = frame.iloc[:, 1:]
    text = [str(name) for name in numbers if not pd.api.types.is_numeric_dtype(numbers[name])]
    if text or numbers.shape[1] == 0:
        found = f"column {text[0]!r} with text" if text else "no column of numbers"
        raise DataError(
            f"feature table {str(source)!r} has {found}; expected the symbol in the first column "
            "and numbers in all others; remove or encode it"
        )
    return [str(name) for name in frame.iloc[:, 0]], numbers.to_numpy(np.float64)


def _npz(source: Path) -> tuple[list[str], np.ndarray]:
    """Read an npz file that holds one vector a gene."""
    try:
        with np.load(source, allow_pickle=False) as bundle:
            vectors = {name: np.asarray(bundle[name], dtype=np.float64) for name in bundle.files}
    except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
        raise _unreadable(source, error) from error
    shapes = {vector.shape for vector in vectors.values()}
    if len(shapes) != 1 or len(next(iter(shapes))) != 1:
        raise DataError(
            f"feature table {str(source)!r} holds arrays of shapes {sorted(shapes)[:3]}; expected "
            "one vector a gene, all of one length; make them equal"
        )
    return list(vectors), np.stack(list(vectors.values()))


def table_from_frame(frame: pd.DataFrame, name: str = "given") -> GeneFeatures:
    """Return the features of a DataFrame: one row a gene, the symbol in the index.

    An index that only counts is not looked at: the symbol is in the first column then. Raises
    `DataError` as `read_feature_table` does.
    """
    whole = frame if isinstance(frame.index, pd.RangeIndex) else frame.reset_index()
    return _validated(name, *_split_frame(name, whole))


def checked_features(features: GeneFeatures, name: str = "given") -> GeneFeatures:
    """Return features as they are; raise `DataError` for what a table on disk is refused for."""
    values = np.asarray(features.values)
    if values.ndim != 2 or len(values) != len(features.names) or not values.shape[1]:
        raise DataError(
            f"feature table {name!r} has values of shape {values.shape} for "
            f"{len(features.names)} names; expected [names, features]; give one row a name"
        )
    return _validated(name, list(features.names), values)


def _validated(source: Path | str, names: list[str], values: np.ndarray) -> GeneFeatures:
    """Refuse an empty table, repeated symbols and numbers that are not finite."""
    repeated = pd.Index(names)[pd.Index(names).duplicated()]
    finite = np.isfinite(values).all(axis=1)
    if not names:
        problem = "no gene; expected at least one row"
    elif len(repeated):
        problem = f"symbol {repeated[0]!r} more than once; expected one row a gene"
    elif not finite.all():
        gene = names[int(np.flatnonzero(~finite)[0])]
        problem = f"a value of gene {gene!r} that is no finite number; expected finite numbers"
    else:
        return GeneFeatures(tuple(names), values.astype(np.float32))
    raise DataError(f"feature table {str(source)!r} has {problem}; correct the table")
