import json

import numpy as np
import pytest

from gpjepa.core.errors import ConfigError, DataError
from gpjepa.data import datasets
from gpjepa.data.perturbseq import read
from gpjepa.data.splits import SCHEMES, Split, audit, demo_split

GENES = [f"G{i}" for i in range(8)]
PAIRS = [f"G{i}+G{i + 1}" for i in range(7)]


@pytest.fixture
def screen(make):
    adata = make(("control", *GENES, *PAIRS), per_label=6)
    adata.obs["cell_type"] = ["T", "B", "NK"] * 32
    return read(adata, announce=False)


@pytest.mark.parametrize("scheme", SCHEMES)
def test_every_scheme_gives_a_sound_split_that_its_seed_repeats(screen, scheme: str) -> None:
    split = screen.split(scheme, seed=3)
    assert (split.scheme, split.seed) == (scheme, 3)
    assert audit(split, screen) == []
    assert screen.split(scheme, seed=3) == split
    assert Split.from_json(json.loads(json.dumps(split.to_json()))) == split
    assert len(split.truth_controls) == 3


@pytest.mark.parametrize("scheme", sorted(set(SCHEMES) - {"none"}))
def test_every_scheme_but_none_has_test_and_validation(screen, scheme: str) -> None:
    split = screen.split(scheme)
    parts = split.parts(screen)
    assert split.test
    assert split.validation
    assert len(parts.test)
    assert len(parts.validation)


@pytest.mark.parametrize(
    "scheme", ["unseen-perturbation", "unseen-combination", "unseen-context", "cells"]
)
def test_another_seed_gives_another_split(screen, scheme: str) -> None:
    tests = {tuple(screen.split(scheme, seed=s).parts(screen).test) for s in range(6)}
    assert len(tests) > 1


def test_how_labels_are_written_is_irrelevant(make, screen) -> None:
    swapped = make(
        (
            "ctrl",
            *(f"ctrl+{gene}" for gene in GENES),
            *("+".join(p.split("+")[::-1]) for p in PAIRS),
        )
    )
    data = read(swapped, announce=False)
    for scheme in ("unseen-perturbation", "unseen-combination", "gears"):
        one, other = screen.split(scheme), data.split(scheme)
        assert (one.train, one.validation, one.test) == (other.train, other.validation, other.test)


def test_none_trains_everything_and_still_halves_the_controls(screen) -> None:
    split = screen.split("none")
    assert split.train == screen.perturbations
    assert split.test == split.validation == ()
    assert len(split.parts(screen).truth_controls) == 3


def test_a_context_column_may_be_any_column(make) -> None:
    adata = make(("control", "A", "B", "C"), per_label=8)
    adata.obs["donor"] = ["p", "q"] * 16
    data = read(adata, announce=False)
    split = data.split("unseen-context", context_column="donor")
    parts = split.parts(data)
    assert split.held_out_context in ("p", "q")
    assert set(data.covariate("donor")[parts.test]) == {split.held_out_context}
    assert audit(split, data) == []


def test_a_context_column_that_is_absent_is_refused(data) -> None:
    with pytest.raises(DataError, match="column 'donor' is not known"):
        data.split("unseen-context", context_column="donor")
    with pytest.raises(DataError, match="no context column: the data have neither .*context_col"):
        data.split("unseen-context")


def test_a_context_without_controls_cannot_be_held_out(make) -> None:
    adata = make(("control", "A"), per_label=4)
    adata.obs["donor"] = ["p"] * 4 + ["q"] * 4
    with pytest.raises(DataError, match="no context of column 'donor' .*expected one with control"):
        read(adata, announce=False).split("unseen-context", context_column="donor")


def test_an_unknown_scheme_is_refused_with_the_closest(data) -> None:
    with pytest.raises(
        ConfigError,
        match="split 'unseen-combinations' is not known .*closest: 'unseen-combination'",
    ):
        data.split("unseen-combinations")


@pytest.mark.parametrize("fraction", [0.0, 1.0, -0.1, 1.5, float("nan")])
def test_a_fraction_out_of_range_is_refused(data, fraction: float) -> None:
    with pytest.raises(ConfigError, match="fraction is .*; expected a share between 0 and 1"):
        data.split("unseen-perturbation", fraction=fraction)


def test_a_split_without_training_says_why(make) -> None:
    data = read(make(("control", "A")), announce=False)
    with pytest.raises(DataError, match="'unseen-perturbation' leaves no perturbation to train on"):
        data.split("unseen-perturbation")
    with pytest.raises(DataError, match="'gears' leaves no perturbation to train on"):
        data.split("gears")


def test_a_split_without_combinations_says_why(make) -> None:
    data = read(make(("control", "A", "B")), announce=False)
    with pytest.raises(DataError, match="none of the 0 combinations has all its members"):
        data.split("unseen-combination")


@pytest.mark.parametrize("seed", range(3))
def test_the_demonstration_holds_out_normans_five_complete_doubles(seed: int) -> None:
    data = read(datasets.load("norman-k562"), announce=False)
    featured = set(data.members) - {"IER5L"}
    split = demo_split(data, seed, featured)
    assert audit(split, data) == []
    doubles = {label for label, group in split.groups.items() if group == "combo_seen2"}
    assert doubles == {
        "KLF1+MAP2K6",
        "KLF1+TGFBR2",
        "MAP2K3+MAP2K6",
        "MAP2K3+SLC38A2",
        "MAPK1+TGFBR2",
    }
    singles = set(split.test) - doubles
    assert len(singles) == 3
    assert singles <= featured
    assert len(split.validation) == 4
    assert len(split.parts(data).truth_controls) == 50


def test_cells_of_a_split_are_none_twice_and_none_lost(screen) -> None:
    for scheme in ("unseen-perturbation", "unseen-combination", "gears", "cells", "none"):
        rows = np.concatenate(list(vars(screen.split(scheme).parts(screen)).values()))
        assert sorted(rows) == list(range(screen.n_cells))
