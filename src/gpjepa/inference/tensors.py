"""Reading safetensors with a typed error for a damaged file."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from torch import Tensor

from gpjepa.core.errors import CheckpointError


def read_tensors(path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    """Return the tensors and the metadata of a file; raise `CheckpointError` if damaged."""
    with _opened(path) as stream:
        names = list(stream.keys())
        return {name: stream.get_tensor(name) for name in names}, dict(stream.metadata() or {})


def read_metadata(path: Path) -> dict[str, str]:
    """Return the metadata of a file; raise `CheckpointError` if damaged."""
    with _opened(path) as stream:
        return dict(stream.metadata() or {})


@contextmanager
def _opened(path: Path) -> Iterator[Any]:
    try:
        with safe_open(path, framework="pt") as stream:
            yield stream
    except (OSError, SafetensorError) as error:
        raise CheckpointError(
            f"file {str(path)!r} cannot be read as safetensors ({error}); expected the file that "
            "a run wrote; restore it or train again"
        ) from error
