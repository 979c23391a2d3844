"""The state that a plan is to reach, as users say it: cells, a name, a signature, a direction."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import torch

from gpjepa.api.goal_cells import Cohort, Named
from gpjepa.api.goal_files import sided
from gpjepa.core.errors import ConfigError, DataError, listed
from gpjepa.core.random import numpy_stream
from gpjepa.data.cells import Cells
from gpjepa.evaluation.pseudobulk import pseudobulk, standard_error
from gpjepa.inference.bundle import Bundle
from gpjepa.inference.cells import CellTable
from gpjepa.inference.embed import embed_cells
from gpjepa.planning.goal import (
    CellsGoal,
    DirectionGoal,
    Goal,
    LatentGoal,
    SignatureGoal,
    anchored,
)
from gpjepa.planning.origin import Origin
from gpjepa.planning.readout import placed

if TYPE_CHECKING:
    from anndata import AnnData

MOST_CELLS = 1000  # cells of a goal that are encoded


@dataclass(frozen=True)
class Direction:
    """Away from one state, towards another: each a condition, a cell type or cells (AnnData)."""

    away_from: AnnData | str
    towards: AnnData | str


@dataclass(frozen=True)
class Signature:
    """Genes that are to change, with weights: above 0 to rise, below 0 to fall."""

    weights: Mapping[str, float]

    @staticmethod
    def of(up: Sequence[str] = (), down: Sequence[str] = ()) -> Signature:
        """Return the signature of genes that are to rise and to fall, each side 1 in all."""
        return Signature(sided(list(up), list(down)))


AnyGoal: TypeAlias = "AnnData | str | Mapping[str, Any] | Signature | Direction | np.ndarray"


@dataclass(frozen=True, eq=False)
class Aim:
    """A goal in the model's own terms: one of the first three is set.

    `latents` [N, D] of target cells, or of one target state; `direction` [D] in the latent;
    `weights` [G] of a signature, their sizes 1 in all. `cells` are those that it was made of, of
    a direction those away from and those towards. `kind` and `name` say what was asked for,
    `notes` what of it could not be used.
    """

    kind: str
    name: str
    latents: np.ndarray | None = None
    direction: np.ndarray | None = None
    weights: np.ndarray | None = None
    cells: tuple[CellTable, ...] = ()
    notes: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Return what is recorded of the goal."""
        cells = sum(len(table) for table in self.cells)
        return {"kind": self.kind, "name": self.name, "cells": cells}


def aim_of(goal: Any, cohort: Cohort, seed: int = 0) -> Aim:
    """Return a user's goal in the model's terms; cells are encoded by its teacher.

    Raises `DataError` for cells or a signature without the genes of the model, `VocabularyError`
    for a name that is not known and `ConfigError` for what is no goal.
    """
    match goal:
        case np.ndarray():
            return _latent(goal, cohort.bundle)
        case Signature():
            return _signature(goal.weights, cohort.bundle)
        case Mapping():
            return _signature(_weights(goal), cohort.bundle)
        case Direction():
            return _direction(goal, cohort, seed)
        case str():
            return _cells(cohort.of(goal), cohort.bundle, seed)
        case _ if type(goal).__name__ == "AnnData":
            return _cells(cohort.of(goal), cohort.bundle, seed)
        case _:
            raise ConfigError(
                f"the goal is a {type(goal).__name__}; expected AnnData of target cells, the name "
                "of a condition or cell type, a signature (gene: weight), gpjepa.Direction or a "
                "latent (array); pass one of these"
            )


def encoded(bundle: Bundle, cells: CellTable, seed: int) -> np.ndarray:
    """Return the teacher's latents of at most 1,000 of the cells [N, D]."""
    if len(cells) > MOST_CELLS:
        chosen = numpy_stream(seed, "goal cells").permutation(len(cells))[:MOST_CELLS]
        cells = cells.take(np.sort(chosen))
    genes = np.array(bundle.panel.names, dtype=object)
    names = np.arange(len(cells)).astype(str).astype(object)
    return embed_cells(
        bundle.teacher, Cells(cells.counts, genes, names, cells.library, bundle.panel.has_rest)
    )


def _cells(named: Named, bundle: Bundle, seed: int) -> Aim:
    latents = encoded(bundle, named.cells, seed)
    return Aim(named.kind, named.name, latents=latents, cells=(named.cells,))


def _latent(goal: np.ndarray, bundle: Bundle) -> Aim:
    width = bundle.teacher.latent
    values = np.atleast_2d(np.asarray(goal, dtype=np.float32))
    if values.ndim != 2 or values.shape[1] != width or not len(values):
        raise ConfigError(
            f"the goal is an array of shape {np.shape(goal)}; expected one latent [{width}], or "
            f"one for each target cell [cells, {width}], as `embed` returns them"
        )
    if not np.isfinite(values).all():
        raise ConfigError("the goal holds values that are not finite; expected a finite latent")
    one = len(values) == 1
    note = (
        "a goal of latents is taken to be a predicted state: measured cells under the teacher lie "
        "elsewhere; give cells with counts where there are any"
    )
    name = "a latent" if one else f"{len(values)} latents"
    return Aim("latent", name, latents=values, notes=(note,))


