"""What planning a sequence needs: encoded cells, the goal's energy, the steps that are allowed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import torch

from gpjepa.api.answers import averaged_over
from gpjepa.api.controls import from_anndata
from gpjepa.api.goals import AnyGoal, bulk
from gpjepa.api.model import GPJEPA
from gpjepa.api.plan import Departure
from gpjepa.api.plan_setup import course_of, kind_of, origin_of
from gpjepa.api.plan_space import Names, several
from gpjepa.api.populations import Start
from gpjepa.core.errors import ConfigError
from gpjepa.data.labels import members_of
from gpjepa.data.perturbseq import PerturbSeq
from gpjepa.planning.energy import KINDS, MeanEnergy, mean_energy
from gpjepa.planning.goal import CellsGoal, one_way
from gpjepa.planning.population_energy import PopulationEnergy, population_energy
from gpjepa.planning.readout import placed
from gpjepa.planning.transition import Transition

if TYPE_CHECKING:
    from anndata import AnnData

FEWEST = 2  # cells without which an energy has no error


@dataclass(frozen=True)
class Choices:
    """Which steps a sequence may have, by name.

    `candidates` are perturbations or combinations, each one step; None are the members with
    training cells. Steps with a member that is `forbidden` or was `applied` are left out.
    """

    candidates: Sequence[str] | str | None = None
    forbidden: Sequence[str] | str = ()
    applied: Sequence[str] = ()

    def labels(self, names: Names) -> tuple[str, ...]:
        """Return the labels of the steps; unknown ones are noted.

        Raises `VocabularyError` where none is known, or an applied one is not, and `ConfigError`
        where none is left.
        """
        forbidden = names.known("forbidden", several(self.forbidden))
        for label in forbidden:
            if len(members_of(label)) > 1:
                raise ConfigError(
                    f"forbidden {label!r} is a combination; expected single perturbations, which "
                    "no step may hold; name them one by one"
                )
        if self.candidates is None:
            named = names.vocabulary.trained(names.modality)
        else:
            given = several(self.candidates)
            if not given:
                raise ConfigError(
                    "candidates are empty; expected one or more perturbations; leave them out for "
                    "all that have training cells"
                )
            named = tuple(dict.fromkeys(names.known("candidates", given)))
        applied = names.known("applied", self.applied, strict=True)
        out = {member for label in (*forbidden, *applied) for member in members_of(label)}
        kept = tuple(label for label in named if not out & set(members_of(label)))
        if not kept:
            raise ConfigError(
                f"none of {len(named)} candidates is left without what is forbidden or was applied "
                f"({', '.join(sorted(out)) or 'nothing'}); expected one or more; name others"
            )
        return kept


@dataclass(frozen=True, eq=False)
class SequenceSetup:
    """Steps `labels` from the cells of `start`, and the energy of the states they lead to.

    `guess` is the energy of a mean state.
    `distance` is the energy of the cells as they are. `one_way` goals have no end: a direction, a
    signature.
    """

    start: Start
    labels: tuple[str, ...]
    transition: Transition
    energy: PopulationEnergy
    guess: MeanEnergy
    distance: float
    one_way: bool
    notes: tuple[str, ...]


def set_up(
    model: GPJEPA,
    goal: AnyGoal,
    place: Departure,
    choices: Choices,
    kind: str,
    cells: int,
    seed: int,
    data: PerturbSeq | None,
) -> SequenceSetup:
    """Encode cells and goal; see `plan_sequence` for what is raised."""
    aim, start = place.towards(model, goal, data, seed)
    number = min(cells, len(start.cells))
    if number < FEWEST:
        raise ConfigError(
            f"the plan starts from {number} cells; expected {FEWEST} or more, to know the error of "
            "an energy; start from more cells"
        )
    names = Names(start.bundle.vocabulary, start.modality)
    labels = choices.labels(names)
    way = course_of(start, aim, cells, seed)
    origin, target = way.origin, way.goal
    kind = kind_of(kind, target)
    energy = population_energy(origin, target, kind)
    members = torch.from_numpy(start.bundle.vocabulary.encode(labels)).to(origin.start.device)
    transition = Transition(origin, members, seed)
    guess = mean_energy(origin, target, kind if kind in KINDS else "latent")
    return SequenceSetup(
        start=way.few,
        labels=labels,
        transition=transition,
        energy=energy,
        guess=guess,
        distance=unmoved(transition, energy),
        one_way=one_way(target),
        notes=(*names.notes, *way.notes),
    )


def from_observed(setup: SequenceSetup, observed: AnnData, seed: int) -> SequenceSetup:
    """Return the same search from observed cells, as many as the setup starts from.

    There must be as many. Their states are moved as one to where decoded cells have the effect
    that was observed, as goals are, see `readout.placed`. The energy stays that of the control
    cells, so energies before and after compare. Raises `DataError` for cells without the model's
    genes.
    """
    before, control = setup.start, setup.transition.origin
    bundle = before.bundle
    cells = from_anndata(observed, bundle.panel, bundle.vocabulary)
    start = Start(bundle, cells, before.dose, before.modality)
    few = averaged_over(start, seed, len(before.cells))
    effect = bulk(cells.table, control.target) - bulk(before.cells.table, control.target)
    seen = placed(control, CellsGoal(few.controls.state, effect))
    assert isinstance(seen, CellsGoal)
    made = origin_of(start, few)
    controls = replace(made.controls, state=seen.latents)
    origin = replace(made, controls=controls, offset=control.offset, target=control.target)
    transition = replace(setup.transition, origin=origin)
    distance = unmoved(transition, setup.energy)
    return replace(setup, start=few, transition=transition, distance=distance)


def unmoved(transition: Transition, energy: PopulationEnergy) -> float:
    """Return the energy of the cells that steps start from."""
    with torch.no_grad():
        return float(energy(transition.origin.start[None]).energy[0])
