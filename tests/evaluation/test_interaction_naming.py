"""Classes of genetic interaction on effects whose class is known."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from gpjepa.benchmark.norman_effects import load_table
from gpjepa.data.references import interaction_classes
from gpjepa.evaluation.interaction_classes import CLASSES
from gpjepa.evaluation.interaction_measures import interaction_measures
from gpjepa.evaluation.interaction_naming import name_measures, name_pairs

GENES = 80
DRAW = np.random.default_rng(0)
A, B, OTHER = DRAW.normal(size=(3, GENES))
LIKE_A = A + 0.1 * OTHER


def named(first: np.ndarray, second: np.ndarray, double: np.ndarray) -> str:
    (name,) = name_pairs(
        np.stack((first, second))[None], double[None], (double - first - second)[None]
    )
    return name


@pytest.mark.parametrize(
    ("first", "second", "double", "expected"),
    [
        (A, B, A + B, "additive"),
        (A, LIKE_A, A + LIKE_A, "additive"),
        (A, B, 0.7 * (A + B), "additive"),
        (A, B, 1.6 * (A + B), "synergy"),
        (A, LIKE_A, 1.6 * (A + LIKE_A), "synergy"),
        (A, B, 0.4 * (A + B), "suppression"),
        (A, B, 0.0 * A, "suppression"),
        (A, B, A, "epistasis"),
        (A, B, 0.2 * A + B, "epistasis"),
        (A, LIKE_A, 0.5 * (A + LIKE_A), "redundancy"),
        (A, LIKE_A, A, "redundancy"),
        (A, B, 2.0 * OTHER, "neomorphism"),
        (A, A, 2.5 * A, ""),
        (A, B, np.full(GENES, np.nan), ""),
    ],
)
def test_doubles_made_by_a_rule_get_its_class(first, second, double, expected) -> None:
    assert named(first, second, double) == expected
    assert named(second, first, double) == expected


def test_a_pair_without_interaction_is_additive_whatever_its_members_do() -> None:
    singles, double = np.stack((A, B))[None], (1.6 * (A + B))[None]
    assert name_pairs(singles, double, 0.05 * double) == ["additive"]
    assert name_pairs(singles, double, 0.2 * double) == ["synergy"]


def test_pairs_are_named_apart_and_two_genes_name_none() -> None:
    singles = np.stack((np.stack((A, B)),) * 3)
    doubles = np.stack((A + B, 1.6 * (A + B), A))
    found = name_pairs(singles, doubles, doubles - (A + B))
    assert found == ["additive", "synergy", "epistasis"]
    assert name_pairs(singles[..., :2], doubles[:, :2], doubles[:, :2]) == ["", "", ""]


def test_rules_find_most_published_classes_of_measured_effects() -> None:
    table, known = load_table(), interaction_classes()
    labels = [x for x in known if x in table.row and table.single_rows(x) is not None]
    singles = np.stack([table.effects[table.single_rows(label)] for label in labels])
    doubles = table.effects[[table.row[label] for label in labels]]
    found = name_measures(interaction_measures(singles, doubles))
    published = {label: kind.name for kind in CLASSES for label in kind.published}
    truth = [published.get(known[label], known[label]) for label in labels]
    scored = [(a, b) for a, b in zip(found, truth, strict=True) if b != "potentiation"]
    assert len(scored) == 80
    assert sum(a == b for a, b in scored) == 53


def test_order_of_the_rules_is_that_of_the_text() -> None:
    measures = interaction_measures(np.stack((A, B))[None], (A + B)[None])
    one = np.array([1.0])

    def name(**changes: float) -> str:
        given = {key: value * one for key, value in changes.items()}
        return name_measures(replace(measures, **given))[0]

    assert name(fit_distance_correlation=0.6, magnitude=0.5) == "neomorphism"
    assert name(singles_similarity=0.7, magnitude=1.1, dominance=1.0) == "redundancy"
    assert name(singles_similarity=0.7, magnitude=1.3, dominance=1.0) == "synergy"
    assert name(dominance=0.4, magnitude=0.5) == "epistasis"
    assert name(magnitude=0.5) == "suppression"
    assert name(magnitude=1.0) == "additive"
    assert name(magnitude=np.nan) == ""
