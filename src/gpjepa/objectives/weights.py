"""Named loss terms with their weights, so that each can be logged both ways."""

from __future__ import annotations

from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor

from gpjepa.core.errors import ConfigError


@dataclass(frozen=True)
class Term:
    """One term of the objective: its raw value and the weight it enters with."""

    name: str
    value: Float[Tensor, ""]
    weight: float = 1.0

    def weighted(self) -> Float[Tensor, ""]:
        """Return weight · value."""
        return self.weight * self.value


@dataclass(frozen=True)
class Terms:
    """The objective of a step."""

    terms: tuple[Term, ...]

    def total(self) -> Float[Tensor, ""]:
        """Return the weighted sum that is minimised; a term of weight 0 takes no part.

        Raises `ConfigError` when no term is left.
        """
        parts = [term.weighted() for term in self.terms if term.weight]
        if not parts:
            raise ConfigError(
                f"every term has weight 0 ({', '.join(term.name for term in self.terms)}); "
                "expected at least one above 0; raise one of the loss weights"
            )
        total = parts[0]
        for part in parts[1:]:
            total = total + part
        return total
