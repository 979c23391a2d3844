"""The sequences that a search found, beside the same perturbations at once and in reverse."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import torch

from gpjepa.api.sequence_setup import SequenceSetup
from gpjepa.data.labels import label_of, members_of
from gpjepa.planning.numbers import numbers, standard_error
from gpjepa.planning.population_energy import Valued
from gpjepa.planning.sequences import NONE, SequencePlan, roll

if TYPE_CHECKING:
    from pandas import DataFrame

THEN = " > "  # between the steps of a sequence
COLUMNS = (
    "rank", "sequence", "steps", "energy", "energy_se", "closed", "set", "set_energy",
    "set_energy_se", "beyond_set", "beyond_set_se", "order_effect", "order_effect_se",
)  # fmt: skip


class Compared(NamedTuple):
    """Rows of a table, and the evaluations that its comparisons took beyond the search's."""

    table: DataFrame
    evaluations: int


def table_of(setup: SequenceSetup, plan: SequencePlan, top: int) -> Compared:
    """Return the best `top` sequences with the energies of their sets and reverse orders.

    `beyond_set` is the energy of the sequence minus that of its members at once, `order_effect`
    minus that of the reverse order; standard errors are of the differences, over the same cells
    under the same noise.
    """
    import pandas

    some = plan.sequences[:top]
    labels = [_members(setup, row) for row in some]
    forward, backward = (_rolled(setup, rows) for rows in (some, _reversed(some)))
    at_once = _at_once(setup, labels)
    lengths = (some != NONE).sum(axis=1)
    beyond, order = (_difference(forward, other) for other in (at_once, backward))
    energy = numbers(forward.energy)
    closed = np.nan if setup.one_way else 1 - energy / setup.distance
    table = pandas.DataFrame(
        {
            "rank": np.arange(1, len(some) + 1),
            "sequence": names_of(setup, some),
            "steps": lengths,
            "energy": energy,
            "energy_se": standard_error(forward.influence),
            "closed": closed,
            "set": labels,
            "set_energy": numbers(at_once.energy),
            "set_energy_se": standard_error(at_once.influence),
            "beyond_set": beyond[0],
            "beyond_set_se": beyond[1],
            "order_effect": order[0],
            "order_effect_se": order[1],
        },
        columns=list(COLUMNS),
    )
    if setup.courses.space.cost is not None:
        table["cost"] = setup.courses.totals(some)
    return Compared(table, int(2 * lengths.sum() + len(some)))


def trace_of(plan: SequencePlan) -> DataFrame:
    """Return where the search stood after each batch."""
    import pandas

    columns = ["phase", "iteration", "evaluations", "energy", "spread"]
    return pandas.DataFrame([asdict(point) for point in plan.trace], columns=columns)


def names_of(setup: SequenceSetup, sequences: np.ndarray) -> list[str]:
    """Return each sequence's steps in order."""
    return [THEN.join(setup.labels[step] for step in row if step != NONE) for row in sequences]


def _members(setup: SequenceSetup, row: np.ndarray) -> str:
    """Return the label of all that a sequence applies."""
    steps = (setup.labels[step] for step in row if step != NONE)
    return label_of(member for label in steps for member in members_of(label))


@torch.no_grad()
def _rolled(setup: SequenceSetup, sequences: np.ndarray) -> Valued:
    return setup.energy(roll(setup.transition, sequences))


@torch.no_grad()
def _at_once(setup: SequenceSetup, labels: list[str]) -> Valued:
    start = setup.transition.origin.start
    sets = torch.from_numpy(setup.start.bundle.vocabulary.encode(labels)).to(start.device)
    states = setup.transition.apply(start.expand(len(sets), *start.shape), sets, 0)
    return setup.energy(states)


def _reversed(sequences: np.ndarray) -> np.ndarray:
    """Return the sequences the other way round, −1 still after the last."""
    rows = np.full_like(sequences, NONE)
    for row, sequence in zip(rows, sequences, strict=True):
        steps = sequence[sequence != NONE]
        row[: len(steps)] = steps[::-1]
    return rows


def _difference(one: Valued, other: Valued) -> tuple[np.ndarray, np.ndarray]:
    """Return differences of energies of the same cells, and their standard errors."""
    apart = numbers(one.energy - other.energy)
    return apart, standard_error(one.influence - other.influence)
