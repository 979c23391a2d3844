import numpy as np
import pytest

from gpjepa.compose.conformal import FEWEST, Conformal


def covered(count, level, seed, genes=20, spread=0.0):
    """Return the mean coverage of new perturbations, whose errors all have a common factor."""
    rng = np.random.default_rng(seed)

    def drawn(rows):
        factor = np.exp(spread * rng.normal(size=(rows, 1)))
        return np.abs(rng.normal(size=(rows, genes))) * factor

    known = Conformal(drawn(count), np.zeros(count))
    return (drawn(200) <= known.multiples(level, np.zeros(200))[:, None]).mean()


@pytest.mark.parametrize("level", [0.5, 0.8, 0.9])
def test_new_perturbations_are_covered_on_average_even_by_few(level):
    found = np.mean([covered(12, level, seed, spread=0.7) for seed in range(60)])
    assert found == pytest.approx(level, abs=0.02)


def test_levels_beyond_what_so_few_support_have_no_multiple():
    known = Conformal(np.ones((9, 3)), np.zeros(9))
    assert known.highest == 0.9
    assert np.isfinite(known.multiples(0.9, np.zeros(2))).all()
    assert np.isnan(known.multiples(0.91, np.zeros(2))).all()


def test_without_any_nothing_is_known():
    none = Conformal(np.zeros((0, 3)), np.zeros(0))
    assert np.isnan(none.multiples(0.5, np.zeros(1))).all()


def test_half_of_the_scores_lie_below_the_multiple_of_half_the_share():
    scores = np.arange(1.0, 100.0).reshape(99, 1)
    known = Conformal(scores, np.zeros(99))
    np.testing.assert_allclose(known.multiples(0.5, np.zeros(1)), [50.0], atol=1.0)


def test_a_stratum_with_larger_scores_gets_wider_but_is_drawn_to_the_pooled_one():
    rng = np.random.default_rng(0)
    sizes = np.repeat([0.0, 1.0, 2.0], 20) + 1e-3 * np.arange(60)
    scores = np.abs(rng.normal(size=(60, 50))) * np.repeat([1.0, 1.0, 3.0], 20)[:, None]
    low, _, high = Conformal(scores, sizes).multiples(0.9, np.array([-9.0, 1.0, 9.0]))
    own, pooled = np.quantile(scores[40:], 0.9), np.quantile(scores, 0.9)
    assert low < pooled < high < own
    assert low < high / 1.3
    few = Conformal(scores[: FEWEST - 1], sizes[: FEWEST - 1])
    assert np.ptp(few.multiples(0.9, np.array([-9.0, 9.0]))) == 0


def test_one_perturbation_alone_is_its_own_quantile():
    known = Conformal(np.arange(1.0, 101.0)[None], np.zeros(1))
    np.testing.assert_allclose(known.multiples(0.5, np.zeros(1)), [50.0])


@pytest.mark.parametrize("level", [0.5, 0.8, 0.9])
def test_each_perturbation_is_covered_to_the_level_by_the_others_on_average(level):
    rng = np.random.default_rng(0)
    scores = np.abs(rng.normal(size=(20, 30))) * np.exp(rng.normal(size=(20, 1)))
    share = (scores <= Conformal(scores, np.zeros(20)).multiples(level, np.zeros(1))).mean()
    others = [np.delete(scores, row, axis=0) for row in range(20)]
    held = [
        (own <= np.quantile(rest, share)).mean() for own, rest in zip(scores, others, strict=True)
    ]
    assert np.mean(held) == pytest.approx(level, abs=0.005)
