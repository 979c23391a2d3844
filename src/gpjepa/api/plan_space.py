"""What a plan may choose from, as users name it: candidates, forbidden and required ones, costs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from gpjepa.core.errors import ConfigError, VocabularyError, listed, nearest
from gpjepa.data.labels import CONTROL, CONTROL_NAMES, members_of, parse_label, symbol_of
from gpjepa.data.vocabulary import Vocabulary
from gpjepa.planning.space import Space

ALL = "all"  # candidates: every name that the model knows, with training cells or features alone
PLAIN_COST = 1.0  # of a candidate that the table of costs does not name
SHOWN = 5


@dataclass(frozen=True)
class Constraints:
    """What sets of perturbations may be proposed.

    `candidates` None are the members measured alone, as sets with others are not to be trusted;
    "all" is every name that the model knows.
    `forbidden` names genes, and pairs such as A+B that no set may hold. `required` are in every
    set. `cost` is what each gene costs (others 1), `most_cost` a set's largest total; `essential`
    genes cost `essential_factor` times as much.
    """

    max_size: int = 2
    min_size: int = 1
    candidates: Sequence[str] | str | None = None
    forbidden: Sequence[str] | str = ()
    required: Sequence[str] | str = ()
    cost: Mapping[str, float] | None = None
    most_cost: float = float("inf")
    essential: Sequence[str] | str = ()
    essential_factor: float = 10.0

    @property
    def costly(self) -> bool:
        """Tell whether candidates have a cost."""
        return self.cost is not None or bool(self.essential) or np.isfinite(self.most_cost)


@dataclass(frozen=True, eq=False)
class Names:
    """Reads labels as a model names them, and keeps what it does not know in `notes`."""

    vocabulary: Vocabulary
    modality: str | None = None
    notes: list[str] = field(default_factory=list)

    def known(self, role: str, named: Iterable[str], strict: bool = False) -> list[str]:
        """Return the labels whose members are known; the others are noted.

        Raises `VocabularyError`, with the nearest names, where none is known, or one is not and
        the role is `strict`.
        """
        spellings = self.vocabulary.spellings()
        parsed = [parse_label(text, CONTROL_NAMES, spellings) for text in named]
        if CONTROL in parsed:
            raise VocabularyError(
                f"{role}: control is no perturbation; expected names of genes; leave it out"
            )
        labels = [self.vocabulary.resolve(label, self.modality) for label in parsed]
        good = [label for label in labels if self.vocabulary.knows(label)]
        strange = [label for label in dict.fromkeys(labels) if not self.vocabulary.knows(label)]
        if not strange:
            return good
        said = self._said(role, strange, len(dict.fromkeys(labels)))
        if strict or not good:
            raise VocabularyError(
                f"{said}; expected perturbations with training cells or prior features; check the "
                "spelling or give a feature table that covers them"
            )
        self.notes.append(f"{said}; left out")
        return good

    def _said(self, role: str, strange: Sequence[str], count: int) -> str:
        spellings = self.vocabulary.spellings()
        missing = dict.fromkeys(
            member
            for label in strange
            for member in members_of(label)
            if not self.vocabulary.knows(member)
        )
        near = (f"{name!r}: {', '.join(nearest(name, spellings)) or 'none'}" for name in missing)
        return (
            f"{role}: {len(strange)} of {count} are not known ({listed(missing)}; "
            f"{len(self.vocabulary.members)} names, closest to {'; '.join([*near][:SHOWN])})"
        )


def space_of(asked: Constraints, names: Names) -> Space:
    """Return the sets that the constraints allow.

    Raises `VocabularyError` naming what is not known, and `ConfigError` for constraints that
    contradict each other or leave nothing.
    """
    candidates = _candidates(asked, names)
    genes, pairs = _forbidden(asked, names)
    kept = tuple(name for name in candidates if name not in genes)
    if not kept:
        raise ConfigError(
            f"all {len(candidates)} candidates are forbidden ({listed(candidates)}); expected one "
            "or more that are not; forbid fewer, or allow more candidates"
        )
    at = {name: index for index, name in enumerate(kept)}
    apart = {_ordered(at[a], at[b]) for a, b in pairs if a in at and b in at}
    return Space(
        kept,
        asked.max_size,
        min_size=asked.min_size,
        required=_required(asked, names, at, genes),
        apart=frozenset(apart | _same_gene(kept)),
        cost=_costs(asked, names, kept) if asked.costly else None,
        most_cost=asked.most_cost,
    )


def _candidates(asked: Constraints, names: Names) -> tuple[str, ...]:
    if asked.candidates is None:
        trained = names.vocabulary.trained(names.modality)
        alone = [name for name in trained if name not in names.vocabulary.in_combination_only]
        return tuple(alone) or trained
    if asked.candidates == ALL:
        return names.vocabulary.members
    named = several(asked.candidates)
    if not named:
        raise ConfigError(
            "candidates are empty; expected one or more genes; leave them out for all that were "
            "measured alone"
        )
    found = names.known("candidates", named)
    for label in found:
        if len(members_of(label)) > 1:
            raise ConfigError(
                f"candidate {label!r} is a combination; expected single genes, which sets are made "
                "of; name its members"
            )
    return tuple(dict.fromkeys(found))


def _forbidden(asked: Constraints, names: Names) -> tuple[set[str], set[tuple[str, str]]]:
    """Return the forbidden genes and pairs."""
    genes: set[str] = set()
    pairs: set[tuple[str, str]] = set()
    for label in names.known("forbidden", several(asked.forbidden)):
        match members_of(label):
            case (one,):
                genes.add(one)
            case (one, other):
                pairs.add((one, other))
            case more:
                raise ConfigError(
                    f"forbidden {label!r} has {len(more)} members; expected a gene, or a pair that "
                    "no set may hold; forbid one of its pairs"
                )
    return genes, pairs


def _required(
    asked: Constraints, names: Names, at: Mapping[str, int], forbidden: set[str]
) -> tuple[int, ...]:
    labels = names.known("required", several(asked.required), strict=True)
    members = dict.fromkeys(member for label in labels for member in members_of(label))
    for member in members:
        if member in forbidden:
            raise ConfigError(
                f"{member!r} is required and forbidden; expected one of the two; drop one"
            )
        if member not in at:
            raise ConfigError(
                f"{member!r} is required and no candidate; expected required genes among the "
                "candidates; add it to them"
            )
    return tuple(sorted(at[member] for member in members))


def _costs(asked: Constraints, names: Names, kept: Sequence[str]) -> np.ndarray:
    """Return the cost of each candidate; a gene without modality stands for all of its."""
    given, essential = dict(asked.cost or {}), several(asked.essential)
    for name, value in given.items():
        if not np.isfinite(value) or value < 0:
            raise ConfigError(
                f"the cost of {name!r} is {value}; expected a finite number from 0; correct it"
            )
    if not np.isfinite(asked.essential_factor) or asked.essential_factor < 0:
        raise ConfigError(
            f"essential_factor is {asked.essential_factor}; expected a finite number from 0; pass "
            "for example 10"
        )
    names.known("cost", given)
    names.known("essential", essential)
    found = []
    for name in kept:
        own = float(given.get(name, given.get(symbol_of(name), PLAIN_COST)))
        counts = {name, symbol_of(name)} & set(essential)
        found.append(own * (asked.essential_factor if counts else 1.0))
    return np.array(found, dtype=np.float64)


def _same_gene(names: Sequence[str]) -> set[tuple[int, int]]:
    """Return the pairs of candidates that are one gene perturbed in two ways."""
    rows: dict[str, list[int]] = {}
    for at, name in enumerate(names):
        rows.setdefault(symbol_of(name), []).append(at)
    return {(a, b) for same in rows.values() for a in same for b in same if a < b}


def several(given: Sequence[str] | str) -> list[str]:
    """Return names of which one may come alone."""
    return [given] if isinstance(given, str) else [str(name) for name in given]


def _ordered(one: int, other: int) -> tuple[int, int]:
    return (one, other) if one < other else (other, one)
