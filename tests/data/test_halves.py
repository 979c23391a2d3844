import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from gpjepa.data.halves import draw_share, name_ranks, strata_of

NAMES = np.array([f"cell{i}" for i in range(200)], dtype=object)


@given(st.lists(st.integers(0, 4), min_size=1, max_size=200), st.sampled_from([0.15, 0.25, 0.5]))
def test_every_stratum_gives_exactly_its_share(strata, share) -> None:
    levels = np.array(strata)
    mask = draw_share(NAMES[: len(levels)], levels, share, 0, "x")
    for level in set(strata):
        size = int((levels == level).sum())
        assert abs(mask[levels == level].sum() - share * size) <= 0.5 + 1e-9


def test_the_odd_cell_of_a_half_is_left_out() -> None:
    assert draw_share(NAMES[:7], np.zeros(7, dtype=int), 0.5, 0, "x").sum() == 3


def test_the_order_of_cells_is_irrelevant() -> None:
    strata = np.arange(200) % 3
    order = np.random.default_rng(0).permutation(200)
    drawn = set(NAMES[draw_share(NAMES, strata, 0.5, 1, "x")])
    again = set(NAMES[order][draw_share(NAMES[order], strata[order], 0.5, 1, "x")])
    assert drawn == again


def test_seed_and_purpose_change_the_draw() -> None:
    one, other, third = (
        name_ranks(NAMES, seed, purpose) for seed, purpose in ((0, "x"), (1, "x"), (0, "y"))
    )
    assert sorted(one) == list(range(200))
    assert abs(np.corrcoef(one, other)[0, 1]) < 0.25
    assert abs(np.corrcoef(one, third)[0, 1]) < 0.25


def test_a_stratum_is_a_combination_of_levels() -> None:
    batch = np.array(["x", "x", "y", "y"], dtype=object)
    kind = np.array(["T", "B", "T", "T"], dtype=object)
    strata = strata_of([batch, None, kind], 4)
    assert strata[2] == strata[3]
    assert len(set(strata)) == 3
    assert set(strata_of([None], 4)) == {0}


def test_no_cells_give_no_draw() -> None:
    none = np.array([], dtype=object)
    assert len(draw_share(none, strata_of([None], 0), 0.5, 0, "x")) == 0
