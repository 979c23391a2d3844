"""Perturbation labels as sets: members sorted and joined by `+`, control dropped."""

from __future__ import annotations

import itertools
import re
from collections.abc import Collection, Iterable

from gpjepa.core.errors import VocabularyError

CONTROL = "control"
CONTROL_NAMES = (
    "control",
    "ctrl",
    "non-targeting",
    "NT",
    "NTC",
    "unperturbed",
    "DMSO",
    "vehicle",
)
JOIN = "+"
AT = "@"  # between a perturbed gene and how it was perturbed, where data hold several ways
_SEPARATORS = re.compile(r"[+;|,]")


def members_of(label: str) -> tuple[str, ...]:
    """Return the sorted members of a canonical label; empty for control."""
    return () if label == CONTROL else tuple(label.split(JOIN))


def symbol_of(member: str) -> str:
    """Return the gene of a member, without the modality of one such as KLF1@CRISPRi."""
    symbol, _, modality = member.rpartition(AT)
    return symbol if symbol and modality else member


def modality_of(member: str) -> str | None:
    """Return the modality that a member carries; None for one that carries none."""
    symbol, _, modality = member.rpartition(AT)
    return modality if symbol and modality else None


def has_separator(text: str) -> bool:
    """Say whether `text` would be read as several members."""
    return _SEPARATORS.search(text) is not None


def label_of(members: Iterable[str]) -> str:
    """Return the canonical label of a set of members; control for the empty set.

    Raises `VocabularyError` when a member is named twice.
    """
    ordered = sorted(members)
    for first, second in itertools.pairwise(ordered):
        if first == second:
            raise VocabularyError(
                f"perturbation {JOIN.join(ordered)!r} names {first!r} twice; expected a set of "
                "different members; name each of them once"
            )
    return JOIN.join(ordered) if ordered else CONTROL


def listed(labels: Iterable[str] | str) -> list[str]:
    """Return labels as a list; a text alone is one label."""
    return [labels] if isinstance(labels, str) else list(labels)


def pairs_of(members: Iterable[str]) -> list[str]:
    """Return the sorted labels of all pairs of members that are different genes.

    A gene that was perturbed in two ways is no pair with itself.
    """
    return sorted(
        label_of(pair)
        for pair in itertools.combinations(members, 2)
        if symbol_of(pair[0]) != symbol_of(pair[1])
    )


def is_control_name(text: str, controls: Collection[str] = CONTROL_NAMES) -> bool:
    """Tell whether `text` is one of the control names, whatever its case."""
    folded = text.strip().casefold()
    return any(folded == control.casefold() for control in controls)


def parse_label(
    text: str, controls: Collection[str] = CONTROL_NAMES, known: Collection[str] | None = None
) -> str:
    """Return the canonical label of a perturbation as a user or a file writes it.

    Members are separated by `+`, `;`, `|` or `,`; by `_` only when the whole is not in `known`
    and every part is. Members among `controls` are dropped, so `ctrl+A` is `A`. Whether the
    members are known is for the caller to ask.

    Raises `VocabularyError` for what is no text, an empty label or member and a member named twice.
    """
    if not isinstance(text, str):
        raise VocabularyError(
            f"perturbation {text!r} is of type {type(text).__name__!r}; expected text such as "
            "'A+B'; a missing label has to be filled in or dropped"
        )
    parts = [part.strip() for part in _SEPARATORS.split(text)]
    if not all(parts):
        raise VocabularyError(
            f"perturbation {text!r} has an empty member; expected names joined by '+' "
            "such as 'A+B'; remove the stray separator"
        )
    members = [
        member
        for part in parts
        for member in _at_underscores(part, controls, known or ())
        if not is_control_name(member, controls)
    ]
    return label_of(members)


def _at_underscores(part: str, controls: Collection[str], known: Collection[str]) -> list[str]:
    """Split `part` at underscores if each piece is known by itself, otherwise keep it whole."""
    if "_" not in part or part in known:
        return [part]
    pieces = part.split("_")
    if all(piece in known or is_control_name(piece, controls) for piece in pieces):
        return pieces
    return [part]
