"""The names that a model knows: perturbed genes and covariate levels."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from gpjepa.core.errors import VocabularyError, unknown
from gpjepa.data.labels import CONTROL, members_of

PADDING = -1


@dataclass(frozen=True)
class Vocabulary:
    """Perturbations by index: the first `measured` have training cells, the rest features only.

    `in_combination_only` names measured members that were never perturbed alone, whose own effect
    is identified by the regularisation only. `covariates` maps each used covariate to its levels.
    """

    members: tuple[str, ...]
    measured: int
    in_combination_only: frozenset[str] = frozenset()
    covariates: dict[str, tuple[str, ...]] = field(default_factory=dict)
    dose: bool = False

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
        )
