import numpy as np
from scipy import stats

from gpjepa.data.simulator_counts import CHUNK, sample_counts

RATES = np.array([0.0, 1e-4, 1e-3, 1e-2, 0.2])
SIZE = np.array([1.0, 0.2, 0.5, 2.0, 50.0])
CELLS, LIBRARY = 40_000, 2000.0


def draw(seed: int, rates: np.ndarray = RATES) -> tuple[np.ndarray, np.ndarray]:
    counts, rest = sample_counts(
        lambda cells: np.tile(rates, (cells.stop - cells.start, 1)),
        np.full(CELLS, LIBRARY),
        SIZE,
        np.random.default_rng(seed),
    )
    assert counts.dtype == np.int32
    return counts.toarray().astype(np.float64), rest


def test_mean_variance_and_zeros_are_those_of_the_negative_binomial() -> None:
    counts, _ = draw(0)
    mu = LIBRARY * RATES
    variance = mu + mu**2 / SIZE
    error = np.sqrt(np.maximum(variance, 1e-12) / CELLS)
    assert (np.abs(counts.mean(axis=0) - mu) <= 4 * error).all()
    np.testing.assert_allclose(counts.var(axis=0)[1:], variance[1:], rtol=0.1)
    zero = (SIZE / (SIZE + mu)) ** SIZE
    np.testing.assert_allclose((counts == 0).mean(axis=0), zero, atol=4 * 0.5 / np.sqrt(CELLS))


def test_the_whole_distribution_is_the_negative_binomial() -> None:
    counts, _ = draw(1)
    mu, theta = LIBRARY * RATES[2], SIZE[2]
    observed = np.bincount(counts[:, 2].astype(int), minlength=12)[:12]
    expected = CELLS * stats.nbinom.pmf(np.arange(12), theta, theta / (theta + mu))
    statistic = ((observed - expected) ** 2 / expected).sum()
    assert statistic < stats.chi2.ppf(1 - 1e-4, 12)


def test_a_gene_without_rate_is_never_counted() -> None:
    counts, _ = draw(2)
    assert counts[:, 0].sum() == 0


def test_the_rest_completes_the_library() -> None:
    counts, rest = draw(3)
    total = counts.sum(axis=1) + rest
    assert abs(total.mean() - LIBRARY) < 4 * total.std() / np.sqrt(CELLS)


def test_chunks_cover_every_cell_once() -> None:
    genes, cells = 5000, 2 * (CHUNK // 5000) + 7
    seen: list[int] = []

    def rates(chunk: slice) -> np.ndarray:
        seen.extend(range(chunk.start, chunk.stop))
        return np.full((chunk.stop - chunk.start, genes), 1e-5)

    counts, rest = sample_counts(
        rates, np.full(cells, 100.0), np.ones(genes), np.random.default_rng(0)
    )
    assert seen == list(range(cells))
    assert counts.shape == (cells, genes)
    assert len(rest) == cells
    assert counts.has_sorted_indices
