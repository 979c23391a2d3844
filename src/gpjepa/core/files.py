"""Files written whole or not at all."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from gpjepa.core.errors import OutputExistsError, StorageError

FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)  # no room on the disk, of the quota, of the file


def write_atomic(path: Path | str, write: Callable[[Path], object]) -> Path:
    """Let `write` fill a temporary neighbour of `path`, then move it into place.

    Raises `StorageError` when the disk is full: `path` is then as it was; `OutputExistsError`
    when it is a directory.
    """
    target = Path(path)
    if target.is_dir():
        raise OutputExistsError(
            f"output {str(target)!r} is a directory; expected the path of a file; name one in it"
        )
    target.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=target.parent, prefix=".", suffix=target.suffix)
    os.close(handle)
    temporary = Path(name)
    try:
        write(temporary)
        os.chmod(temporary, 0o644)
        os.replace(temporary, target)
    except OSError as error:
        if error.errno not in FULL:
            raise
        raise StorageError(
            f"{str(target)!r} cannot be written: the disk or its quota is full ({error.strerror}); "
            "expected room for it; what was there before is as it was; make room and go on, "
            "training with --resume"
        ) from error
    finally:
        temporary.unlink(missing_ok=True)
    return target


def write_text(path: Path | str, text: str) -> Path:
    """Write UTF-8 text atomically."""
    return write_atomic(path, lambda temporary: temporary.write_text(text, encoding="utf-8"))


def write_json(path: Path | str, document: Any) -> Path:
    """Write a JSON document atomically; NaN and infinity are refused."""
    return write_text(path, json.dumps(document, indent=1, allow_nan=False) + "\n")


def read_json(path: Path | str) -> Any:
    """Read a JSON document."""
    return json.loads(Path(path).read_text(encoding="utf-8"))


def refuse_existing(path: Path | str, force: bool) -> Path:
    """Return `path`; raise `OutputExistsError` when it holds something and `force` is off."""
    target = Path(path)
    occupied = any(target.iterdir()) if target.is_dir() else target.exists()
    if occupied and not force:
        raise OutputExistsError(
            f"output {str(target)!r} exists already; expected a new path; "
            "choose another one or pass --force to overwrite it"
        )
    return target


def clear(path: Path | str) -> None:
    """Remove a file or a directory tree if it is there."""
    target = Path(path)
    if target.is_dir():
        shutil.rmtree(target)
    else:
        target.unlink(missing_ok=True)


def sha256(path: Path | str) -> str:
    """Return the hexadecimal SHA-256 of a file."""
    digest = hashlib.sha256()
    with Path(path).open("rb") as stream:
        while block := stream.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()
