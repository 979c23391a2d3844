from __future__ import annotations

import numpy as np
import pytest
from scipy.sparse import csr_matrix

from gpjepa.core.config import PerturbationConfig
from gpjepa.core.errors import DataError
from gpjepa.data.feature_table import GeneFeatures
from gpjepa.inference.cells import CellTable
from gpjepa.training.feature_blocks import (
    control_loadings,
    feature_blocks,
    placed_by_features,
    refuse_useless,
    stacked,
    table_axes,
)

NAMES = ("A", "B", "C", "D", "NEW")
MEASURED = 4
TABLE = GeneFeatures(
    ("A", "B", "C", "NEW"), np.random.default_rng(0).normal(5.0, 1.0, (4, 6)).astype(np.float32)
)


def _lengths(values: np.ndarray) -> np.ndarray:
    return np.linalg.norm(values, axis=1)


def test_no_block_rules_by_its_unit_or_its_width() -> None:
    rng = np.random.default_rng(1)
    narrow = GeneFeatures(NAMES, rng.normal(size=(5, 2)).astype(np.float32))
    wide = GeneFeatures(NAMES, (1000.0 * rng.normal(size=(5, 30))).astype(np.float32))
    both = stacked([narrow, wide], NAMES, MEASURED)
    assert both.shape == (5, 32)
    for part in (both[:MEASURED, :2], both[:MEASURED, 2:]):
        assert np.mean(_lengths(part) ** 2) == pytest.approx(0.5, rel=1e-5)
    assert np.mean(_lengths(both[:MEASURED]) ** 2) == pytest.approx(1.0, rel=1e-5)


def test_names_that_a_block_does_not_cover_have_zeros_and_do_not_scale_the_others() -> None:
    values = stacked([TABLE], NAMES, MEASURED)
    assert not values[3].any()
    assert np.mean(_lengths(values[:3]) ** 2) == pytest.approx(1.0, rel=1e-5)


def test_rows_are_seen_from_the_middle_of_the_measured_ones() -> None:
    block = table_axes(TABLE, NAMES, MEASURED, 6)
    assert block.names == ("A", "B", "C", "NEW")
    np.testing.assert_allclose(block.values[:3].mean(axis=0), 0.0, atol=1e-6)
    np.testing.assert_allclose(
        block.values[3], TABLE.values[3] - TABLE.values[:3].mean(axis=0), atol=1e-5
    )


def test_a_wide_table_keeps_the_distances_of_measured_names_and_never_adds_length() -> None:
    block = table_axes(TABLE, NAMES, MEASURED, 2)  # three rows span two axes
    assert block.values.shape == (4, 2)
    whole = table_axes(TABLE, NAMES, MEASURED, 6)
    near = block.values[:3] @ block.values[:3].T
    np.testing.assert_allclose(near, whole.values[:3] @ whole.values[:3].T, atol=1e-4)
    assert _lengths(block.values)[3] <= _lengths(whole.values)[3] + 1e-6


def test_a_table_with_one_measured_row_tells_what_is_like_it_and_what_is_not() -> None:
    names = ("known", "like", "unlike")
    rows = np.array([[1.0, 0.0], [0.8, 0.1], [0.0, 1.0]], dtype=np.float32)
    for components in (1, 32):
        block = table_axes(GeneFeatures(names, rows), names, 1, components)
        values = stacked([block], names, 1)
        assert np.linalg.norm(values[0]) == pytest.approx(1.0, rel=1e-5)
        alike = values @ values[0]
        assert alike[1] > 0 > alike[2]


def test_a_table_that_covers_no_perturbation_is_refused() -> None:
    refuse_useless([TABLE], ["B", "X"])
    with pytest.raises(DataError, match="4 names .A, B, C, NEW. covers none of the 2"):
        refuse_useless([TABLE], ["X", "Y"])


def test_gene_sets_place_no_gene_among_drugs_but_tables_place_their_names() -> None:
    config = PerturbationConfig(features=("hallmark",))
    assert placed_by_features(config, ["IFNB"], [TABLE], None) == set(TABLE.names)
    assert "TAL1" in placed_by_features(config, ["KLF1"], [], None)
    loadings = GeneFeatures(("G1", "G2"), np.eye(2, dtype=np.float32))
    assert placed_by_features(PerturbationConfig(features=()), ["X"], [], loadings) == set()
    assert placed_by_features(PerturbationConfig(features=()), ["G1"], [], loadings) == {"G1", "G2"}


def test_a_table_stands_beside_the_gene_sets() -> None:
    names = ("GATA1", "KLF1", "MYC")
    table = GeneFeatures(names, np.random.default_rng(2).normal(size=(3, 4)).astype(np.float32))
    blocks = feature_blocks(PerturbationConfig(features=("hallmark",)), names, 2, [table], None)
    assert [block.names for block in blocks] == [names, names]
    alone = feature_blocks(PerturbationConfig(features=()), names, 2, [table], None)
    assert len(alone) == 1


def _correlated_controls() -> CellTable:
    rng = np.random.default_rng(3)
    shared = rng.normal(size=(400, 2))
    weights = np.repeat([[1.0, 0.0], [0.0, 1.0]], 5, axis=0)
    counts = rng.poisson(np.exp(2.0 + shared @ weights.T)).astype(np.float32)
    counts = np.concatenate([counts, np.zeros((400, 1), np.float32)], axis=1)
    return CellTable(csr_matrix(counts), np.full(400, 5000.0))


def test_genes_that_vary_together_in_controls_have_like_loadings() -> None:
    genes = [f"g{i}" for i in range(11)]
    found = control_loadings(_correlated_controls(), genes, 5000.0, 2)
    assert found is not None
    assert found.names == tuple(genes[:10])  # the last one does not vary
    unit = found.values / _lengths(found.values)[:, None]
    alike = unit @ unit.T
    assert alike[:5, :5].min() > 0.9
    assert np.abs(alike[:5, 5:]).max() < 0.5
    assert _lengths(found.values).max() <= 1.0 + 1e-6


def test_too_few_controls_have_no_loadings() -> None:
    table = _correlated_controls().take(np.arange(2))
    assert control_loadings(table, [f"g{i}" for i in range(11)], 5000.0, 4) is None
