from __future__ import annotations

import numpy as np
import pytest
import torch

from gpjepa.core.errors import VocabularyError
from gpjepa.data.labels import CONTROL
from gpjepa.data.vocabulary import Vocabulary
from gpjepa.inference.calibration import Calibration
from gpjepa.inference.judgement import (
    DO_NOT_TRUST,
    FAR,
    TOGETHER_ONLY,
    USE_MODEL,
    USE_SUM,
    member_novelty,
    nearest_measured,
    novelty,
    refine,
    verdict,
)

# A, B measured alone; C in combinations only; near, far and blank have features only.
VOCABULARY = Vocabulary(("A", "B", "C", "near", "far", "blank"), 3, frozenset({"C"}))
FEATURES = torch.tensor(
    [[1.0, 0.0, 0.0], [0.0, 2.0, 0.0], [0.0, 0.0, 0.0], [3.0, 4.0, 0.0], [0, 0, 1.0], [0, 0, 0]]
)


def calibration(interactions: bool = True, novel: bool = True) -> Calibration:
    return Calibration({}, {}, 20, interactions, novel)


@pytest.mark.parametrize(
    ("member", "expected"),
    [("A", 0.0), ("C", TOGETHER_ONLY), ("near", 1.0 - 4.0 / 5.0), ("far", 1.0), ("blank", 1.0)],
)
def test_novelty_of_a_member_is_its_distance_to_the_nearest_measured_one(member, expected) -> None:
    assert member_novelty(VOCABULARY, FEATURES, member) == pytest.approx(expected, abs=1e-6)


def test_only_rows_shorter_than_measured_ones_are_further_for_their_length() -> None:
    longer = FEATURES * torch.tensor([[5.0], [1.0], [1.0], [2.0], [1.0], [1.0]])
    assert member_novelty(VOCABULARY, longer, "near") == pytest.approx(0.2, abs=1e-6)
    shorter = FEATURES * torch.tensor([[5.0], [1.0], [1.0], [0.1], [1.0], [1.0]])
    assert member_novelty(VOCABULARY, shorter, "near") == pytest.approx(1 - 0.5 * 0.8, abs=1e-6)


def test_a_gene_measured_in_another_way_only_is_as_near_as_its_like_in_that_way() -> None:
    members = ("A@CRISPRa", "B@CRISPRi", "A@CRISPRi", "C@KO")
    both = Vocabulary(members, 2, modalities=("CRISPRa", "CRISPRi", "KO"))
    features = torch.tensor([[1.0, 0.0], [0.6, 0.8], [1.0, 0.0], [1.0, 0.0]])
    assert member_novelty(both, features, "A@CRISPRi") == pytest.approx(0.4, abs=1e-6)
    assert member_novelty(both, features, "C@KO") == 1.0


def test_features_opposite_to_all_measured_ones_are_no_more_than_wholly_novel() -> None:
    two = Vocabulary(("A", "opposite"), 1)
    assert member_novelty(two, torch.tensor([[1.0, 0.0], [-1.0, 0.0]]), "opposite") == 1.0


def test_without_features_whatever_has_no_data_is_wholly_novel() -> None:
    assert member_novelty(VOCABULARY, torch.zeros((6, 0)), "near") == 1.0
    assert member_novelty(VOCABULARY, torch.zeros((6, 0)), "B") == 0.0


def test_a_combination_is_as_novel_as_its_most_novel_member() -> None:
    assert novelty(VOCABULARY, FEATURES, "A+near") == pytest.approx(0.2, abs=1e-6)
    assert novelty(VOCABULARY, FEATURES, "A+C+near") == TOGETHER_ONLY
    assert novelty(VOCABULARY, FEATURES, "A+B") == 0.0
    assert novelty(VOCABULARY, FEATURES, CONTROL) == 0.0


def test_the_novelty_of_an_unknown_gene_is_refused() -> None:
    with pytest.raises(VocabularyError, match="'fur' is not known .*closest: 'far'"):
        novelty(VOCABULARY, FEATURES, "A+fur")


@pytest.mark.parametrize(
    ("label", "interactions", "novel", "distance", "expected"),
    [
        ("A", False, False, 0.0, USE_MODEL),
        ("A+B", True, False, 0.0, USE_MODEL),
        ("A+B", False, True, 0.0, USE_SUM),
        ("near", False, True, 0.2, USE_MODEL),
        ("near", True, False, 0.2, DO_NOT_TRUST),
        ("far", True, True, FAR + 0.01, DO_NOT_TRUST),
        ("A+near", False, True, 0.2, USE_MODEL),
        ("A+near", True, False, 0.2, DO_NOT_TRUST),
        ("C", True, True, TOGETHER_ONLY, DO_NOT_TRUST),
        ("A+C", True, True, TOGETHER_ONLY, DO_NOT_TRUST),
    ],
)
def test_the_verdict_follows_from_novelty_and_what_validation_supports(
    label, interactions, novel, distance, expected
) -> None:
    assert verdict(VOCABULARY, calibration(interactions, novel), label, distance) == expected


def test_the_nearest_training_label_shares_the_most_members_and_adds_the_fewest() -> None:
    labels = ("A", "B", "A+AB+B", "A+B+D", "C+D", "A+B")
    assert nearest_measured(labels, "A+B+C") == "A+B"
    assert nearest_measured(labels, "C") == "C+D"
    assert nearest_measured(labels, "A") == "A"
    assert nearest_measured(labels, "A+D") == "A+B+D"
    assert nearest_measured(("B", "A"), "Z") == "A"  # nothing shared: by name


@pytest.mark.parametrize(
    ("deviation", "beyond", "expected"),
    [
        (0.1, 1.0, USE_MODEL),  # the sum is expected to be ten times as far off
        (0.3, 0.05, USE_SUM),  # the sum is as good
        (3.0, 0.05, DO_NOT_TRUST),  # the error is larger than the effect
    ],
)
def test_a_prediction_is_judged_by_what_it_saves_of_the_expected_error(
    deviation, beyond, expected
) -> None:
    effect = np.full(50, 1.0)
    found = refine(USE_MODEL, effect, np.full(50, deviation), effect - beyond)
    assert found == expected


def test_a_prediction_that_is_not_trusted_stays_so_and_one_without_a_sum_has_no_rival() -> None:
    effect, little, none = np.ones(5), np.full(5, 0.01), np.full(5, np.nan)
    assert refine(DO_NOT_TRUST, effect, little, effect - 1.0) == DO_NOT_TRUST
    assert refine(USE_MODEL, effect, little, none) == USE_MODEL
    assert refine(USE_MODEL, effect, 10.0 * effect, none) == DO_NOT_TRUST
