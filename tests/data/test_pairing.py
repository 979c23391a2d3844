import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gpjepa.core.errors import ConfigError, DataError, NumericError
from gpjepa.data.pairing import OptimalTransportPairing, RandomPairing, from_description

PAIRINGS = (RandomPairing(), OptimalTransportPairing(), OptimalTransportPairing(batch=5))


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def features(n: int, seed: int = 0) -> np.ndarray:
    return rng(seed).normal(size=(n, 3))


@pytest.mark.parametrize("pairing", PAIRINGS)
@given(st.lists(st.sampled_from("xyz"), min_size=3, max_size=30), st.integers(0, 3))
def test_no_pair_crosses_a_stratum_that_has_controls(pairing, levels, seed) -> None:
    controls = np.array(["x", "y"] * 6)
    perturbed = np.array(levels)
    chosen = pairing.pair(features(12), features(len(levels), 1), controls, perturbed, rng(seed))
    assert chosen.dtype == np.int64
    for own, other in zip(perturbed, controls[chosen], strict=True):
        assert own == other or own == "z"


@pytest.mark.parametrize("pairing", PAIRINGS)
def test_the_same_stream_gives_the_same_pairs(pairing) -> None:
    one, again, other = (
        pairing.pair(features(20), features(30, 1), None, None, rng(seed)) for seed in (0, 0, 1)
    )
    assert list(one) == list(again)
    assert list(one) != list(other)


@pytest.mark.parametrize("pairing", PAIRINGS)
def test_a_description_makes_the_same_pairing(pairing) -> None:
    assert from_description(pairing.describe()) == pairing


def test_an_unknown_pairing_is_refused() -> None:
    with pytest.raises(
        ConfigError, match="pairing 'optimal' is not known .*expected one of random"
    ):
        from_description({"name": "optimal"})


@pytest.mark.parametrize("pairing", PAIRINGS)
def test_no_control_cells_are_refused(pairing) -> None:
    with pytest.raises(DataError, match="0 control cells to pair with; expected at least one"):
        pairing.pair(features(0), features(3), None, None, rng())


@pytest.mark.parametrize("pairing", PAIRINGS)
def test_no_perturbed_cells_give_no_pairs(pairing) -> None:
    assert len(pairing.pair(features(3), features(0), None, None, rng())) == 0


def test_random_pairs_draw_every_control_about_equally() -> None:
    chosen = RandomPairing().pair(features(10), features(5000), None, None, rng())
    counts = np.bincount(chosen, minlength=10)
    assert counts.min() > 400
    assert counts.max() < 600


def test_transport_finds_the_pairs_of_a_shifted_population() -> None:
    controls = features(60)
    order = rng(2).permutation(60)
    perturbed = controls[order] + np.array([0.7, -0.2, 0.1])
    chosen = OptimalTransportPairing().pair(controls, perturbed, None, None, rng())
    assert list(chosen) == list(order)  # a translation is the optimal map of its own image


def test_transport_uses_each_control_once_when_numbers_are_equal() -> None:
    chosen = OptimalTransportPairing().pair(features(40), features(40, 1), None, None, rng())
    assert sorted(chosen) == list(range(40))


def test_transport_between_minibatches_is_nearer_than_random_pairs() -> None:
    controls, perturbed = features(300), features(200, 1) + 1.0
    cost = {}
    for pairing in (RandomPairing(), OptimalTransportPairing(batch=64)):
        chosen = pairing.pair(controls, perturbed, None, None, rng())
        cost[pairing.name] = ((controls[chosen] - perturbed) ** 2).sum(axis=1).mean()
    assert cost["optimal-transport"] < 0.7 * cost["random"]


def test_fewer_controls_than_perturbed_cells_are_shared_evenly() -> None:
    chosen = OptimalTransportPairing().pair(features(10), features(40, 1), None, None, rng())
    assert list(np.bincount(chosen, minlength=10)) == [4] * 10


def test_features_that_are_not_finite_are_refused() -> None:
    broken = features(5)
    broken[2, 1] = np.nan
    with pytest.raises(NumericError, match="features to pair by are not finite"):
        OptimalTransportPairing().pair(features(5), broken, None, None, rng())


def test_a_batch_of_no_cells_is_refused() -> None:
    with pytest.raises(ConfigError, match="pairing batch is 0; expected at least 1 cell"):
        OptimalTransportPairing(batch=0)