def _direction(goal: Direction, cohort: Cohort, seed: int) -> Aim:
    ends = [cohort.of(end) for end in (goal.away_from, goal.towards)]
    first, last = (encoded(cohort.bundle, end.cells, seed).mean(axis=0) for end in ends)
    vector = (last - first).astype(np.float64)
    length = float(np.linalg.norm(vector))
    name = f"from {ends[0].name} to {ends[1].name}"
    if ends[0].name == ends[1].name or length == 0:
        raise ConfigError(
            f"the direction is {name}: there is nothing to reach; expected two different states; "
            "name another one"
        )
    return Aim("direction", name, direction=vector, cells=tuple(end.cells for end in ends))


def _weights(goal: Mapping[str, Any]) -> dict[str, float]:
    """Return a dict of weights, or of the lists "up" and "down", as weights."""
    sides = {key: value for key, value in goal.items() if not isinstance(value, (int, float))}
    if sides and set(goal) <= {"up", "down"}:
        return sided(*([str(gene) for gene in goal.get(side, ())] for side in ("up", "down")))
    strange = [key for key, value in sides.items() if not isinstance(value, np.number)]
    if strange:
        raise ConfigError(
            f"the signature gives {strange[0]!r} a {type(goal[strange[0]]).__name__}; expected a "
            "weight for each gene, or two lists of genes, 'up' and 'down'"
        )
    return {str(gene): float(weight) for gene, weight in goal.items()}


def _signature(given: Mapping[str, float], bundle: Bundle) -> Aim:
    """Return weights [G] whose sizes add up to 1; genes that are not modelled are noted."""
    at = {gene: index for index, gene in enumerate(bundle.panel.names)}
    for gene, weight in given.items():
        if not np.isfinite(weight):
            raise ConfigError(f"the weight of {gene!r} is {weight}; expected a finite number")
    missing = [gene for gene in given if gene not in at]
    used = {gene: float(weight) for gene, weight in given.items() if gene in at and weight}
    shown = listed(missing)
    if not used:
        found = f"none of its {len(given)} genes is modelled ({shown})" if missing else "no weight"
        raise DataError(
            f"the signature has nothing to reach: {found}; expected genes of the model by the same "
            f"names ({len(at)}, such as {bundle.panel.names[0]}), with weights other than 0; "
            "rename them, or train with these genes"
        )
    weights = np.zeros(len(at))
    for gene, weight in used.items():
        weights[at[gene]] = weight
    rising = sum(weight > 0 for weight in used.values())
    name = f"signature of {rising} genes up, {len(used) - rising} down"
    notes = (f"signature: {len(missing)} of {len(given)} genes are not modelled ({shown}); left "
             "out",) if missing else ()  # fmt: skip
    return Aim("signature", name, weights=weights / np.abs(weights).sum(), notes=notes)


def planning_goal(aim: Aim, origin: Origin, cells: CellTable, taught: np.ndarray) -> Goal:
    """Return the goal as planners take it.

    `cells` are the control cells of the origin, `taught` [N, D] their latents under the teacher:
    goals are moved by what sets encoder and teacher apart on them, and goal cells to where the
    decoder gives their effect.
    """
    if aim.weights is not None:
        return SignatureGoal({int(g): float(aim.weights[g]) for g in np.flatnonzero(aim.weights)})
    if aim.direction is not None:
        first, last = (bulk(table, origin.target) for table in aim.cells)
        return DirectionGoal(torch.from_numpy(aim.direction).float(), last - first)
    assert aim.latents is not None
    state = origin.controls.state
    moved = anchored(
        torch.from_numpy(aim.latents).to(state), state, torch.from_numpy(taught).to(state)
    )
    if len(moved) == 1:
        return LatentGoal(moved[0])
    if not aim.cells:
        return CellsGoal(moved)
    effect = bulk(aim.cells[0], origin.target) - bulk(cells, origin.target)
    error = torch.hypot(*(_doubt(table, origin.target) for table in (aim.cells[0], cells)))
    return placed(origin, CellsGoal(moved, effect, error))


def _doubt(cells: CellTable, target: float) -> torch.Tensor:
    """Return the standard error of the cells' pseudobulk; 0 of a single cell, which has none."""
    error = standard_error(cells.counts, cells.library, target)
    return torch.from_numpy(np.nan_to_num(error)).float()


def bulk(cells: CellTable, target: float) -> torch.Tensor:
    """Return the pseudobulk [G] of cells, log1p(target · counts / library)."""
    return torch.from_numpy(pseudobulk(cells.counts, cells.library, target)).float()
