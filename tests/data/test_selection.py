from dataclasses import replace

import numpy as np
import pytest
from scipy import sparse

from gpjepa.core.errors import DataError
from gpjepa.data.perturbseq import PerturbSeq
from gpjepa.data.roles import Roles
from gpjepa.data.selection import cells_with_counts, select_genes, standardised_variance


def made(counts: np.ndarray, labels: list[str] | None = None) -> PerturbSeq:
    n, g = counts.shape
    matrix = sparse.csr_matrix(counts.astype(np.float32))
    return PerturbSeq(
        counts=matrix,
        genes=np.array([f"g{i}" for i in range(g)], dtype=object),
        cells=np.array([f"c{i}" for i in range(n)], dtype=object),
        labels=np.array(labels or ["control"] * n, dtype=object),
        library=counts.sum(axis=1).astype(float),
        has_rest=False,
        batch=None,
        cell_type=None,
        dose=None,
        roles=Roles("perturbation", "control", "X"),
    )


def overdispersed(n: int = 400, g: int = 60, seed: int = 0) -> np.ndarray:
    """Poisson counts over a range of means; genes 5, 15, ... vary beyond that."""
    rng = np.random.default_rng(seed)
    mean = np.tile(np.geomspace(0.2, 20, g), (n, 1))
    mean[:, 5::10] *= rng.gamma(0.5, 2.0, size=(n, g // 10))
    return rng.poisson(mean)


def test_the_genes_that_vary_beyond_their_mean_are_chosen() -> None:
    chosen = select_genes(made(overdispersed()), np.arange(400), 6)
    assert chosen == [f"g{i}" for i in range(5, 60, 10)]


def test_changing_test_cells_does_not_change_the_genes() -> None:
    counts = overdispersed()
    train = np.arange(250)
    before = select_genes(made(counts), train, 20)
    counts[250:] = np.random.default_rng(9).poisson(50, size=(150, 60))
    assert select_genes(made(counts), train, 20) == before
    assert select_genes(made(counts[:250]), train, 20) == before


def test_a_mask_and_its_indices_choose_the_same_genes() -> None:
    data = made(overdispersed())
    mask = np.arange(400) % 2 == 0
    assert select_genes(data, mask, 20) == select_genes(data, np.flatnonzero(mask), 20)


def test_the_order_of_cells_is_irrelevant() -> None:
    data = made(overdispersed())
    order = np.random.default_rng(1).permutation(400)
    assert select_genes(data, order, 20) == select_genes(data, np.arange(400), 20)


def test_genes_seen_in_fewer_than_three_training_cells_are_dropped() -> None:
    counts = np.ones((10, 4), dtype=int)
    counts[2:, 1] = 0
    counts[3:, 2] = 0
    for n_genes in (None, 4):
        assert select_genes(made(counts), np.arange(10), n_genes) == ["g0", "g2", "g3"]
    assert select_genes(made(counts), np.arange(1, 10), None) == ["g0", "g3"]


def test_perturbed_genes_are_kept_always() -> None:
    counts = overdispersed()
    counts[:, 3] = 0
    data = made(counts, ["control"] * 200 + ["g0+g3"] * 200)
    chosen = select_genes(data, np.arange(400), 4)
    assert {"g0", "g3"} <= set(chosen)
    assert len(chosen) == 4
    assert set(select_genes(data, np.arange(400), 1)) == {"g0", "g3"}
    assert "g3" in select_genes(data, np.arange(400), None)


def test_the_order_of_the_data_is_kept() -> None:
    chosen = select_genes(made(overdispersed()), np.arange(400), 30)
    assert chosen == sorted(chosen, key=lambda gene: int(gene[1:]))


def test_training_cells_without_genes_are_refused() -> None:
    with pytest.raises(DataError, match="none of 4 genes is seen in 3 of 10 training cells"):
        select_genes(made(np.zeros((10, 4))), np.arange(10))


def test_cells_below_the_minimum_are_dropped() -> None:
    counts = np.array([[0, 0], [1, 0], [2, 3], [9, 9]])
    data = made(counts)
    assert list(cells_with_counts(data, np.arange(4))) == [1, 2, 3]
    assert list(cells_with_counts(data, np.array([3, 0, 2]), 5)) == [3, 2]
    with pytest.raises(DataError, match="none of 4 training cells has 99 counts"):
        cells_with_counts(data, np.arange(4), 99)


def test_the_panel_is_counted_and_not_the_library() -> None:
    data = replace(made(np.array([[0, 0], [1, 1]])), library=np.array([500.0, 500.0]))
    assert list(cells_with_counts(data, np.arange(2))) == [1]


def test_constant_genes_score_nothing_and_the_score_matches_its_definition() -> None:
    counts = overdispersed(g=30)
    counts[:, 7] = 2
    score = standardised_variance(sparse.csr_matrix(counts))
    assert score[7] == 0
    mean, variance = counts.mean(axis=0), counts.var(axis=0, ddof=1)
    varies = variance > 0
    fit = np.polyfit(np.log10(mean[varies]), np.log10(variance[varies]), 2)
    spread = 10 ** (np.polyval(fit, np.log10(mean)) / 2)
    scaled = np.minimum((counts - mean) / spread, np.sqrt(400))
    expected = (scaled**2).sum(axis=0) / 399
    assert np.allclose(score[varies], expected[varies], rtol=1e-6)


def test_one_cell_and_one_gene_do_not_fail() -> None:
    assert list(standardised_variance(sparse.csr_matrix(np.ones((1, 3))))) == [0, 0, 0]
    assert np.isfinite(standardised_variance(sparse.csr_matrix(np.array([[1], [2], [3]])))).all()


def test_a_gene_perturbed_in_several_ways_is_kept() -> None:
    counts = overdispersed(40, 30)
    labels = ["control"] * 20 + ["g3@CRISPRa"] * 10 + ["g7@CRISPRi"] * 10
    assert {"g3", "g7"} <= set(select_genes(made(counts, labels), np.arange(40), 5))
