"""Files shipped inside the package, opened only when their recorded SHA-256 fits."""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import Any

from gpjepa.core.errors import DataError
from gpjepa.core.files import read_json, sha256

FOLDER = Path(__file__).parent / "embedded"


def manifest() -> dict[str, dict[str, Any]]:
    """Return what is recorded of each embedded data set: provenance, licence, shape, files."""
    document: dict[str, dict[str, Any]] = read_json(FOLDER / "manifest.json")
    return document


def checked(file: str, folder: Path = FOLDER) -> Path:
    """Return the path of an embedded file after comparing its SHA-256 with the manifest's.

    Raises `DataError` when the file is missing or differs.
    """
    expected = {
        name: digest for entry in manifest().values() for name, digest in entry["files"].items()
    }
    path = folder / file
    found = sha256(path) if path.is_file() else "no file"
    if found != expected[file]:
        raise DataError(
            f"embedded file {file!r} has SHA-256 {found}; expected {expected[file]}; "
            "the installation is damaged: install gpjepa again"
        )
    return path


def lines(file: str) -> list[str]:
    """Read the lines of an embedded text file, compressed or not."""
    path = checked(file)
    raw = path.read_bytes()
    text = gzip.decompress(raw) if path.suffix == ".gz" else raw
    return text.decode("utf-8").splitlines()
