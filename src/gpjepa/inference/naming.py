"""Naming the perturbation in which a head failed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from gpjepa.core.errors import NumericError
from gpjepa.model.diffusion.samplers import NonFiniteScore


@contextmanager
def drawing(label: str | None) -> Iterator[None]:
    """Say which perturbation was being drawn when a score is not finite.

    A head sees tensors only: it names the step and the rows. Raises `NumericError`; without a
    label the error is left as it is.
    """
    try:
        yield
    except NonFiniteScore as error:
        if label is None:
            raise
        raise NumericError(f"perturbation {label!r}: {error}") from error
