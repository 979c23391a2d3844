"""Results kept by what made them: sources, settings, data and seed; nothing else is trusted."""

from __future__ import annotations

import ast
import hashlib
import json
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gpjepa.core.files import read_json, write_json
from gpjepa.core.provenance import package_version
from gpjepa.data.datasets import describe
from gpjepa.data.resources import manifest

PACKAGE = Path(__file__).resolve().parent.parent
LIBRARIES = ("numpy", "scipy", "pandas", "anndata", "scikit-learn", "torch")


def default_folder() -> Path:
    """Return where results are kept: a folder of the user's cache directory."""
    home = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(home) / "gpjepa" / "benchmarks"


@dataclass(frozen=True)
class Cache:
    """A folder of JSON documents named by their keys."""

    folder: Path

    def get(self, key: str) -> Any | None:
        """Return the document of a key; None where there is none that can be read."""
        try:
            return read_json(self._path(key))
        except (OSError, ValueError):
            return None

    def put(self, key: str, document: Any) -> None:
        """Keep a document; a crash leaves the old one or none."""
        write_json(self._path(key), document)

    def _path(self, key: str) -> Path:
        return self.folder / f"{key}.json"


def key_of(sources: str, data: str, *settings: str | int) -> str:
    """Return the key of a result: SHA-256 over all that it depends on."""
    libraries = [package_version(name) for name in LIBRARIES]
    return _digest(json.dumps([sources, data, libraries, settings]))


def data_digest(names: Sequence[str]) -> str:
    """Return a digest of the recorded contents of embedded data sets."""
    entries = manifest()
    return _digest(json.dumps([sorted(entries[describe(n).name]["files"].items()) for n in names]))


def source_digests(modules: Sequence[str], package: Path = PACKAGE) -> dict[str, str]:
    """Return a digest of the sources that each module imports, directly or not, itself included.

    Imports inside functions count; what lies outside of the package does not.
    """
    read: dict[str, tuple[str, tuple[str, ...]]] = {}  # text and imports, each read once
    return {module: _digest_of(module, package, read) for module in set(modules)}


def _digest_of(module: str, package: Path, read: dict[str, tuple[str, tuple[str, ...]]]) -> str:
    """Return the digest of one module; `read` keeps what was read on the way."""
    texts: dict[str, str] = {}
    pending = [module]
    while pending:
        name = pending.pop()
        if name in texts:
            continue
        if name not in read:
            path = _source(name, package)
            text = "" if path is None else path.read_text(encoding="utf-8")
            read[name] = text, tuple(_imported(text, package.name))
        texts[name], imported = read[name]
        pending += imported
    return _digest(json.dumps(sorted(texts.items())))


def _imported(text: str, root: str) -> Iterator[str]:
    """Yield the modules, or names in them, that a source imports from the package."""
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module is not None:
            names = [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
        else:
            continue
        yield from (name for name in names if name.split(".")[0] == root)


def _source(name: str, package: Path) -> Path | None:
    """Return the file of a module; None for a name that is no module of the package."""
    path = package.parent.joinpath(*name.split("."))
    for candidate in (path.with_suffix(".py"), path / "__init__.py"):
        if candidate.is_file():
            return candidate
    return None


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
