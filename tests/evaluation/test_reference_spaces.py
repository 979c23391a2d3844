"""The spaces that an embedding is compared with are what their names say."""

from __future__ import annotations

import sys
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest
from scipy import sparse

from gpjepa.evaluation import reference_spaces as spaces
from gpjepa.evaluation.embedding_space import principal_components


@pytest.fixture(scope="module")
def cells() -> tuple[sparse.csr_matrix, np.ndarray]:
    rng = np.random.default_rng(0)
    rate = rng.uniform(0.5, 3, 40)
    loud = np.where(np.arange(40) < 5, rng.gamma(0.5, 2.0, size=(120, 1)), 1.0)
    counts = rng.poisson(rate * loud)
    return sparse.csr_matrix(counts.astype(np.float32)), counts.sum(1).astype(float)


def test_principal_components_are_those_of_the_cells_and_map_others(cells: Any) -> None:
    counts, library = cells
    space = spaces.principal_space(counts, library, 80.0, seed=0)
    own = space.embed(counts, library)
    expected = principal_components(counts, library, 80.0, 50, 0)
    np.testing.assert_allclose(np.abs(own[:, :5]), np.abs(expected[:, :5]), rtol=1e-3, atol=1e-4)
    np.testing.assert_allclose(space.embed(counts[7:9], library[7:9]), own[7:9], atol=1e-5)


def test_variable_genes_are_those_that_vary_beyond_their_mean(cells: Any) -> None:
    counts, library = cells
    assert set(np.argsort(-spaces.residual_variance(counts, library))[:5]) == {0, 1, 2, 3, 4}
    assert spaces.variable_space(counts, library, 80.0).embed(counts, library).shape == (120, 20)


@pytest.mark.slow
def test_residual_variance_equals_scanpys(cells: Any) -> None:
    import scanpy
    from anndata import AnnData

    counts, library = cells
    adata = AnnData(counts.copy())
    found = scanpy.experimental.pp.highly_variable_genes(
        adata, theta=100, n_top_genes=20, flavor="pearson_residuals", inplace=False
    )
    np.testing.assert_allclose(
        spaces.residual_variance(counts, library), found["residual_variances"], rtol=1e-4
    )


def test_scvi_is_among_them_only_where_it_is_installed(
    cells: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    counts, library = cells
    monkeypatch.setattr(spaces, "has_scvi", lambda: False)
    names = [space.name for space in spaces.reference_spaces(counts, library, 80.0, 0)]
    assert names == ["PCA", "HVG", "multinomial mixture"]

    class Model:
        setup_anndata = staticmethod(lambda adata: None)

        def __init__(self, adata: Any) -> None:
            self.cells = adata.n_obs

        def train(self, **settings: Any) -> None:
            assert settings["max_epochs"] == spaces.SCVI_EPOCHS
            assert package.settings.seed is not None
            np.random.seed(package.settings.seed)

        def get_latent_representation(self, adata: Any) -> np.ndarray:
            return np.full((adata.n_obs, 10), self.cells)

    package = ModuleType("scvi")
    package.model = SimpleNamespace(SCVI=Model)
    package.settings = SimpleNamespace(seed=None)
    monkeypatch.setitem(sys.modules, "scvi", package)
    monkeypatch.setattr(spaces, "has_scvi", lambda: True)
    before = np.random.get_state()[1].copy()
    last = spaces.reference_spaces(counts, library, 80.0, 0)[-1]
    np.testing.assert_array_equal(np.random.get_state()[1], before)
    assert package.settings.seed is None
    assert last.name == "scVI"
    np.testing.assert_array_equal(last.embed(counts[:3], library[:3]), np.full((3, 10), 120))
