"""Files named one by one, by a pattern such as "lanes/*.h5ad" or by their directory."""

from __future__ import annotations

import glob
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from gpjepa.core.errors import DataError
from gpjepa.data.anndata_io import is_store

FILE = "file"  # obs column of joined data: which file a cell is from
_KINDS = (".h5ad", ".zarr")


def all_sources(source: Any) -> Any:
    """Return data sets with patterns and directories replaced by the files that they stand for.

    Files of a pattern or directory are in the order of their names. One stays one, several are a
    list; AnnData objects stay what they are. Raises `DataError` for a pattern or directory without
    a file and for a file that is named twice.
    """
    given = source if isinstance(source, (list, tuple)) else [source]
    every = [found for each in given for found in _files(each)]
    paths = [str(Path(each).resolve()) for each in every if isinstance(each, (str, Path))]
    twice = [path for number, path in enumerate(paths) if path in paths[:number]]
    if twice:
        raise DataError(
            f"file {twice[0]!r} is named twice; expected every file once: its cells would count "
            "twice; leave one out"
        )
    if isinstance(source, (list, tuple)):
        return every
    return every[0] if len(every) == 1 else every


def file_names(sources: Sequence[Any]) -> list[str]:
    """Return a short name for each of several data sets: a file's stem.

    Where stems are alike the directories above them are added; other data get their number.
    """
    parts = [_parts(Path(each)) if isinstance(each, (str, Path)) else () for each in sources]
    names: list[str] = []
    for depth in range(1, max(1, *map(len, parts)) + 1):
        names = ["/".join(own[-depth:]) or f"data set {row}" for row, own in enumerate(parts, 1)]
        if len(set(names)) == len(names):
            break
    return names


def _parts(path: Path) -> tuple[str, ...]:
    return (*path.parent.parts, path.stem)


def _files(source: Any) -> list[Any]:
    """Return what one name stands for."""
    if not isinstance(source, (str, Path)):
        return [source]
    path = Path(source)
    if path.is_dir() and not is_store(path):
        found = sorted(
            str(file)
            for file in path.iterdir()
            if file.suffix in _KINDS and not file.name.startswith(".")
        )
        if not found:
            raise DataError(
                f"directory {str(path)!r} is not a zarr store and holds no file ending in "
                f"{' or '.join(_KINDS)}; expected AnnData files in it; give the path of some"
            )
        return found
    if path.exists() or not glob.has_magic(str(source)):
        return [source]
    matched = sorted(glob.glob(str(source), recursive=True))
    if not matched:
        raise DataError(
            f"no file matches {str(source)!r}; expected h5ad files or zarr directories of that "
            "name; check the pattern"
        )
    return [*matched]
