from __future__ import annotations

import numpy as np
import pytest

from gpjepa.core.errors import CheckpointError
from gpjepa.inference.contexts import (
    ARRAYS,
    FILE,
    Contexts,
    krige,
    load_contexts,
    save_contexts,
    squared_distances,
)

GENES = 6


def single(array: np.ndarray) -> np.ndarray:
    return array.astype(np.float32).astype(np.float64)


def contexts() -> Contexts:
    rng = np.random.default_rng(0)
    profile = single(np.abs(rng.normal(size=(4, GENES))))
    departure = single(rng.normal(size=(5, GENES)))
    return Contexts(
        column="cell_type",
        levels=("a", "b", "c", "d"),
        target=1000.0,
        labels=("G", "G", "G", "G", "H"),
        reach=0.5,
        signal=1.0,
        supported=True,
        profile=profile,
        context=np.array([0, 1, 2, 3, 0]),
        departure=departure,
        noise=np.full(5, 1e-9),
        scale=single(np.linspace(0.5, 1.0, GENES)),
        compared=np.array([True] * (GENES - 1) + [False]),
    )


def test_weights_sum_to_one_and_a_context_itself_tells_its_own() -> None:
    place = np.array([[0.0], [1.0], [3.0]])
    apart = squared_distances(place, place)
    for own in (apart[0], squared_distances(place, np.array([[2.0]]))[:, 0]):
        assert np.isclose(krige(apart, own, np.full(3, 0.1), 1.0, 1.0).weights.sum(), 1.0)
    weights, variance = krige(apart, apart[0], np.full(3, 1e-12), 1.0, 1.0)
    assert np.allclose(weights, [1.0, 0.0, 0.0], atol=1e-6)
    assert variance == pytest.approx(0.0, abs=1e-6)


def test_far_from_all_contexts_the_mean_tells_and_its_error_comes_on_top() -> None:
    apart = squared_distances(np.array([[0.0], [5.0]]), np.array([[0.0], [5.0]]))
    weights, variance = krige(apart, np.array([400.0, 400.0]), np.full(2, 0.2), 1.0, 1.0)
    assert np.allclose(weights, 0.5)
    assert variance == pytest.approx(1.0 + 1.2 / 2)


def test_a_noisy_context_counts_less() -> None:
    apart = squared_distances(np.array([[0.0], [2.0]]), np.array([[0.0], [2.0]]))
    weights = krige(apart, np.array([1.0, 1.0]), np.array([0.1, 2.0]), 1.0, 1.0).weights
    assert weights[0] > 2 * weights[1] > 0


def test_distances_are_mean_squares_over_genes() -> None:
    one, other = np.array([[1.0, 3.0]]), np.array([[0.0, 0.0], [1.0, 1.0]])
    assert np.allclose(squared_distances(one, other), [[5.0, 2.0]])


def test_a_trained_context_has_its_own_departure_and_no_error() -> None:
    own = contexts()
    departure, variance = own.predict("G", own.profile[2])
    assert np.allclose(departure, own.departure[2], atol=1e-4)
    assert np.all(variance < 1e-5)


def test_genes_that_are_not_compared_do_not_move_a_prediction() -> None:
    own, profile = contexts(), np.linspace(0.0, 1.0, GENES)
    before, variance = own.predict("G", profile)
    profile[-1] = 50.0
    after, _ = own.predict("G", profile)
    assert np.array_equal(before, after)
    assert np.allclose(variance / own.scale, variance[0] / own.scale[0])
    with pytest.raises(KeyError):
        own.predict("X", profile)


def test_contexts_survive_a_directory(tmp_path) -> None:
    own = contexts()
    save_contexts(tmp_path, own)
    back = load_contexts(tmp_path)
    assert (back.levels, back.labels, back.column) == (own.levels, own.labels, own.column)
    assert (back.reach, back.signal, back.supported) == (own.reach, own.signal, True)
    assert np.array_equal(back.compared, own.compared)
    for name in set(ARRAYS) - {"noise"}:
        assert np.array_equal(getattr(back, name), getattr(own, name))
    assert np.array_equal(back.predict("G", own.profile[1])[0], own.predict("G", own.profile[1])[0])


def test_a_run_without_contexts_has_none_and_a_damaged_file_is_refused(tmp_path) -> None:
    assert load_contexts(tmp_path) is None
    (tmp_path / FILE).write_bytes(b"no tensors")
    with pytest.raises(CheckpointError, match="cannot be read as safetensors"):
        load_contexts(tmp_path)
