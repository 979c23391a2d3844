import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gpjepa.core.errors import DataError
from gpjepa.data.labels import label_of, members_of
from gpjepa.data.schemes import (
    Draw,
    across_contexts,
    demonstration,
    genes_of,
    group_of,
    is_combination,
    listed,
    unseen_combination,
    unseen_perturbation,
    validation_count,
    with_all_singles,
)

GENES = [f"G{i:02d}" for i in range(12)]
SETS = st.sets(st.sampled_from(GENES), min_size=1, max_size=3).map(label_of)
LABELS = st.sets(SETS, min_size=4, max_size=40).map(sorted)
PAIRS = [label_of((a, b)) for i, a in enumerate(GENES) for b in GENES[i + 1 :]]


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def assert_parts_of(draw: Draw, labels: list[str]) -> None:
    parts = [*draw.train, *draw.validation, *draw.test]
    assert len(parts) == len(set(parts))
    assert set(parts) == set(labels)
    assert set(draw.groups) == set(draw.test)


@given(LABELS, st.integers(0, 5), st.sampled_from([0.1, 0.25, 0.5]))
def test_unseen_perturbation_leaves_no_held_out_gene_in_training(labels, seed, fraction) -> None:
    draw = unseen_perturbation(labels, rng(seed), fraction)
    assert_parts_of(draw, labels)
    fitted = genes_of([*draw.train, *draw.validation])
    assert all(not fitted.issuperset(members_of(label)) for label in draw.test)
    trained = genes_of(draw.train)
    assert all(not trained.issuperset(members_of(label)) for label in draw.validation)


def test_unseen_perturbation_holds_out_the_fraction_of_genes_and_validates_15_per_cent() -> None:
    labels = [f"G{i:03d}" for i in range(100)]
    draw = unseen_perturbation(labels, rng(), 0.25)
    assert (len(draw.test), len(draw.validation), len(draw.train)) == (25, 11, 64)
    assert set(draw.groups.values()) == {"unseen_single"}


@given(LABELS.filter(with_all_singles), st.integers(0, 5))
def test_unseen_combination_tests_combinations_whose_singles_train(labels, seed) -> None:
    draw = unseen_combination(labels, rng(seed), 0.3)
    assert_parts_of(draw, labels)
    singles = {label for label in labels if not is_combination(label)}
    assert singles <= set(draw.train)
    assert all(map(is_combination, [*draw.test, *draw.validation]))
    complete = set(with_all_singles(labels))
    for label in draw.test:
        within = [c for c in complete if set(members_of(c)) <= set(members_of(label))]
        assert within
    for label in complete & set(draw.test):
        assert singles.issuperset(members_of(label))


def test_no_larger_combination_of_a_held_out_one_trains() -> None:
    labels = ["A", "B", "C", "A+B", "A+B+C"]
    for seed in range(8):
        draw = unseen_combination(labels, rng(seed), 0.5)
        if "A+B" in draw.test:
            assert "A+B+C" in draw.test
        assert_parts_of(draw, labels)


def test_unseen_combination_holds_out_the_fraction() -> None:
    draw = unseen_combination([*GENES, *PAIRS], rng(), 0.25)
    assert len(draw.test) == round(0.25 * len(PAIRS))
    assert set(draw.groups.values()) == {"combo_seen2"}
    assert len(draw.validation) == round(0.15 * (len(GENES) + len(PAIRS) - len(draw.test)))


def test_validation_leaves_half_of_the_combinations_to_training() -> None:
    labels = [*GENES, "G00+G01", "G02+G03", "G04+G05"]
    draw = unseen_combination(labels, rng(), 0.25)
    assert len(draw.validation) == 1
    assert sum(map(is_combination, draw.train)) == 1


def test_combinations_without_singles_are_refused() -> None:
    with pytest.raises(DataError, match="none of the 1 combinations has all its members measured"):
        unseen_combination(["A", "B+C"], rng(), 0.25)


def test_groups_count_the_seen_members() -> None:
    assert group_of("A", set()) == "unseen_single"
    assert group_of("A", {"A"}) == "seen_single"
    assert [group_of("A+B", seen) for seen in ([], ["A"], ["A", "B"])] == [
        "combo_seen0",
        "combo_seen1",
        "combo_seen2",
    ]


@pytest.mark.parametrize(("n", "count"), [(0, 0), (1, 0), (2, 1), (10, 2), (100, 15)])
def test_validation_is_15_per_cent_and_at_least_one_of_two(n: int, count: int) -> None:
    assert validation_count(n) == count


def test_a_context_tests_only_what_trains_elsewhere() -> None:
    draw = across_contexts(set(GENES), {*GENES[:6], "elsewhere"}, rng())
    assert len(draw.validation) == 2
    assert set(draw.test) == set(GENES[:6]) & set(draw.train)
    assert set(draw.groups.values()) == {"unseen_context"}


def test_listed_parts_are_kept_and_validation_is_drawn_when_absent() -> None:
    draw = listed({"A", "B"}, {"C"}, {"A+B"}, rng())
    assert (draw.train, draw.validation, draw.test) == (("A", "B"), ("C",), ("A+B",))
    drawn = listed(set(GENES), None, {"A+B"}, rng())
    assert len(drawn.validation) == 2
    assert set(drawn.train) | set(drawn.validation) == set(GENES)


DEMO = ["A", "B", "C", "A+B", "B+C", "A+X", "X+Y", "Y+Z", *(f"S{i}" for i in range(9))]


@pytest.mark.parametrize("seed", range(5))
def test_the_demonstration_tests_complete_combinations_and_three_lone_singles(seed: int) -> None:
    draw = demonstration(DEMO, rng(seed), set(genes_of(DEMO)) - {"S0"})
    assert_parts_of(draw, DEMO)
    assert {label for label in draw.test if is_combination(label)} == {"A+B", "B+C"}
    lone = [label for label in draw.test if not is_combination(label)]
    assert len(lone) == 3
    assert set(lone) <= {f"S{i}" for i in range(1, 9)}
    assert draw.validation
    assert all(label[0] in "SAXY" and label != "S0" for label in draw.validation)
    assert {"A", "B", "C"} <= set(draw.train)


def test_the_singles_of_the_demonstration_change_with_the_seed() -> None:
    drawn = {demonstration(DEMO, rng(seed), genes_of(DEMO)).test for seed in range(6)}
    assert len(drawn) > 2


def test_data_unfit_for_the_demonstration_are_refused() -> None:
    with pytest.raises(DataError, match="0 combinations with all singles and 2 singles with feat"):
        demonstration(["A", "B"], rng(), {"A", "B"})
