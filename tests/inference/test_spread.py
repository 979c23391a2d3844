from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.sparse import csr_matrix

from gpjepa.inference.cells import CellTable
from gpjepa.inference.means import encode_controls
from gpjepa.inference.spread import SOURCES, Scale, sources_of_spread

SCALE = Scale(torch.arange(10), 100.0)


@pytest.fixture
def many(table) -> CellTable:
    """The control cells over and over, each as a cell of its own."""
    return table.take(np.arange(1200) % len(table))


def split(model, table, condition, seed: int = 0) -> dict[str, tuple[float, float]]:
    offset = encode_controls(model, table).offset(1e9)
    found = sources_of_spread(model, table, condition, np.arange(len(table)), offset, SCALE, seed)
    assert sum(found.shares) == pytest.approx(1.0)
    return dict(zip(SOURCES, zip(found.shares, found.errors, strict=True), strict=True))


@pytest.mark.parametrize("distribution", ["nb", "zinb"])
def test_a_latent_without_noise_adds_nothing(built, many, given, quiet, distribution) -> None:
    model = built(0, distribution).model
    quiet(model)
    share, error = split(model, many, given(len(many), 0, 1))["latent"]
    assert abs(share) < 4 * error + 0.01
    assert error < 0.1


def test_a_wider_latent_adds_more(model, many, given) -> None:
    shares = []
    for level in (-2.0, 1.0):
        with torch.no_grad():
            model.predictor.transformer.log_variance.weight.zero_()
            model.predictor.transformer.log_variance.bias.fill_(level)
        shares.append(split(model, many, given(len(many), 0))["latent"])
    (low, _), (high, error) = shares
    assert high > low + 4 * error


def test_genes_without_dispersion_in_cells_alike_leave_all_to_counts(
    model, table, given, quiet
) -> None:
    quiet(model)
    with torch.no_grad():
        model.decoder.log_dispersion.fill_(12.0)
        model.decoder.logits.weight.zero_()
    alike = table.take(np.zeros(2000, dtype=int))
    found = split(model, alike, given(len(alike), 0))
    assert found["counts"][0] == pytest.approx(1.0, abs=4 * found["counts"][1] + 0.01)


def test_less_dispersed_genes_owe_less_to_the_control_cell(model, many, given, quiet) -> None:
    quiet(model)
    shares = []
    for level in (-0.5, 5.0):
        with torch.no_grad():
            model.decoder.log_dispersion.fill_(level)
        shares.append(split(model, many, given(len(many), 0))["control"][0])
    assert shares[0] > shares[1] + 0.1


@pytest.mark.parametrize(("log_sd", "least", "most"), [(0.02, -0.08, 0.08), (2.0, 0.1, 0.9)])
def test_the_library_explains_what_follows_it(model, given, quiet, log_sd, least, most) -> None:
    quiet(model)
    rng = np.random.default_rng(0)
    depth = np.exp(log_sd * rng.standard_normal(1200))
    rate = np.geomspace(16.0, 1.6, 10) * depth[:, None]
    counts = rng.poisson(rate * rng.gamma(4.0, 0.25, size=rate.shape))
    library = counts.sum(axis=1) + rng.poisson(60.0 * depth) + 1.0
    cells = CellTable(csr_matrix(counts.astype(np.float32)), library)
    assert least < split(model, cells, given(len(cells), 0))["library"][0] < most


def test_shares_repeat_for_a_seed(model, many, given) -> None:
    condition = given(len(many), 2)
    assert split(model, many, condition) == split(model, many, condition)
    assert split(model, many, condition) != split(model, many, condition, seed=1)
