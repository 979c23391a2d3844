from __future__ import annotations

import re

import numpy as np
import pytest

from gpjepa.api.plan_space import ALL, Constraints, Names, space_of
from gpjepa.core.errors import ConfigError, VocabularyError
from gpjepa.data.vocabulary import Vocabulary

KNOWN = Vocabulary(("KLF1", "SET", "BAK1", "CEBPA", "SPI1"), 4)


def spaced(**asked: object):
    return space_of(Constraints(**asked), Names(KNOWN))


def test_genes_only_seen_in_combinations_are_candidates_if_asked_for() -> None:
    together = Vocabulary(("A", "B", "C"), 3, frozenset({"B"}))
    assert space_of(Constraints(), Names(together)).names == ("A", "C")
    asked = Constraints(candidates=["A", "B"])
    assert space_of(asked, Names(together)).names == ("A", "B")
    none_alone = Vocabulary(("A", "B"), 2, frozenset({"A", "B"}))
    assert space_of(Constraints(), Names(none_alone)).names == ("A", "B")


def test_the_candidates_are_those_with_training_cells_unless_all_are_asked_for() -> None:
    assert spaced().names == ("KLF1", "SET", "BAK1", "CEBPA")
    assert spaced(candidates=ALL).names == KNOWN.members
    assert spaced(candidates=["SPI1", "SET", "SPI1"]).names == ("SPI1", "SET")


def test_forbidden_genes_are_no_candidates_and_forbidden_pairs_are_in_no_set() -> None:
    space = spaced(forbidden=["SET", "CEBPA+KLF1"])
    assert space.names == ("KLF1", "BAK1", "CEBPA")
    labels = {label for sets in space.every() for label in space.labels(sets)}
    assert labels == {"KLF1", "BAK1", "CEBPA", "BAK1+KLF1", "BAK1+CEBPA"}


def test_required_genes_are_in_every_set() -> None:
    space = spaced(required="SET", max_size=2)
    labels = {label for sets in space.every() for label in space.labels(sets)}
    assert labels == {"SET", "KLF1+SET", "BAK1+SET", "CEBPA+SET"}


def test_genes_without_a_cost_cost_1_and_essential_ones_ten_times_as_much() -> None:
    space = spaced(cost={"KLF1": 3.0, "SET": 0.0}, essential=["KLF1", "BAK1"])
    assert space.costs.tolist() == [30.0, 0.0, 10.0, 1.0]
    allowed = spaced(cost={"KLF1": 3.0}, most_cost=2.0)
    labels = {label for sets in allowed.every() for label in allowed.labels(sets)}
    assert "BAK1+SET" in labels
    assert not any("KLF1" in label for label in labels)


def test_without_costs_nothing_costs() -> None:
    assert spaced().cost is None


def test_names_that_are_not_known_are_noted_with_the_nearest_as_long_as_one_is_known() -> None:
    names = Names(KNOWN)
    space = space_of(Constraints(candidates=["KLF1", "SET", "KLF17"]), names)
    assert space.names == ("KLF1", "SET")
    (note,) = names.notes
    assert "candidates: 1 of 3 are not known (KLF17" in note
    assert "'KLF17': KLF1" in note


@pytest.mark.parametrize(
    ("asked", "error", "words"),
    [
        ({"candidates": ["KLF17", "SETT"]}, VocabularyError, "2 of 2 are not known.*'SETT': SET"),
        ({"candidates": []}, ConfigError, "candidates are empty"),
        ({"candidates": ["KLF1+SET"]}, ConfigError, "'KLF1.SET' is a combination"),
        ({"candidates": ["ctrl"]}, VocabularyError, "control is no perturbation"),
        ({"candidates": ["SET"], "forbidden": ["SET"]}, ConfigError, "all 1 candidates are forbid"),
        ({"candidates": ["SET"], "max_size": 2}, ConfigError, "max_size is 2 with 1 candidates"),
        ({"forbidden": ["BAK1+KLF1+SET"]}, ConfigError, "has 3 members; expected a gene, or a pai"),
        ({"forbidden": ["KLF17"]}, VocabularyError, "forbidden: 1 of 1 are not known"),
        ({"required": ["KLF17", "SET"]}, VocabularyError, "required: 1 of 2 are not known"),
        ({"required": ["SET"], "forbidden": ["SET"]}, ConfigError, "'SET' is required and forbidd"),
        ({"required": ["SPI1"]}, ConfigError, "'SPI1' is required and no candidate"),
        (
            {"required": ["SET", "KLF1"], "forbidden": ["KLF1+SET"]},
            ConfigError,
            "SET.*both required and forbidden together",
        ),
        ({"required": ["SET", "KLF1", "BAK1"]}, ConfigError, "3 members are required"),
        ({"min_size": 3}, ConfigError, "sizes are 3 to 2"),
        ({"cost": {"SET": -1.0}}, ConfigError, "the cost of 'SET' is -1"),
        ({"cost": {"SET": float("nan")}}, ConfigError, "the cost of 'SET' is nan"),
        ({"cost": {"SETT": 1.0}}, VocabularyError, "cost: 1 of 1 are not known"),
        ({"most_cost": 0.5}, ConfigError, "most_cost"),
        ({"essential": ["SET"], "essential_factor": -1.0}, ConfigError, "essential_factor is -1"),
    ],
)
def test_what_cannot_be_asked_for_is_refused_by_name(
    asked: dict, error: type[Exception], words: str
) -> None:
    with pytest.raises(error) as caught:
        spaced(**asked)
    assert re.search(words, str(caught.value))


def test_a_gene_is_not_combined_with_itself_in_another_modality() -> None:
    both = Vocabulary(("A@CRISPRa", "A@CRISPRi", "B@CRISPRa"), 3, modalities=("CRISPRa", "CRISPRi"))
    space = space_of(Constraints(), Names(both))
    labels = {label for sets in space.every() for label in space.labels(sets)}
    assert "A@CRISPRa+A@CRISPRi" not in labels
    assert "A@CRISPRi+B@CRISPRa" in labels
    only = space_of(Constraints(), Names(both, "CRISPRa"))
    assert only.names == ("A@CRISPRa", "B@CRISPRa")


def test_a_gene_costs_the_same_in_every_modality() -> None:
    both = Vocabulary(("A@CRISPRa", "A@CRISPRi", "B@CRISPRa"), 3, modalities=("CRISPRa", "CRISPRi"))
    assert space_of(Constraints(cost={"A": 4.0}), Names(both)).costs.tolist() == [4.0, 4.0, 1.0]
    assert np.isfinite(space_of(Constraints(cost={"A": 4.0}), Names(both)).costs).all()
