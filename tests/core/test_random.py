from __future__ import annotations

import numpy as np
import torch

from gpjepa.core.random import derive_seed, numpy_stream, torch_stream


def test_a_stream_is_a_function_of_seed_and_name() -> None:
    assert np.array_equal(numpy_stream(3, "split").random(5), numpy_stream(3, "split").random(5))
    first = torch.rand(5, generator=torch_stream(3, "mask"))
    assert torch.equal(first, torch.rand(5, generator=torch_stream(3, "mask")))


def test_streams_of_other_names_or_seeds_differ() -> None:
    seeds = {
        derive_seed(0, "a"),
        derive_seed(1, "a"),
        derive_seed(0, "b"),
        derive_seed(0, "a", 0),
        derive_seed(0, "a", "0"),
    }
    assert len(seeds) == 5


def test_drawing_from_one_stream_does_not_shift_another() -> None:
    expected = numpy_stream(0, "b").random(3)
    numpy_stream(0, "a").random(100)
    assert np.array_equal(numpy_stream(0, "b").random(3), expected)


def test_seeds_fit_a_signed_64_bit_number() -> None:
    assert all(0 <= derive_seed(seed, "x") < 2**63 for seed in range(200))


def test_streams_leave_the_global_generators_alone() -> None:
    before = torch.random.get_rng_state()
    kept = np.random.get_state()[1].copy()
    torch.rand(4, generator=torch_stream(0, "x"))
    numpy_stream(0, "x").random(4)
    assert torch.equal(torch.random.get_rng_state(), before)
    assert np.array_equal(np.random.get_state()[1], kept)


def test_derived_seeds_stay_the_same_between_versions() -> None:
    assert derive_seed(0, "split") == derive_seed(np.int64(0), "split")
    assert numpy_stream(7, "golden").integers(0, 1000, 3).tolist() == [891, 533, 226]
