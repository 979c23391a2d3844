import numpy as np
import torch
from scipy.stats import multivariate_normal

from gpjepa.compose.kernel_fit import (
    JITTER,
    Residuals,
    _Noise,
    evidence,
    fit_interaction,
    leave_one_out,
    left_out_errors,
)
from gpjepa.model.composition import PairKernel


def residuals_of(alone, screen):
    pairs = screen.pairs
    labels = [screen.labels[row] for row in pairs.rows]
    basis = np.eye(screen.effects.shape[1])
    anchors = alone.members(labels, basis)
    values = torch.from_numpy(screen.effects[pairs.rows]) - 0.7 * anchors.effects.sum(dim=1)
    count = len(labels)
    ones = torch.ones(count, dtype=torch.float64)
    magnitude = torch.linspace(0.5, 2.0, count, dtype=torch.float64)
    spread = torch.linspace(1.0, 0.5, values.shape[1], dtype=torch.float64)
    return anchors, Residuals(values, ones, magnitude, spread)


def test_left_out_errors_are_those_of_refits_without_each_row():
    rng = np.random.default_rng(0)
    points = rng.normal(size=(8, 3))
    covariance = np.exp(-((points[:, None] - points[None]) ** 2).sum(-1)) + 0.3 * np.eye(8)
    values = rng.normal(size=(8, 2))
    expected = []
    for row in range(8):
        rest = np.delete(np.arange(8), row)
        weights = np.linalg.solve(covariance[np.ix_(rest, rest)], values[rest])
        expected.append(values[row] - covariance[row, rest] @ weights)
    found = left_out_errors(torch.from_numpy(covariance), torch.from_numpy(values))
    np.testing.assert_allclose(found.numpy(), expected)


def test_evidence_is_the_gaussian_log_density(alone, screen):
    anchors, residuals = residuals_of(alone, screen)
    kernel, noise = PairKernel(3.0).double(), _Noise().double()
    covariance = kernel(anchors, anchors).detach().numpy()
    covariance += (np.exp(-1.0) + JITTER) * np.eye(len(covariance))
    expected = 0.0
    for column, spread in enumerate(residuals.spread.numpy()):
        scale = residuals.magnitude.numpy() ** 0.5 * spread**0.8 * 0.2 * 3.0
        value = residuals.values[:, column].numpy()
        expected -= multivariate_normal.logpdf(value, cov=covariance * np.outer(scale, scale))
    count, directions = residuals.values.shape
    constant = count * directions * (0.5 * np.log(2 * np.pi) + np.log(0.2 * 3.0))
    found = evidence(kernel, noise, anchors, residuals, 3.0)
    np.testing.assert_allclose(found.item() + constant, expected, rtol=1e-6)


def test_fitting_lowers_each_objective(alone, screen):
    anchors, residuals = residuals_of(alone, screen)
    for objective, loss in (("loo", leave_one_out), ("evidence", evidence)):
        before = loss(PairKernel(3.0).double(), _Noise().double(), anchors, residuals, 3.0)
        interaction, variance = fit_interaction(anchors, residuals, 3.0, objective)
        noise = _Noise().double()
        with torch.no_grad():
            noise.log_noise.copy_(0.5 * torch.log(variance))
        after = loss(interaction.kernel, noise, anchors, residuals, 3.0)
        assert after.item() < before.item()
        assert not any(each.requires_grad for each in interaction.parameters())
