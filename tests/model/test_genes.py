from __future__ import annotations

import numpy as np
import torch

from gpjepa.model.genes import GeneScaling
from gpjepa.model.sparse_counts import sparse_of

MEAN = torch.tensor([0.5, 1.0, 2.0])
DEVIATION = torch.tensor([1.0, 0.8, 1.2])


def test_scaling_is_the_standardised_log1p_of_counts_per_target() -> None:
    counts = np.array([[3.0, 0.0, 10.0], [1.0, 2.0, 0.0]])
    library = np.array([20.0, 5.0])
    expected = (np.log1p(10.0 * counts / library[:, None]) - MEAN.numpy()) / DEVIATION.numpy()
    own = GeneScaling(MEAN, DEVIATION, 10.0)
    found = own(torch.tensor(counts).float(), torch.tensor(library).float())
    np.testing.assert_allclose(found.numpy(), expected, rtol=1e-5)


def test_training_cells_are_centred_and_of_unit_spread() -> None:
    counts = torch.poisson(
        torch.tensor([2.0, 5.0, 9.0]).repeat(4000, 1), torch.Generator().manual_seed(0)
    )
    library = counts.sum(dim=1) + 30.0
    expression = torch.log1p(40.0 * counts / library.unsqueeze(1))
    own = GeneScaling(expression.mean(dim=0), expression.std(dim=0), 40.0)
    scaled = own(counts, library)
    assert float(scaled.mean(dim=0).abs().max()) < 1e-4
    torch.testing.assert_close(scaled.std(dim=0), torch.ones(3), rtol=1e-4, atol=0)


def test_doubling_counts_and_library_changes_nothing() -> None:
    own = GeneScaling(MEAN, DEVIATION, 10.0)
    counts, library = torch.tensor([[3.0, 0.0, 10.0]]), torch.tensor([20.0])
    torch.testing.assert_close(own(2 * counts, 2 * library), own(counts, library))


def test_a_gene_of_tiny_deviation_is_not_blown_up() -> None:
    own = GeneScaling(torch.zeros(3), torch.tensor([1e-6, 1.0, 1.0]), 10.0)
    counts = torch.tensor([[5.0, 5.0, 5.0]])
    scaled = own(counts, torch.tensor([15.0]))
    assert 1.0 <= float(scaled[0, 0] / scaled[0, 1]) <= 3.0


def test_a_cell_without_counts_and_genes_without_spread_stay_finite() -> None:
    own = GeneScaling(MEAN, torch.zeros(3), 10.0)
    assert bool(torch.isfinite(own(torch.zeros(1, 3), torch.zeros(1))).all())


def test_the_moments_are_kept_with_the_weights_and_copied() -> None:
    mean = MEAN.clone()
    own = GeneScaling(mean, DEVIATION, 10.0)
    mean.zero_()
    torch.testing.assert_close(own.state_dict()["mean"], MEAN)
    assert set(own.state_dict()) == {"mean", "scale", "target"}


def test_expression_without_zeros_is_the_uncentred_one() -> None:
    counts = torch.poisson(torch.full((7, 12), 0.7), torch.Generator().manual_seed(0))
    scaling = GeneScaling(torch.rand(12), torch.rand(12) + 0.1, 30.0)
    library = torch.linspace(10.0, 40.0, 7)
    found = scaling.expression(sparse_of(counts), library)
    torch.testing.assert_close(found.dense(), scaling.uncentred(counts, library))
