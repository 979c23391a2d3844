"""How each scheme divides perturbation labels; cells play no part here."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np

from gpjepa.core.errors import DataError
from gpjepa.data.labels import members_of
from gpjepa.data.partition import VALIDATION

UNSEEN_SINGLE = "unseen_single"


@dataclass(frozen=True)
class Draw:
    """Labels by part, and the group of each test label."""

    train: tuple[str, ...]
    validation: tuple[str, ...]
    test: tuple[str, ...]
    groups: dict[str, str] = field(default_factory=dict)


def drawn(
    train: Iterable[str],
    validation: Iterable[str],
    test: Iterable[str],
    seen: Collection[str] | None = None,
) -> Draw:
    """Return a draw with sorted parts; `seen` genes default to the members of training labels."""
    trained = tuple(sorted(train))
    genes = genes_of(trained) if seen is None else seen
    tested = tuple(sorted(test))
    groups = {label: group_of(label, genes) for label in tested}
    return Draw(trained, tuple(sorted(validation)), tested, groups)


def genes_of(labels: Iterable[str]) -> set[str]:
    """Return all members of `labels`."""
    return {gene for label in labels for gene in members_of(label)}


def group_of(label: str, seen: Collection[str]) -> str:
    """Return GEARS' name for how much of `label` was seen: unseen_single, combo_seen0, 1, 2.

    A single that was seen itself is "seen_single".
    """
    members = members_of(label)
    count = sum(gene in seen for gene in members)
    if len(members) == 1:
        return "seen_single" if count else UNSEEN_SINGLE
    return f"combo_seen{count}"


def is_combination(label: str) -> bool:
    """Tell whether a label has two members or more."""
    return len(members_of(label)) > 1


def with_all_singles(labels: Iterable[str]) -> list[str]:
    """Return the sorted combinations whose members are all measured alone."""
    known = set(labels)
    return sorted(
        label for label in known if is_combination(label) and known.issuperset(members_of(label))
    )


def validation_count(n_training: int) -> int:
    """Return how many of `n_training` perturbations validate: 15 %, at least one of two."""
    return min(max(1, round(VALIDATION * n_training)), max(n_training - 1, 0))


def unseen_perturbation(labels: Sequence[str], rng: np.random.Generator, fraction: float) -> Draw:
    """Hold out a fraction of the genes with every combination that contains one.

    Validation genes are held out of training in the same way, up to 15 % of the perturbations.
    """
    genes = sorted(genes_of(labels))
    held = set(_pick(rng, genes, max(1, round(fraction * len(genes)))))
    test = [label for label in labels if held & set(members_of(label))]
    rest = sorted(set(labels) - set(test))
    target = validation_count(len(rest))
    validation: set[str] = set()
    candidates = sorted(genes_of(rest))
    for gene in _pick(rng, candidates, len(candidates)):
        with_gene = {label for label in rest if gene in members_of(label)}
        if len(validation | with_gene) <= target:
            validation |= with_gene
    return drawn(set(rest) - validation, validation, test)


def unseen_combination(labels: Sequence[str], rng: np.random.Generator, fraction: float) -> Draw:
    """Hold out a fraction of the combinations whose members are all measured alone.

    A larger combination that contains a held-out one goes with it. Validation holds combinations
    only, those with all singles if there are enough of them.

    Raises `DataError` when no combination has all its singles.
    """
    complete = with_all_singles(labels)
    if not complete:
        combinations = sum(map(is_combination, labels))
        raise DataError(
            f"none of the {combinations} combinations has all its members measured alone; "
            "unseen-combination expects at least one; use unseen-perturbation or another scheme"
        )
    picked = set(_pick(rng, complete, max(1, round(fraction * len(complete)))))
    test = {label for label in labels if any(_contains(label, held) for held in picked)}
    rest = sorted(set(labels) - test)
    pairs = [label for label in rest if is_combination(label)]
    count = min(validation_count(len(rest)), len(pairs) // 2)
    ready = [label for label in pairs if label in complete]
    pool = ready if len(ready) >= 2 * count else pairs
    validation = set(_pick(rng, pool, count))
    return drawn(set(rest) - validation, validation, test)


def whole(labels: Sequence[str]) -> Draw:
    """Train on everything."""
    return drawn(labels, (), ())


def every_cell_part(labels: Sequence[str]) -> Draw:
    """Put every label in every part: the cells are divided, not the perturbations."""
    return drawn(labels, labels, labels)


def across_contexts(
    outside: Collection[str], inside: Collection[str], rng: np.random.Generator
) -> Draw:
    """Train on the labels outside a held-out context, test those that it shares with training."""
    rest = sorted(outside)
    validation = set(_pick(rng, rest, validation_count(len(rest))))
    train = set(rest) - validation
    test = sorted(train & set(inside))
    return Draw(
        tuple(sorted(train)),
        tuple(sorted(validation)),
        tuple(test),
        dict.fromkeys(test, "unseen_context"),
    )


def listed(
    train: Collection[str],
    validation: Collection[str] | None,
    test: Collection[str],
    rng: np.random.Generator,
) -> Draw:
    """Take parts as a user lists them; without validation ones 15 % of the training ones are."""
    if validation is None:
        validation = set(_pick(rng, sorted(train), validation_count(len(train))))
        train = set(train) - set(validation)
    return drawn(train, validation, test)


def demonstration(
    labels: Sequence[str], rng: np.random.Generator, featured: Collection[str]
) -> Draw:
    """Test every combination with all its singles and three featured singles in no combination.

    Validation, 15 % of the training ones, is drawn half from the other such singles and half from
    combinations with a member not measured alone.

    Raises `DataError` when there are too few of either.
    """
    complete = with_all_singles(labels)
    combined = genes_of(label for label in labels if is_combination(label))
    usable = [label for label in sorted(labels) if set(featured).issuperset(members_of(label))]
    alone = [label for label in usable if not is_combination(label) and label not in combined]
    if not complete or len(alone) < 4:
        raise DataError(
            f"{len(complete)} combinations with all singles and {len(alone)} singles with features "
            "in no combination found; the demonstration expects 1 and 4 at least; use another "
            "scheme for these data"
        )
    test = {*complete, *_pick(rng, alone, 3)}
    rest = sorted(set(labels) - test)
    count = validation_count(len(rest))
    singles = [label for label in alone if label not in test]
    pairs = [label for label in usable if is_combination(label) and label not in test]
    some = _pick(rng, pairs, min(count // 2, len(pairs)))
    validation = {*some, *_pick(rng, singles, min(count - len(some), len(singles) - 1))}
    return drawn(set(rest) - validation, validation, test)


def _contains(label: str, part: str) -> bool:
    return set(members_of(label)).issuperset(members_of(part))


def _pick(rng: np.random.Generator, names: Sequence[str], count: int) -> list[str]:
    """Draw `count` different names in random order; `names` come sorted."""
    return [names[int(index)] for index in rng.permutation(len(names))[:count]]
