"""Spaces that an embedding must beat: principal components, variable genes, a mixture, scVI."""

from __future__ import annotations

import logging
import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec

import numpy as np
from scipy import sparse

from gpjepa.core.random import derive_seed, numpy_stream
from gpjepa.evaluation.embedding_space import COMPONENTS
from gpjepa.evaluation.equalise import log_normalise
from gpjepa.evaluation.multinomial_mixture import fit_mixture

PCA = "PCA"
HVG = "HVG"
MIXTURE = "multinomial mixture"
SCVI = "scVI"
NO_SCVI = "package scvi-tools is not installed"
VARIABLE_GENES = 2000
SIZE = 100.0  # NB size of the null model of Pearson residuals
SCVI_EPOCHS = 100

Embed = Callable[[sparse.csr_matrix, np.ndarray], np.ndarray]


@dataclass(frozen=True)
class Space:
    """A fitted space: `embed` maps counts [B, G] and libraries [B] to coordinates [B, D]."""

    name: str
    embed: Embed


def reference_spaces(
    counts: sparse.csr_matrix, library: np.ndarray, target: float, seed: int
) -> tuple[Space, ...]:
    """Fit every reference to cells; scVI where its package is installed."""
    spaces = [
        principal_space(counts, library, target, seed),
        variable_space(counts, library, target),
        mixture_space(counts, seed),
    ]
    if has_scvi():
        spaces.append(scvi_space(counts, seed))
    return tuple(spaces)


def has_scvi() -> bool:
    """Tell whether scvi-tools can be imported."""
    return find_spec("scvi") is not None


def principal_space(
    counts: sparse.csr_matrix, library: np.ndarray, target: float, seed: int
) -> Space:
    """Return principal components of log1p(target · counts / library), fitted to these cells."""
    from sklearn.utils.extmath import randomized_svd

    values = log_normalise(counts.toarray(), np.asarray(library, dtype=np.float64), target)
    mean = values.mean(axis=0)
    rank = max(1, min(COMPONENTS, len(values) - 1, values.shape[1]))
    _, _, axes = randomized_svd(values - mean, rank, random_state=seed % 2**32)

    def embed(cells: sparse.csr_matrix, sizes: np.ndarray) -> np.ndarray:
        own = log_normalise(cells.toarray(), np.asarray(sizes, dtype=np.float64), target)
        return np.asarray((own - mean) @ axes.T, dtype=np.float64)

    return Space(PCA, embed)


def variable_space(counts: sparse.csr_matrix, library: np.ndarray, target: float) -> Space:
    """Return the log-normalised genes that vary most, half of the genes at most."""
    most = min(VARIABLE_GENES, max(counts.shape[1] // 2, 1))
    genes = np.sort(np.argsort(-residual_variance(counts, library), kind="stable")[:most])

    def embed(cells: sparse.csr_matrix, sizes: np.ndarray) -> np.ndarray:
        own = cells[:, genes].toarray()
        return log_normalise(own, np.asarray(sizes, np.float64), target).astype(np.float64)

    return Space(HVG, embed)


def residual_variance(counts: sparse.csr_matrix, library: np.ndarray) -> np.ndarray:
    """Return the variance of each gene's Pearson residuals, clipped at √B, [G].

    Source: Lause, Berens and Kobak 2021, with NB size 100.
    """
    library = np.asarray(library, dtype=np.float64)
    rate = np.asarray(counts.sum(axis=0), dtype=np.float64).ravel() / max(library.sum(), 1.0)
    limit = np.sqrt(counts.shape[0])
    result = np.zeros(counts.shape[1])
    columns = counts.tocsc()
    for start in range(0, counts.shape[1], 500):
        block = slice(start, start + 500)
        mean = np.maximum(library[:, None] * rate[None, block], 1e-12)
        residual = (columns[:, block].toarray() - mean) / np.sqrt(mean + mean**2 / SIZE)
        result[block] = np.clip(residual, -limit, limit).var(axis=0)
    return result


def mixture_space(counts: sparse.csr_matrix, seed: int) -> Space:
    """Return coordinates among the components of a mixture of 40 multinomials."""
    mixture = fit_mixture(counts, numpy_stream(seed, "multinomial mixture"))
    return Space(MIXTURE, lambda cells, sizes: mixture.coordinates(cells))


def scvi_space(counts: sparse.csr_matrix, seed: int) -> Space:
    """Return the latent means of an scVI model trained on these cells with its own defaults."""
    import scvi
    from anndata import AnnData

    def table(cells: sparse.csr_matrix) -> AnnData:
        return AnnData(sparse.csr_matrix(cells, dtype=np.float32))

    with _set_aside(derive_seed(seed, SCVI)):
        trained = table(counts)
        scvi.model.SCVI.setup_anndata(trained)
        model = scvi.model.SCVI(trained)
        model.train(max_epochs=SCVI_EPOCHS, accelerator="cpu", enable_progress_bar=False)

    def embed(cells: sparse.csr_matrix, sizes: np.ndarray) -> np.ndarray:
        with _set_aside(derive_seed(seed, SCVI, "embed")):
            latent = model.get_latent_representation(table(cells))
        return np.asarray(latent, dtype=np.float64)

    return Space(SCVI, embed)


@contextmanager
def _set_aside(seed: int) -> Iterator[None]:
    """Seed what scVI draws from and keep it quiet; put everything back afterwards.

    It draws from the global streams of torch, numpy and Python, and logs to stdout.
    """
    import scvi
    import torch

    loggers = [logging.getLogger(name) for name in ("scvi", "lightning.pytorch")]
    levels = [logger.level for logger in loggers]
    old, others = scvi.settings.seed, (random.getstate(), np.random.get_state())
    try:
        with torch.random.fork_rng(devices=[]):
            for logger in loggers:
                logger.setLevel(logging.ERROR)
            scvi.settings.seed = seed % 2**32
            yield
    finally:
        scvi.settings.seed = old
        random.setstate(others[0])
        np.random.set_state(others[1])
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
