"""What planning a sequence needs: encoded cells, the goal's energy, the steps that are allowed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import torch

from gpjepa.api.answers import averaged_over
from gpjepa.api.controls import from_anndata
from gpjepa.api.goals import AnyGoal, bulk
from gpjepa.api.model import GPJEPA
from gpjepa.api.plan import Departure
from gpjepa.api.plan_setup import course_of, kind_of, origin_of
from gpjepa.api.plan_space import Constraints, Names, several, space_of
from gpjepa.api.populations import Start
from gpjepa.core.errors import ConfigError
from gpjepa.data.labels import label_of, members_of
from gpjepa.data.perturbseq import PerturbSeq
from gpjepa.planning.carried import Carried
from gpjepa.planning.courses import Courses
from gpjepa.planning.energy import KINDS, MeanEnergy, mean_energy
from gpjepa.planning.goal import CellsGoal, one_way
from gpjepa.planning.population_energy import PopulationEnergy, population_energy
from gpjepa.planning.readout import placed
from gpjepa.planning.sets import padded
from gpjepa.planning.transition import Transition

if TYPE_CHECKING:
    from anndata import AnnData

FEWEST = 2  # cells without which an energy has no error


@dataclass(frozen=True)
class Choices:
    """Which steps a sequence may have, by name.

    `candidates` are perturbations or combinations, each one step; None are the members with
    training cells. Steps with a gene that is `forbidden`, or a member that was `applied`, are left
    out; a forbidden pair is in no sequence together. `required` are applied at some step. Costs are
    those of `Constraints`, of all that a sequence applies.
    """

    candidates: Sequence[str] | str | None = None
    forbidden: Sequence[str] | str = ()
    applied: Sequence[str] = ()
    required: Sequence[str] | str = ()
    cost: Mapping[str, float] | None = None
    most_cost: float = float("inf")
    essential: Sequence[str] | str = ()

    def labels(self, names: Names) -> tuple[str, ...]:
        """Return the labels of the steps; unknown ones are noted.

        Raises `VocabularyError` where none is known, or an applied one is not, and `ConfigError`
        where none is left.
        """
        forbidden, pairs = self._forbidden(names)
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
        applied = self.in_place(names)
        out = {member for label in (*forbidden, *applied) for member in members_of(label)}
        kept = tuple(
            label
            for label in named
            if not out & set(members_of(label))
            and not any(set(pair) <= set(members_of(label)) for pair in pairs)
        )
        if not kept:
            raise ConfigError(
                f"none of {len(named)} candidates is left without what is forbidden or was applied "
                f"({', '.join(sorted(out)) or 'nothing'}); expected one or more; name others"
            )
        return kept

    def in_place(self, names: Names) -> list[str]:
        """Return what was applied; raise `VocabularyError` where it is not known."""
        return names.known("applied", self.applied, strict=True)

    def courses(self, labels: Sequence[str], steps: int, names: Names) -> Courses:
        """Return the sequences of the steps `labels` that are allowed; raises as `space_of`."""
        members = tuple(dict.fromkeys(member for label in labels for member in members_of(label)))
        largest = max(len(members_of(label)) for label in labels)
        _, pairs = self._forbidden(names)
        space = space_of(
            Constraints(
                max_size=max(1, min(steps * largest, len(members))),
                candidates=members,
                forbidden=[label_of(pair) for pair in pairs],
                required=self.required,
                cost=self.cost,
                most_cost=self.most_cost,
                essential=self.essential,
            ),
            names,
        )
        at = {name: row for row, name in enumerate(space.names)}
        return Courses(
            padded([[at[x] for x in members_of(y)] for y in labels], largest), steps, space
        )

    def _forbidden(self, names: Names) -> tuple[list[str], list[tuple[str, ...]]]:
        """Return forbidden genes and pairs; raise `ConfigError` for larger combinations."""
        genes: list[str] = []
        pairs: list[tuple[str, ...]] = []
        for label in names.known("forbidden", several(self.forbidden)):
            members = members_of(label)
            if len(members) > 2:
                raise ConfigError(
                    f"forbidden {label!r} has {len(members)} members; expected a gene, or a pair "
                    "that no sequence may hold; forbid one of its pairs"
                )
            if len(members) == 2:
                pairs.append(members)
            else:
                genes.append(label)
        return genes, pairs


@dataclass(frozen=True, eq=False)
class SequenceSetup:
    """Steps `labels` from the cells of `start`, and the energy of the states they lead to.

    `guess` is the energy of a mean state, `courses` the sequences that are allowed and
    `cost_weight` the energy of a unit of cost.
    `distance` is the energy of the cells as they are. `one_way` goals have no end: a direction, a
    signature.
    """

    start: Start
    labels: tuple[str, ...]
    transition: Transition
    energy: PopulationEnergy
    guess: MeanEnergy
    courses: Courses
    cost_weight: float
    distance: float
    one_way: bool
    notes: tuple[str, ...]


@dataclass(frozen=True)
class Stepping:
    """How sequences are run: their longest, the energy, cells, and whether steps carry Δ₂.

    `cost_weight` is the share of the distance from start to goal that a unit of cost must bring.
    """

    steps: int
    kind: str
    cells: int
    carry: bool
    cost_weight: float = 0.01


def set_up(
    model: GPJEPA,
    goal: AnyGoal,
    place: Departure,
    choices: Choices,
    stepping: Stepping,
    seed: int,
    data: PerturbSeq | None,
) -> SequenceSetup:
    """Encode cells and goal; see `plan_sequence` for what is raised."""
    aim, start = place.towards(model, goal, data, seed)
    number = min(stepping.cells, len(start.cells))
    if number < FEWEST:
        raise ConfigError(
            f"the plan starts from {number} cells; expected {FEWEST} or more, to know the error of "
            "an energy; start from more cells"
        )
    names = Names(start.bundle.vocabulary, start.modality)
    labels = choices.labels(names)
    courses = choices.courses(labels, stepping.steps, names)
    way = course_of(start, aim, stepping.cells, seed)
    origin, target = way.origin, way.goal
    kind = kind_of(stepping.kind, target)
    energy = population_energy(origin, target, kind)
    vocabulary = start.bundle.vocabulary
    members = torch.from_numpy(vocabulary.encode(labels)).to(origin.start.device)
    placed = [member for label in choices.in_place(names) for member in members_of(label)]
    applied = torch.tensor([vocabulary.index_of(name) for name in placed], dtype=torch.long)
    carried = Carried(origin, members, applied) if stepping.carry else None
    transition = Transition(origin, members, seed, carried)
    distance = unmoved(transition, energy)
    unit = 1.0 if one_way(target) else distance
    guess = mean_energy(origin, target, kind if kind in KINDS else "latent")
    return SequenceSetup(
        start=way.few,
        labels=labels,
        transition=transition,
        energy=energy,
        guess=guess,
        courses=courses,
        cost_weight=stepping.cost_weight * unit if courses.space.cost is not None else 0.0,
        distance=distance,
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
    old = setup.transition.carried
    carried = None if old is None else old.from_cells(origin)
    transition = replace(setup.transition, origin=origin, carried=carried)
    distance = unmoved(transition, setup.energy)
    return replace(setup, start=few, transition=transition, distance=distance)


def unmoved(transition: Transition, energy: PopulationEnergy) -> float:
    """Return the energy of the cells that steps start from."""
    with torch.no_grad():
        return float(energy(transition.origin.start[None]).energy[0])
