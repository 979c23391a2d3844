"""Two processes compute what one does, on the same batches."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from gpjepa.core.ranks import Ranks

Arrays = dict[str, np.ndarray]


def close(ours: np.ndarray, theirs: np.ndarray, tolerance: float) -> bool:
    """Tell whether arrays agree, relative to the largest number in them."""
    scale = max(1.0, float(np.abs(theirs).max(initial=0.0)))
    return bool(np.abs(ours - theirs).max(initial=0.0) <= tolerance * scale)


def of(found: Arrays, prefix: str) -> Arrays:
    return {name: value for name, value in found.items() if name.startswith(prefix)}


CANCELS = "decoder.logits.bias"  # a small sum of large terms: 6e-5 off on some processors


@pytest.mark.parametrize(
    ("which", "tolerance"), [("gradients a", 1e-6), ("gradients bc", 5e-6), ("double bc", 1e-7)]
)
def test_gradients_and_terms_are_those_of_one_process(
    one: Arrays, two: list[Arrays], which: str, tolerance: float
) -> None:
    expected = of(one, which)
    assert len(expected) > 20
    for found in two:
        ours = of(found, which)
        assert set(ours) == set(expected)
        loose = {name: 20.0 * tolerance for name in ours if name.endswith(CANCELS)}
        wrong = [
            name
            for name, value in expected.items()
            if not close(ours[name], value, loose.get(name, tolerance))
        ]
        assert wrong == []


def test_gradients_differ_where_they_should(one: Arrays) -> None:
    even, uneven = (one[f"gradients bc {name}:terms"] for name in ("even", "uneven"))
    assert not close(even, uneven, 1e-3)


def test_moments_of_vicreg_are_of_the_rows_of_both(one: Arrays, two: list[Arrays]) -> None:
    for name in ("variance", "covariance", "invariance", "mean", "deviation"):
        assert all(close(found[f"moments:{name}"], one[f"moments:{name}"], 1e-6) for found in two)
    ours = np.concatenate([found["moments:gradient"] for found in two], axis=1)
    assert close(ours, one["moments:gradient"], 1e-6)


def test_a_step_is_cut_without_overlap_and_without_loss(one: Arrays, two: list[Arrays]) -> None:
    for name, whole in of(one, "shares").items():
        parts = [found[name] for found in two]
        assert np.array_equal(np.concatenate(parts), whole), name
        assert all(len(part) for part in parts)
    for step in range(3):
        cells = [set(found[f"shares:a{step}"]) for found in two]
        assert not cells[0] & cells[1]
        groups = [set(found[f"shares:groups{step}"]) for found in two]
        assert not groups[0] & groups[1]


def test_a_short_run_ends_as_one_process_does(one: Arrays, two: list[Arrays]) -> None:
    for name, whole in of(one, "trained").items():
        assert close(two[0][name].astype(float), whole.astype(float), 2e-4), name


def test_both_end_with_the_same_bits_teachers_too(two: list[Arrays]) -> None:
    names = list(of(two[0], "trained"))
    assert any("teacher" in name for name in names)
    assert any(name.endswith("history") for name in names)
    assert [name for name in names if not np.array_equal(two[0][name], two[1][name])] == []


def test_shares_are_as_even_as_can_be() -> None:
    for total in (7, 8, 64):
        for size in (1, 2, 3, 7):
            rows = [Ranks(rank, size).rows(total) for rank in range(size)]
            assert [x for r in rows for x in range(total)[r.here]] == list(range(total))
            lengths = [r.stop - r.start for r in rows]
            assert max(lengths) - min(lengths) <= 1
            assert sum(r.weight for r in rows) / size == pytest.approx(1.0)


LAST_WORDS = """
import atexit
from torch import distributed
atexit.register(lambda: print("joined still" if distributed.is_initialized() else "parted"))
from gpjepa.training.processes import open_fabric
open_fabric("cpu")
print("joined" if distributed.is_initialized() else "alone")
"""


def test_processes_part_before_python_ends_lest_a_thread_of_gloo_aborts_them(
    processes: Any, finished: Any
) -> None:
    done = finished(processes(["-c", LAST_WORDS]))
    assert [(code, said.split("\n")[:2]) for code, said, _ in done] == [
        (0, ["joined", "parted"])
    ] * 2, done
