import numpy as np
import pytest

from gpjepa.compose.candidates import FEWEST_DOUBLES, Recipe, fit_candidate
from gpjepa.evaluation.effect_table import EffectTable


def relative_error(candidate, alone, table, rows):
    labels = [table.labels[row] for row in rows]
    error = np.linalg.norm(candidate.predict(alone, labels) - table.effects[rows], axis=1)
    return (error / np.linalg.norm(alone.sums(labels) - table.effects[rows], axis=1)).mean()


@pytest.mark.parametrize("objective", ["loo", "evidence"])
def test_a_kernel_learns_interactions_that_factors_cannot(screen, alone, objective):
    left_out = screen.pairs.rows[::4]
    rest = screen.without(left_out)
    plain = fit_candidate(rest, alone, Recipe(1.0, None))
    kernel = fit_candidate(rest, alone, Recipe(1.0, objective))
    before = relative_error(plain, alone, screen, left_out)
    after = relative_error(kernel, alone, screen, left_out)
    assert after < 0.5 * before < 0.5


def test_few_doubles_teach_no_kernel(screen, alone):
    few = screen.without(screen.pairs.rows[FEWEST_DOUBLES - 1 :])
    candidate = fit_candidate(few, alone, Recipe(1.0, "loo"))
    assert candidate.noise_only
    np.testing.assert_array_equal(candidate.doubt(alone, ["G00"]) > 0, [True])


def test_directions_are_orthonormal_and_as_many_as_asked(screen, alone):
    candidate = fit_candidate(screen, alone, Recipe(0.5, None))
    assert candidate.basis.shape == (6, 12)
    np.testing.assert_allclose(candidate.basis @ candidate.basis.T, np.eye(6), atol=1e-12)
    seen = candidate.alone(alone, ["G03"])
    np.testing.assert_allclose(candidate.predict(alone, ["G03"]), seen)


def test_doubt_grows_with_the_size_and_the_strangeness_of_a_pair(screen, alone):
    candidate = fit_candidate(screen, alone, Recipe(1.0, "loo"))
    strange = np.concatenate(
        (alone.effects[:1] * 0.1, np.random.default_rng(0).normal(size=(2, 12)) * 9)
    )
    more = alone.with_genes(["WEAK", "ODD", "ODDER"], strange, np.zeros((3, 1)))
    doubt = candidate.doubt(more, ["G00+WEAK", "G00+G03", "ODD+ODDER"])
    assert doubt[0] < doubt[2]
    assert doubt[1] < doubt[2]


def test_a_table_of_zero_effects_is_no_trouble(alone):
    table = EffectTable(alone.names, np.zeros((len(alone.names), 12)))
    candidate = fit_candidate(table, alone, Recipe(1.0, None))
    assert np.isfinite(candidate.predict(alone, ["G00+G01"])).all()
