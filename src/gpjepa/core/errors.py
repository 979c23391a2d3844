"""The errors that users see: each says what was found, what was expected and what to do."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class GPJEPAError(Exception):
    """Base of every error that gpjepa raises on purpose."""


class DataError(GPJEPAError):
    """The data cannot be used as they are."""


class VocabularyError(GPJEPAError):
    """A perturbation, gene or covariate level is not known to the model or the data."""


class ConfigError(GPJEPAError):
    """A setting is unknown, of the wrong type or out of range."""


class OutputExistsError(ConfigError):
    """An output exists already and overwriting was not asked for."""


class CheckpointError(GPJEPAError):
    """A saved model is missing, damaged or does not fit."""


class StorageError(GPJEPAError):
    """A file cannot be written: the disk is full."""


class ProcessError(GPJEPAError):
    """Another process of the run is gone, or does not answer."""


class NumericError(GPJEPAError):
    """A computation left the finite numbers."""


def nearest(name: str, names: Iterable[str], count: int = 3) -> list[str]:
    """Return the `count` names most like `name`, best first; empty when none is close."""
    known = [str(candidate) for candidate in names]
    folded = {candidate.casefold(): candidate for candidate in known}
    hits = difflib.get_close_matches(name.casefold(), list(folded), n=count, cutoff=0.5)
    return [folded[hit] for hit in hits]


def listed(names: Iterable[object], most: int = 5) -> str:
    """Return the first few names for a message, with … where there are more."""
    every = [str(name) for name in names]
    return ", ".join(every[:most]) + (", …" if len(every) > most else "")


def first_line(said: object) -> str:
    """Return the first line of what an error says; its kind where it says nothing."""
    lines = str(said).strip().splitlines()
    return lines[0] if lines else type(said).__name__


def unknown(kind: str, name: str, names: Iterable[str], advice: str) -> str:
    """Word the message for a name that is not among `names`, suggesting the closest ones."""
    known = [str(candidate) for candidate in names]
    close = ", ".join(repr(candidate) for candidate in nearest(name, known)) or "none"
    plural = "name" if len(known) == 1 else "names"
    return f"{kind} {name!r} is not known ({len(known)} {plural}; closest: {close}); {advice}"
