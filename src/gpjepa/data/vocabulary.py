"""The names that a model knows: perturbed genes and covariate levels."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from gpjepa.core.errors import VocabularyError, unknown
from gpjepa.data.labels import AT, CONTROL, label_of, members_of, modality_of, symbol_of

PADDING = -1


@dataclass(frozen=True)
class Vocabulary:
    """Perturbations by index: the first `measured` have training cells, the rest features only.

    `in_combination_only` names measured members that were never perturbed alone, whose own effect
    is identified by the regularisation only. `covariates` maps each used covariate to its levels.
    `modalities` are the ways to perturb that were trained, commonest first: where there were
    several, members carry theirs (KLF1@CRISPRi), and `usual` names the commonest one of each gene
    that has more than one.
    """

    members: tuple[str, ...]
    measured: int
    in_combination_only: frozenset[str] = frozenset()
    covariates: dict[str, tuple[str, ...]] = field(default_factory=dict)
    dose: bool = False
    modalities: tuple[str, ...] = ()
    usual: dict[str, str] = field(default_factory=dict)

    def index_of(self, member: str) -> int:
        """Return the index of a member; raise `VocabularyError` when it is not known."""
        position = self._positions().get(member)
        if position is None:
            raise VocabularyError(
                unknown(
                    "perturbation",
                    member,
                    self.members,
                    "it has neither training cells nor prior features; check the spelling or "
                    "give a feature table that covers it",
                )
            )
        return position

    def spellings(self) -> tuple[str, ...]:
        """Return every name that a member may be called by: its own, and its gene alone."""
        if not self.modalities:
            return self.members
        return (*self.members, *sorted({symbol_of(member) for member in self.members}))

    def resolve(self, label: str, modality: str | None = None) -> str:
        """Return a label with its members named as the model names them.

        A gene without a modality gets `modality`, or, when that is None, its only or commonest one
        in training; one that was never perturbed gets the commonest of all. Raises
        `VocabularyError` for a modality without training cells, for one that contradicts the
        label, and for a gene that is perturbed in two ways at once.
        """
        if modality is not None:
            self._require_modality(modality)
        if not self.modalities:
            return label
        members = [self._resolved(member, modality) for member in members_of(label)]
        repeated = [gene for gene, n in Counter(map(symbol_of, members)).items() if n > 1]
        if repeated:
            raise VocabularyError(
                f"perturbation {label!r} names {repeated[0]!r} twice; expected a set of different "
                "genes; name each of them once"
            )
        return label_of(members)

    def trained(self, modality: str | None = None) -> tuple[str, ...]:
        """Return the members with training cells, those of one modality where it is given.

        Raises `VocabularyError` for a modality without training cells.
        """
        known = self.members[: self.measured]
        if modality is None:
            return known
        self._require_modality(modality)
        return tuple(name for name in known if modality_of(name) in (None, modality))

    def _resolved(self, member: str, modality: str | None) -> str:
        symbol, own = symbol_of(member), modality_of(member)
        if member in self._positions() and (own is None or modality in (None, own)):
            return member
        if own is not None and modality not in (None, own):
            raise VocabularyError(
                f"perturbation {member!r} is asked for with modality {modality!r}; expected one "
                "modality; leave one of the two out"
            )
        level = own or modality or self._usual_of(symbol)
        self._require_modality(level)
        carried = f"{symbol}{AT}{level}"
        return carried if carried in self._positions() else symbol

    def _usual_of(self, symbol: str) -> str:
        trained = [x for x in self.modalities if self.is_measured(f"{symbol}{AT}{x}")]
        return self.usual.get(symbol) or (trained or list(self.modalities))[0]

    def _require_modality(self, modality: str) -> None:
        if modality not in self.modalities:
            known = ", ".join(self.modalities) or "none, as the training data named none"
            raise VocabularyError(
                f"modality {modality!r} is not known; expected one that the model was trained on "
                f"({known}); use one of these or leave it out"
            )

    def modality_index(self) -> np.ndarray | None:
        """Return the row of each member's modality, int64 [M]; None where members carry none."""
        carried = [modality_of(member) for member in self.members]
        if len(self.modalities) < 2 or not all(level in self.modalities for level in carried):
            return None
        position = {level: index for index, level in enumerate(self.modalities)}
        return np.array([position[str(level)] for level in carried], dtype=np.int64)

    def _positions(self) -> dict[str, int]:
        """Return name to index, built once."""
        cache: dict[str, int] | None = self.__dict__.get("_index")
        if cache is None:
            cache = {name: position for position, name in enumerate(self.members)}
            object.__setattr__(self, "_index", cache)
        return cache

    def knows(self, label: str) -> bool:
        """Say whether every member of a label is known."""
        return all(member in self._positions() for member in members_of(label))

    def all_measured(self, label: str) -> bool:
        """Say whether every member of a label has training cells."""
        return all(self.is_measured(member) for member in members_of(label))

    def is_measured(self, member: str) -> bool:
        """Say whether a member has training cells, alone or in combinations."""
        return self._positions().get(member, self.measured) < self.measured

    def encode(self, labels: Sequence[str]) -> np.ndarray:
        """Return member indices [labels × K] padded with −1; control is all padding."""
        sets = [members_of(label) if label != CONTROL else () for label in labels]
        width = max((len(members) for members in sets), default=0) or 1
        encoded = np.full((len(sets), width), PADDING, dtype=np.int64)
        for row, members in enumerate(sets):
            encoded[row, : len(members)] = [self.index_of(member) for member in members]
        return encoded

    def encode_covariate(self, name: str, values: Iterable[str]) -> np.ndarray:
        """Return level indices; raise `VocabularyError` for a level that was not trained."""
        levels = self.covariates[name]
        position = {level: index for index, level in enumerate(levels)}
        encoded = []
        for value in values:
            if value not in position:
                raise VocabularyError(
                    unknown(name, value, levels, f"use a {name} that the model was trained on")
                )
            encoded.append(position[value])
        return np.asarray(encoded, dtype=np.int64)

    def to_json(self) -> dict[str, Any]:
        """Return a JSON document."""
        return {
            "members": list(self.members),
            "measured": self.measured,
            "in_combination_only": sorted(self.in_combination_only),
            "covariates": {name: list(levels) for name, levels in self.covariates.items()},
            "dose": self.dose,
            "modalities": list(self.modalities),
            "usual": dict(self.usual),
        }

    @staticmethod
    def from_json(document: dict[str, Any]) -> Vocabulary:
        """Rebuild from `to_json`."""
        return Vocabulary(
            tuple(document["members"]),
            int(document["measured"]),
            frozenset(document["in_combination_only"]),
            {name: tuple(levels) for name, levels in document["covariates"].items()},
            bool(document["dose"]),
            tuple(document.get("modalities", ())),
            dict(document.get("usual", {})),
        )
