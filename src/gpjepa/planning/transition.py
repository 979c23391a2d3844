"""One step of the world model from populations of states, with the same noise for all actions."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from gpjepa.core.errors import ConfigError
from gpjepa.core.random import torch_stream
from gpjepa.planning.carried import Carried
from gpjepa.planning.origin import Origin

ROWS = 16_384  # states that are run through the model at once


@dataclass(frozen=True, eq=False)
class Transition:
    """Applies actions to populations [P, N, D] of the states of the origin's N cells.

    `actions` [M, K] are sets of perturbations as the model numbers them, −1 as padding. A step
    draws its latents from the predictor given the states that the step before left; every action
    of a step sees the same noise, that of `seed` and of how many steps went before. With `carried`
    a step also does what it and the perturbations in place do together. Raises `ConfigError` for a
    model that does not look at the state.
    """

    origin: Origin
    actions: Int[Tensor, "M K"]
    seed: int
    carried: Carried | None = None

    def __post_init__(self) -> None:
        if self.origin.model.start is not None:
            raise ConfigError(
                "the model replaces each cell's state by the mean control state (predictor.state = "
                "'mean'), so a step would forget those before; expected predictor.state = 'cell'; "
                "train such a model, or plan sets"
            )

    @property
    def cells(self) -> int:
        """Return the number of cells of a population, N."""
        return self.origin.cells

    def __call__(
        self,
        states: Float[Tensor, "P N D"],
        chosen: np.ndarray,
        depth: int,
        before: np.ndarray | None = None,
    ) -> Float[Tensor, "P N D"]:
        """Return the states after action `chosen` [P] of each population, the step `depth`.

        `before` [P, T] are the actions in place, −1 for none.
        """
        chosen = np.asarray(chosen, dtype=np.int64)
        index = torch.from_numpy(chosen).to(self.actions.device)
        moved = self.apply(states, self.actions[index], depth)
        if self.carried is None:
            return moved
        nothing = np.zeros((len(chosen), 0), dtype=np.int64)
        return moved + self.carried(states, nothing if before is None else before, chosen)

    @torch.no_grad()
    def apply(
        self, states: Float[Tensor, "P N D"], sets: Int[Tensor, "P K"], depth: int
    ) -> Float[Tensor, "P N D"]:
        """Return the states after a set of perturbations of each population."""
        if not len(states):
            return states
        at_once = max(1, ROWS // self.cells)
        pairs = zip(states.split(at_once), sets.split(at_once), strict=True)
        return torch.cat([self._moved(some, these, depth) for some, these in pairs])

    def _moved(
        self, states: Float[Tensor, "P N D"], sets: Int[Tensor, "P K"], depth: int
    ) -> Float[Tensor, "P N D"]:
        model, count = self.origin.model, len(states)
        prediction = model.predict(states.flatten(0, 1), self.origin.condition(sets))
        row = torch.arange(self.cells, device=states.device)
        drawn = []
        for population in range(count):
            generator = torch_stream(self.seed, "sequence", depth, device=states.device)
            here = prediction.rows(row + population * self.cells)
            drawn.append(model.head.sample(here, generator))
        return torch.stack(drawn)
