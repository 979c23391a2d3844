import numpy as np
import pytest

from gpjepa.compose import fit
from gpjepa.data.feature_table import GeneFeatures

NOTHING = GeneFeatures((), np.zeros((0, 1)))


def composed(screen, alone, doubles, features=NOTHING):
    rows = screen.pairs.rows[:doubles]
    labels = [screen.labels[row] for row in rows]
    return fit(alone.effects, screen.effects[rows], alone.names, labels, features=features)


@pytest.fixture(scope="module")
def composer(screen, alone):
    return composed(screen, alone, 45)


def test_half_widths_are_multiples_of_deviations(composer):
    found = composer.predict(["G00+G01", "G02+G05+G07"])
    factor = (found.high - found.low) / found.deviation
    np.testing.assert_allclose(factor, np.broadcast_to(factor[:, :1], factor.shape))
    assert (factor > 2).all()
    wide = composer.predict(["G00+G01"], level=0.97)
    assert (wide.high > found.high[0]).all()


def test_what_the_cell_model_runs_says_the_same(composer):
    import torch

    bars = composer.error_bars([])
    members = composer.alone.members(["G00+G01"], composer.stack.basis)
    basis = torch.from_numpy(composer.stack.basis)
    found = bars(members, composer.stack.module(), basis).numpy()
    np.testing.assert_allclose(found, composer.predict(["G00+G01"]).deviation)


@pytest.mark.parametrize("doubles", [0, 1, 3, 5])
def test_too_few_doubles_leave_combinations_without_intervals(screen, alone, doubles):
    found = composed(screen, alone, doubles).predict(["G00+G01"], level=0.5)
    assert np.isfinite(found.effects).all()
    for unknown in (found.low, found.interaction_high, found.deviation):
        assert np.isnan(unknown).all()
    assert found.verdict == ("use the sum",)


def test_eight_doubles_support_a_level_of_eight_ninths_and_none_above(screen, alone):
    few = composed(screen, alone, 8)
    assert np.isfinite(few.predict(["G00+G01"], level=0.88).low).all()
    assert np.isnan(few.predict(["G00+G01"], level=0.9).low).all()
    assert np.isfinite(few.predict(["G00+G01"], level=0.9).deviation).all()


def test_genes_left_out_are_covered_at_their_level(screen, alone):
    kinds = np.eye(3)[np.arange(14) % 3] + 0.05 * np.random.default_rng(1).normal(size=(14, 3))
    features, inside, below = GeneFeatures(alone.names, kinds), [], []
    for out in range(14):
        rest = [row for row in range(14) if row != out]
        names = [alone.names[row] for row in rest]
        empty = alone.effects[:0]
        made = fit(alone.effects[rest], empty, names, [], features=features)
        for level, kept in ((0.5, below), (0.9, inside)):
            found = made.predict([alone.names[out]], level=level)
            truth = alone.effects[out]
            kept.append(((found.low[0] <= truth) & (truth <= found.high[0])).mean())
    assert 0.8 < np.mean(inside) <= 1.0
    assert 0.35 < np.mean(below) < 0.7
