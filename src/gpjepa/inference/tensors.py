"""Reading safetensors with a typed error for a damaged file."""

from __future__ import annotations

from pathlib import Path

from safetensors import SafetensorError, safe_open
from torch import Tensor

from gpjepa.core.errors import CheckpointError


def read_tensors(path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    """Return the tensors and the metadata of a file; raise `CheckpointError` if damaged."""
    try:
        with safe_open(path, framework="pt") as stream:
            names = list(stream.keys())
            return {name: stream.get_tensor(name) for name in names}, dict(stream.metadata() or {})
    except (OSError, SafetensorError) as error:
        raise CheckpointError(
            f"file {str(path)!r} cannot be read as safetensors ({error}); expected the file that "
            "a run wrote; restore it or train again"
        ) from error
