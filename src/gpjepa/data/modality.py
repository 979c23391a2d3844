"""How genes were perturbed: CRISPRa, CRISPRi, knockout and the like, as part of the labels."""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from gpjepa.core.errors import DataError
from gpjepa.data.labels import (
    AT,
    CONTROL,
    has_separator,
    is_control_name,
    label_of,
    members_of,
    modality_of,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

MODALITY_COLUMNS = ("perturbation_modality", "modality", "crispr_type", "perturbation_type")
MODALITY_NAMES = (
    *("crispra", "crispri", "crisprko", "crispr-ko", "crispr_ko", "crisproff", "crispron"),
    *("crispr", "cas9", "crispr-cas9", "ko", "knockout", "knock-out", "kd", "knockdown"),
    *("knock-down", "oe", "overexpression", "activation", "inhibition", "interference"),
    *("repression", "rnai", "shrna", "sirna"),
)


def are_modalities(levels: Sequence[str]) -> bool:
    """Say whether a column's levels name ways to perturb a gene; those of controls do not count."""
    real = [level for level in levels if not _is_blank(level)]
    return bool(real) and all(level.casefold() in MODALITY_NAMES for level in real)


def with_modality(
    labels: NDArray[np.object_],
    texts: NDArray[np.object_],
    cells: NDArray[np.object_],
    column: str,
) -> tuple[NDArray[np.object_], tuple[str, ...]]:
    """Return labels that say the modality of each member, and the modalities, commonest first.

    With one modality for all cells labels stay as they are. A member that carries one already,
    as in A@CRISPRi, keeps it. What the column says of control cells does not matter.
    Raises `DataError` for a perturbed cell without a modality and for a name that cannot be part
    of a label.
    """
    perturbed = labels != CONTROL
    gaps = perturbed & np.array([text is None for text in texts], dtype=bool)
    if gaps.any():
        raise DataError(
            f"modality column {column!r} has {int(gaps.sum())} missing values (first: cell "
            f"{str(cells[int(np.argmax(gaps))])!r}); expected a modality for every perturbed "
            "cell; fill them in or drop these cells"
        )
    levels, count = np.unique(texts[perturbed].astype(str), return_counts=True)
    for level in levels:
        if AT in level or has_separator(level):
            raise DataError(
                f"modality column {column!r} holds {str(level)!r}; expected names without "
                f"'+', ';', '|', ',' and {AT!r}, such as CRISPRi; rename it"
            )
    ordered = tuple(str(level) for level in levels[np.argsort(-count, kind="stable")])
    if len(ordered) < 2:
        return labels, ordered
    known = frozenset(ordered)
    made = {
        (label, value): label_of(_carried(member, value, known) for member in members_of(label))
        for label, value in set(zip(labels[perturbed], texts[perturbed], strict=True))
    }
    named = [
        made[label, value] if inside else CONTROL
        for label, value, inside in zip(labels, texts, perturbed, strict=True)
    ]
    return np.array(named, dtype=object), ordered


def modality_column(
    labels: NDArray[np.object_], modalities: Sequence[str]
) -> NDArray[np.object_] | None:
    """Return the modality [cells] that labels carry, the first member's; "none" for control."""
    if not modalities:
        return None
    first = {label: _first_modality(label, modalities) for label in set(labels)}
    return np.array([first[label] for label in labels], dtype=object)


def same_way(genes: Sequence[str], others: Sequence[str]) -> NDArray[np.float64]:
    """Return 1 where two members carry the same modality, or neither does, else 0; [N, M]."""
    left = np.array([modality_of(gene) or "" for gene in genes], dtype=str)
    right = np.array([modality_of(gene) or "" for gene in others], dtype=str)
    return (left[:, None] == right[None, :]).astype(np.float64)


def _first_modality(label: str, modalities: Sequence[str]) -> str:
    if label == CONTROL:
        return "none"
    return modality_of(members_of(label)[0]) or modalities[0]


def _carried(member: str, modality: str, known: Collection[str]) -> str:
    return member if modality_of(member) in known else f"{member}{AT}{modality}"


def _is_blank(level: str) -> bool:
    return is_control_name(level) or level.casefold() in ("none", "na", "n/a", "-")
