"""A step of Stages B and C: control cells beside target cells, and how they are paired."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from gpjepa.core.ranks import ALONE, Ranks, Rows
from gpjepa.data.pairing import from_description
from gpjepa.model.perturbation import Condition
from gpjepa.model.sparse_counts import SparseCounts
from gpjepa.objectives.across import WHOLE, Across


@dataclass(frozen=True)
class Whole:
    """What is known of the whole batch of a step by a process that has some `rows` of it.

    `group` [N] and `stratum` [N] are of all rows, `perturbed` is how many groups are perturbed.
    """

    rows: Rows
    group: np.ndarray
    stratum: np.ndarray
    perturbed: int


@dataclass(frozen=True)
class PairBatch:
    """Control cells and target cells of a step, row by row in the same group and stratum.

    `group` [B] counts the step's perturbations, `perturbation` [P] their rows in the effect table
    (−1 for control). `seed` is for the pairing. `whole` is None where all rows are here.
    """

    control: SparseCounts
    control_library: Float[Tensor, " B"]
    counts: SparseCounts
    library: Float[Tensor, " B"]
    condition: Condition
    group: Int[Tensor, " B"]
    perturbation: Int[Tensor, " P"]
    stratum: Int[Tensor, " B"]
    seed: int
    whole: Whole | None = None

    @property
    def total(self) -> int:
        """Return how many target cells the step has on all processes."""
        return len(self.group) if self.whole is None else self.whole.rows.total

    def across(self) -> Across:
        """Return what makes moments of all rows of the step."""
        return WHOLE if self.whole is None else Across(self.whole.rows)


class PairBatches(Protocol):
    """What draws the batches of Stages B and C."""

    @property
    def groups_per_step(self) -> int:
        """How many perturbations a step visits; control cells are one."""
        ...

    def __call__(self, step: int, device: torch.device, ranks: Ranks = ALONE) -> PairBatch:
        """Return the batch of a step, or the perturbations of it that a process has."""
        ...


def pairing_of(name: str) -> Callable[[PairBatch, Tensor, Tensor], Tensor]:
    """Return the rule that orders a step's control cells by the name of its pairing.

    Cells are paired by their latents within group and stratum; a control cell that is its own
    target stays so.
    """
    pairing = from_description({"name": name})

    def pair(batch: PairBatch, state: Tensor, seen: Tensor) -> Tensor:
        here, keys = _pairing_keys(batch)
        control, perturbed = (_in_place(z, here, len(keys)) for z in (state, seen))
        rng = np.random.default_rng(batch.seed)
        chosen = pairing.pair(control, perturbed, keys, keys, rng)[here] - (here.start or 0)
        order = torch.from_numpy(chosen).to(state.device)
        own = torch.arange(len(order), device=state.device)
        return torch.where(batch.perturbation[batch.group] < 0, own, order)

    return pair


def _pairing_keys(batch: PairBatch) -> tuple[slice, np.ndarray]:
    """Return where the rows here are in the step, and what each row of it is paired within."""
    if batch.whole is not None:
        group, stratum = batch.whole.group, batch.whole.stratum
        return batch.whole.rows.here, group * (int(stratum.max()) + 1) + stratum
    strata = int(batch.stratum.max()) + 1
    return slice(None), (batch.group * strata + batch.stratum).cpu().numpy()


def _in_place(z: Tensor, here: slice, total: int) -> np.ndarray:
    """Return latents in the rows of the whole step; the others are 0.

    Which cells are drawn does not depend on latents, so all processes draw alike.
    """
    own: np.ndarray = z.detach().float().cpu().numpy()
    if len(own) == total:
        return own
    whole = np.zeros((total, own.shape[1]), dtype=own.dtype)
    whole[here] = own
    return whole
