"""Control cells changed to a predicted mean."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import sparse

from gpjepa.evaluation.pseudobulk import pseudobulk
from gpjepa.evaluation.sampled_cells import ControlCells, change_counts, resample

TARGET = 1000.0


def negative_binomial(rng, mean, size):
    return rng.poisson(mean * rng.gamma(size, size=mean.shape) / size)


def control_cells(rng, cells=4000, genes=6, size=2.0, has_rest=True):
    library = rng.lognormal(np.log(1000), 0.3, cells)
    rate = np.array([0.0, 1e-3, 2e-3, 5e-3, 1e-2, 2e-2])[:genes]
    counts = sparse.csr_matrix(
        negative_binomial(rng, library[:, None] * rate, size).astype(np.float32)
    )
    if not has_rest:
        library = np.asarray(counts.sum(axis=1)).ravel()
    return ControlCells.fit(counts, library, TARGET, has_rest)


def test_sizes_are_recovered_and_equidispersed_genes_are_poisson():
    rng = np.random.default_rng(0)
    control = control_cells(rng, cells=20000)
    np.testing.assert_allclose(control.size[3:], 2.0, rtol=0.15)
    counts = sparse.csr_matrix(np.full((50, 1), 3.0, dtype=np.float32))
    assert ControlCells.fit(counts, np.full(50, 100.0), TARGET, True).size[0] == 1e6


def test_means_become_the_predicted_ones_up_and_down():
    rng = np.random.default_rng(1)
    control = control_cells(rng)
    effect = np.array([0.7, 0.9, -0.6, 0.4, -1.2, 0.0])
    counts, library = change_counts(control, effect, 40000, rng)
    base = pseudobulk(control.counts, control.library, TARGET)
    changed = pseudobulk(counts, library, TARGET)
    np.testing.assert_allclose(changed, base + effect, atol=0.03)


def test_variance_keeps_the_dispersion_of_the_control():
    rng = np.random.default_rng(2)
    library = np.full(30000, 1000.0)
    mean = np.full((30000, 2), 4.0)
    counts = sparse.csr_matrix(negative_binomial(rng, mean, 1.5).astype(np.float32))
    control = ControlCells.fit(counts, library, TARGET, True)
    effect = np.log1p([12.0, 1.0]) - np.log1p(4.0)
    changed = change_counts(control, effect, 30000, rng)[0].toarray()
    for gene, expected in enumerate((12.0, 1.0)):
        assert changed[:, gene].mean() == pytest.approx(expected, rel=0.04)
        variance = expected + expected**2 / 1.5
        assert changed[:, gene].var() == pytest.approx(variance, rel=0.08)


def test_no_effect_returns_the_control_cells_themselves():
    rng = np.random.default_rng(3)
    control = control_cells(rng, cells=300)
    counts, library = change_counts(control, np.zeros(6), 300, rng)
    assert sorted(library) == sorted(control.library)
    np.testing.assert_array_equal(counts.sum(axis=0), control.counts.sum(axis=0))


def test_effects_below_zero_expression_silence_the_gene():
    rng = np.random.default_rng(4)
    control = control_cells(rng, cells=200)
    counts, _ = change_counts(control, np.full(6, -50.0), 100, rng)
    assert counts.sum() == 0


def test_counts_are_integers_and_the_library_covers_them():
    rng = np.random.default_rng(5)
    for has_rest in (True, False):
        control = control_cells(rng, cells=200, has_rest=has_rest)
        counts, library = change_counts(control, np.full(6, 3.0), 150, rng)
        values = counts.toarray()
        assert values.dtype == np.float32
        assert np.all(values == np.round(values))
        assert np.all(values.sum(axis=1) <= library)
        assert np.array_equal(values.sum(axis=1), library) == (not has_rest)


def test_every_control_cell_is_drawn_equally_often_before_one_repeats():
    drawn = resample(25, 10, np.random.default_rng(6))
    assert set(np.bincount(drawn, minlength=10)) == {2, 3}
