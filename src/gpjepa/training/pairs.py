"""Pairs of control and target cells for Stages B and C."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch

from gpjepa.core.config import Config
from gpjepa.core.random import derive_seed, numpy_stream
from gpjepa.core.ranks import ALONE, Ranks
from gpjepa.data.labels import CONTROL
from gpjepa.data.sampling import GroupBatches
from gpjepa.data.vocabulary import Vocabulary
from gpjepa.inference.ahead import ReadAhead
from gpjepa.model.perturbation import Condition
from gpjepa.training.pair_batch import PairBatch, Whole
from gpjepa.training.prepare import Annotated


@dataclass(frozen=True, eq=False)
class PairSource:
    """Draws the batches of Stages B and C; a pure function of seed and step.

    Control cells are a perturbation too, the empty set: each is its own target.
    """

    cells: Annotated
    members: np.ndarray  # [P + 1, K], row 0 the empty set
    groups: GroupBatches  # group 0 is control
    controls: dict[int, np.ndarray]  # control cells of each stratum; −1: of all
    seed: int

    @property
    def groups_per_step(self) -> int:
        """How many perturbations a step visits."""
        return min(self.groups.groups_per_step, len(self.groups.groups))

    def __call__(self, step: int, device: torch.device, ranks: Ranks = ALONE) -> PairBatch:
        """Return the batch of a step, or the perturbations of it that this process has.

        Every process draws for the whole step, then keeps its own.
        """
        control, target, group = self.drawn(step)
        whole = None if ranks.size == 1 else self._whole(target, group, ranks)
        if whole is not None:
            target, group, control = (x[whole.rows.here] for x in (target, group, control))
        rows, local = np.unique(group, return_inverse=True)
        cells, table = self.cells, self.ahead.at(step)
        condition = Condition(
            torch.from_numpy(self.members[group]).to(device),
            torch.from_numpy(cells.covariates[target]).to(device),
            _dose(cells.dose, target, device),
        )
        return PairBatch(
            *table.sparse(control, device),
            *table.sparse(target, device),
            condition,
            torch.from_numpy(local).to(device),
            torch.from_numpy(rows - 1).to(device),
            torch.from_numpy(cells.strata[target]).to(device),
            derive_seed(self.seed, "pairing", step),
            whole,
        )

    def _whole(self, target: np.ndarray, group: np.ndarray, ranks: Ranks) -> Whole:
        """Return what this process knows of the step; it has whole groups."""
        size = self.groups.group_size
        here = ranks.rows(len(group) // size).times(size)
        found, local = np.unique(group, return_inverse=True)
        return Whole(here, local, self.cells.strata[target], int(np.count_nonzero(found)))

    def drawn(self, step: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return the control and target cells of a step, and the group of each pair."""
        target, group = self.groups.indices(step)
        rng = numpy_stream(self.seed, "pairs", step)
        return self._controls_for(target, group, rng), target, group

    @cached_property
    def ahead(self) -> ReadAhead:
        """Return what holds the cells of a step."""
        return ReadAhead(self.cells.table, lambda step: np.concatenate(self.drawn(step)[:2]))

    def _controls_for(
        self, target: np.ndarray, group: np.ndarray, rng: np.random.Generator
    ) -> np.ndarray:
        """Draw a control for each target within its stratum, without repeats while they last."""
        control = target.copy()
        for number in np.unique(group[group > 0]):
            rows = np.flatnonzero(group == number)
            strata = self.cells.strata[target[rows]]
            for stratum in np.unique(strata):
                here = rows[strata == stratum]
                pool = self.controls.get(int(stratum), self.controls[-1])
                rounds = -(-len(here) // len(pool))
                drawn = [rng.permutation(pool) for _ in range(rounds)]
                control[here] = np.concatenate(drawn)[: len(here)]
        return control


def _dose(dose: np.ndarray | None, rows: np.ndarray, device: torch.device) -> torch.Tensor | None:
    if dose is None:
        return None
    return torch.from_numpy(dose[rows].astype(np.float32)).to(device)


def make_pairs(
    cells: Annotated, labels: tuple[str, ...], vocabulary: Vocabulary, config: Config, seed: int
) -> PairSource:
    """Group the training cells by perturbation, control first."""
    order = (CONTROL, *labels)
    where = {label: np.flatnonzero(cells.labels == label) for label in order}
    part = config.fit
    groups = GroupBatches(
        tuple(where[label] for label in order),
        max(1, part.batch_size // part.group_size),
        part.group_size,
        seed,
        "fit",
    )
    pool = where[CONTROL]
    by_stratum = {int(s): pool[cells.strata[pool] == s] for s in np.unique(cells.strata[pool])}
    return PairSource(cells, vocabulary.encode(order), groups, {-1: pool, **by_stratum}, seed)


Pairing = Callable[[PairBatch, torch.Tensor, torch.Tensor], torch.Tensor]
