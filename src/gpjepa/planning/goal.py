"""What a plan is to reach, in arrays: cells, a state, a direction, a signature."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from gpjepa.core.errors import ConfigError


@dataclass(frozen=True, eq=False)
class CellsGoal:
    """The state of goal cells.

    `latents` [N, D] are theirs under the teacher, brought to where predictions start, see
    `anchored` and `readout.placed`. `effect` [G] is their pseudobulk's difference to the control
    cells in log1p units and `error` [G] its standard error, None where nobody measured them.
    """

    latents: Float[Tensor, "N D"]
    effect: Float[Tensor, " G"] | None = None
    error: Float[Tensor, " G"] | None = None

    def __post_init__(self) -> None:
        _require_rows(self.latents)
        _require_finite("goal latents", self.latents)
        if self.effect is not None:
            _require_finite("the goal's effect", self.effect)
        if self.error is not None:
            _require_finite("the goal's standard errors", self.error)

    @property
    def mean(self) -> Float[Tensor, " D"]:
        """Return the mean latent of the cells."""
        return self.latents.mean(dim=0)


@dataclass(frozen=True, eq=False)
class LatentGoal:
    """One latent [D] that the mean of a population is to reach."""

    latent: Float[Tensor, " D"]

    def __post_init__(self) -> None:
        _require_finite("the goal latent", self.latent)

    @property
    def mean(self) -> Float[Tensor, " D"]:
        """Return the latent."""
        return self.latent

    @property
    def latents(self) -> Float[Tensor, "1 D"]:
        """Return the latent as a population of one."""
        return self.latent.unsqueeze(0)


@dataclass(frozen=True, eq=False)
class DirectionGoal:
    """A way to go, as far as possible: in the latent [D], or in expression [G] (log1p units).

    Away from A and towards B is the mean of B minus the mean of A.
    """

    latent: Float[Tensor, " D"]
    effect: Float[Tensor, " G"] | None = None

    def __post_init__(self) -> None:
        _require_finite("the goal's direction", self.latent)
        if not bool((self.latent != 0).any()):
            raise ConfigError(
                "the goal's direction has length 0; expected one that leads somewhere; name two "
                "states that differ"
            )


@dataclass(frozen=True, eq=False)
class SignatureGoal:
    """Genes to move up (weights above 0) and down (below 0), by their index among G genes."""

    weights: Mapping[int, float]

    def __post_init__(self) -> None:
        _require_finite("the signature's weights", torch.tensor(list(self.weights.values())))
        if not any(self.weights.values()):
            raise ConfigError(
                "the signature has no gene with a weight; expected one or more; give genes to move "
                "up (+1) or down (-1)"
            )

    def vector(self, genes: int) -> Float[Tensor, " G"]:
        """Return the weights of all genes, their magnitudes summing to 1."""
        found = torch.zeros(genes)
        for gene, weight in self.weights.items():
            found[gene] = weight
        return found / found.abs().sum()


Goal = CellsGoal | LatentGoal | DirectionGoal | SignatureGoal


def one_way(goal: Goal) -> bool:
    """Tell whether a goal has no end: a direction or a signature has no distance to close."""
    return isinstance(goal, DirectionGoal | SignatureGoal)


def anchored(
    latents: Float[Tensor, "N D"],
    encoded: Float[Tensor, "C D"],
    taught: Float[Tensor, "C D"],
) -> Float[Tensor, "N D"]:
    """Return teacher latents moved by what sets encoder and teacher apart on control cells.

    `encoded` and `taught` are the same control cells' latents under the encoder, from which
    predictions start, and under the teacher, which embeds goals.
    """
    return latents + (encoded.mean(dim=0) - taught.mean(dim=0))


def _require_rows(latents: Tensor) -> None:
    if latents.ndim != 2 or not len(latents):
        raise ConfigError(
            f"goal latents have shape {tuple(latents.shape)}; expected one row or more of latents "
            "[cells, D]; pass at least one goal cell"
        )


def _require_finite(what: str, values: Tensor) -> None:
    if not bool(torch.isfinite(values).all()):
        raise ConfigError(
            f"{what} hold values that are not finite; expected finite ones; check where they come "
            "from"
        )
