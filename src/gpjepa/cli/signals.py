"""Ctrl-C and SIGTERM while a model trains."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

from gpjepa.cli.output import print_note


def _interrupt(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt


@contextmanager
def interruptible(run: Path | None = None) -> Iterator[None]:
    """Turn SIGINT and SIGTERM into KeyboardInterrupt, on which training writes a checkpoint.

    SIGINT too, because a shell starts background jobs with it ignored. Where `run` then holds
    checkpoints, a note on stderr says how to go on.
    """
    former = {
        number: signal.signal(number, _interrupt) for number in (signal.SIGINT, signal.SIGTERM)
    }
    try:
        yield
    except KeyboardInterrupt:
        folder = None if run is None else run / "checkpoints"
        if folder is not None and folder.is_dir():
            text = f"a checkpoint is in {folder}; the same command with --resume goes on from it"
            print_note(text, quiet=False)
        raise
    finally:
        for number, handler in former.items():
            signal.signal(number, handler)
