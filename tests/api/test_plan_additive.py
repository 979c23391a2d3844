from __future__ import annotations

import numpy as np

from gpjepa.api.plan_additive import AdditiveObjective
from gpjepa.planning.scoring import Terms


def test_a_sum_is_the_start_and_each_members_own_shift(setup) -> None:
    sums = AdditiveObjective(setup.mean)
    start = setup.mean.shifts.start
    alone = setup.mean.latents(np.array([[1], [4]])) - start
    found = sums.latents(np.array([[1, 4], [4, -1]]))
    np.testing.assert_allclose(found[0], start + alone[0] + alone[1], atol=1e-5)
    np.testing.assert_allclose(found[1], start + alone[1], atol=1e-5)


def test_single_members_have_the_energy_that_the_model_gives_them(setup) -> None:
    singles = np.arange(6)[:, None]
    np.testing.assert_allclose(
        AdditiveObjective(setup.mean)(singles).energy, setup.mean(singles).energy, rtol=1e-5
    )


def test_guesses_are_the_energies_and_terms_are_added(setup) -> None:
    sets = np.array([[0, 3], [2, -1]])
    plain = AdditiveObjective(setup.mean)
    with_size = AdditiveObjective(setup.mean, Terms(size=0.25))
    np.testing.assert_array_equal(plain.guess(sets), plain(sets).energy)
    np.testing.assert_allclose(with_size(sets).energy - plain(sets).energy, [0.5, 0.25])
