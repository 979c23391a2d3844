"""Small made data sets for the tests of `gpjepa.data`."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pytest
from anndata import AnnData
from hypothesis import settings
from pandas import DataFrame
from scipy import sparse

from gpjepa.data.perturbseq import PerturbSeq, read

# Shared cores make timings vary; the same examples every run keep failures repeatable.
settings.register_profile("data", deadline=None, derandomize=True)
settings.load_profile("data")

LABELS = ("control", "A", "B", "C", "D", "A+B", "A+C", "C+D", "B+E")


def make_adata(
    labels: Sequence[str] = LABELS,
    per_label: int = 6,
    n_genes: int = 7,
    seed: int = 0,
    column: str = "perturbation",
) -> AnnData:
    """Return `per_label` cells of each label with Poisson counts, every cell and gene seen."""
    rng = np.random.default_rng(seed)
    n = len(labels) * per_label
    counts = rng.poisson(2.0, size=(n, n_genes)).astype(np.float32)
    counts[:, 0] += 1
    counts[0, :] += 1
    obs = DataFrame(
        {column: np.repeat(np.asarray(labels, dtype=object), per_label)},
        index=[f"cell{i}" for i in range(n)],
    )
    genes = ["A", "B", "C", *(f"gene{i}" for i in range(n_genes - 3))]
    return AnnData(X=sparse.csr_matrix(counts), obs=obs, var=DataFrame(index=genes))


@pytest.fixture
def adata() -> AnnData:
    return make_adata()


@pytest.fixture
def make() -> Callable[..., AnnData]:
    return make_adata


@pytest.fixture
def data() -> PerturbSeq:
    return read(make_adata(), announce=False)
