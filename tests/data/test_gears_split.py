import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gpjepa.data import datasets
from gpjepa.data.gears_split import gears
from gpjepa.data.labels import label_of, members_of
from gpjepa.data.perturbseq import read
from gpjepa.data.schemes import genes_of

GENES = [f"G{i:02d}" for i in range(20)]
LABELS = [*GENES, *(label_of((GENES[i], GENES[j])) for i in range(20) for j in range(i + 1, 20, 3))]

GIVEN = json.loads(Path(__file__).with_name("gears_norman_splits.json").read_text())


def sizes(groups: dict[str, str]) -> dict[str, int]:
    return {name: list(groups.values()).count(name) for name in sorted(set(groups.values()))}


def norman_labels(name: str) -> list[str]:
    if name == "norman-effects":
        return [str(label) for label in datasets.load(name).obs_names]
    return list(read(datasets.load(name), announce=False).perturbations)


@pytest.mark.parametrize("name", ["norman-effects", "norman-k562"])
def test_norman_is_divided_as_cell_gears_divides_it(name: str) -> None:
    """The lists are those of cell-gears 0.1.2, as `python -m benchmarks gears-split` gets them."""
    labels = norman_labels(name)
    assert sorted(GIVEN[name]) == ["1", "2", "3", "4", "5"]
    for seed, parts in GIVEN[name].items():
        draw = gears(labels, int(seed))
        found = [list(draw.train), list(draw.validation), list(draw.test)]
        assert found == [parts["train"], parts["val"], parts["test"]]
        for group in sorted(set(draw.groups.values())):
            held = [label for label in draw.test if draw.groups[label] == group]
            assert held == parts[f"test {group}"]


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_three_quarters_of_genes_and_of_combinations_within_them_are_kept(seed: int) -> None:
    draw = gears(LABELS, seed)
    fitted = [*draw.train, *draw.validation]
    drawn = np.random.RandomState(seed).choice(GENES, 15, replace=False)
    assert {label for label in fitted if "+" not in label} == set(drawn)
    within = [label for label in LABELS if "+" in label and set(members_of(label)) <= set(drawn)]
    assert sum("+" in label for label in fitted) == int(len(within) * 0.75)
    assert sizes(draw.groups)["unseen_single"] == 5


@given(st.permutations(LABELS), st.integers(0, 2**31), st.sampled_from([0.1, 0.25, 0.5]))
def test_parts_are_disjoint_and_no_order_matters(labels, seed, fraction) -> None:
    draw = gears(labels, seed, fraction)
    assert draw == gears(sorted(labels), seed, fraction)
    parts = [*draw.train, *draw.validation, *draw.test]
    assert sorted(parts) == sorted(LABELS)


@given(st.integers(0, 100))
def test_groups_never_understate_what_training_saw(seed) -> None:
    draw = gears(LABELS, seed)
    seen = genes_of([*draw.train, *draw.validation])
    for label, group in draw.groups.items():
        count = len(seen & set(members_of(label)))
        assert count <= (0 if group == "unseen_single" else int(group[-1]))


def test_the_global_random_state_is_left_alone() -> None:
    np.random.seed(7)
    before = np.random.get_state()[1].copy()
    gears(LABELS, 1)
    assert np.array_equal(before, np.random.get_state()[1])


def test_a_triple_with_an_unseen_member_is_never_kept() -> None:
    labels = [*GENES, *(label_of(GENES[i : i + 3]) for i in range(18))]
    for seed in range(5):
        draw = gears(labels, seed)
        singles = {label for label in [*draw.train, *draw.validation] if "+" not in label}
        kept = [label for label in [*draw.train, *draw.validation] if "+" in label]
        assert all(singles.issuperset(members_of(label)) for label in kept)
