from __future__ import annotations

import numpy as np
import pytest
import torch

from gpjepa.inference.means import encode_controls
from gpjepa.inference.response_likelihood import (
    FRACTIONS,
    ControlStates,
    control_states,
    evidence,
    responsibilities,
    sure_ratio,
)

GENES, CELLS, THETA = 60, 300, 2.0
SHARES = np.geomspace(1.0, 0.1, GENES) / 40.0
CHANGE = np.where(np.arange(GENES) % 3 == 0, np.where(np.arange(GENES) % 2 == 0, 2.5, 0.3), 1.0)
STATES = ControlStates(torch.from_numpy(SHARES)[None], torch.ones(1, dtype=torch.float64))


def cells(fraction: float, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    """Return counts and libraries of cells of which a fraction responds."""
    rng = np.random.default_rng(seed)
    library = rng.uniform(500.0, 2000.0, CELLS)
    responds = np.arange(CELLS) < round(fraction * CELLS)
    mean = library[:, None] * SHARES * np.where(responds[:, None], CHANGE, 1.0)
    counts = rng.poisson(mean * rng.standard_gamma(THETA, mean.shape) / THETA)
    return torch.from_numpy(counts).float(), torch.from_numpy(library).float()


def weigh(fraction: float, told: float | None = None):
    """Weigh fractions by cells whose mean effect is that of a fraction `told`."""
    share = fraction if told is None else told
    ratio = torch.from_numpy(share * CHANGE + 1.0 - share)
    return evidence(*cells(fraction), STATES, ratio, torch.full((GENES,), THETA))


def likeliest(mixed: np.ndarray) -> float:
    return FRACTIONS[int(mixed.argmax())]


@pytest.mark.parametrize("fraction", [0.2, 0.5, 0.8])
def test_the_true_fraction_is_the_likeliest(fraction) -> None:
    found = weigh(fraction)
    assert likeliest(found.mixed) == pytest.approx(fraction, abs=0.03)
    assert found.mixed.max() > found.plain + 20.0


def test_where_every_cell_responds_there_is_no_evidence_for_escapers() -> None:
    found = weigh(1.0)
    assert likeliest(found.mixed) > 0.97
    assert found.mixed.max() < found.plain + 1.0


@pytest.mark.parametrize("told", [0.4, 0.65])
def test_a_wrong_size_of_the_mean_effect_does_not_bias_the_fraction(told) -> None:
    assert likeliest(weigh(0.5, told).mixed) == pytest.approx(0.5, abs=0.05)


def test_without_an_effect_no_fraction_is_likelier_than_another() -> None:
    found = evidence(
        *cells(0.5), STATES, torch.ones(GENES, dtype=torch.float64), torch.full((GENES,), THETA)
    )
    assert np.ptp(found.mixed) < 1e-6
    assert found.plain == pytest.approx(found.mixed[0])


def test_typical_states_keep_differences_between_control_cells_from_counting_as_response() -> None:
    """Half of the cells are in another state, and none of them responds."""
    other = SHARES * np.where(np.arange(GENES) % 3 == 1, 2.0, 1.0)
    rng = np.random.default_rng(1)
    mean = 1000.0 * np.where(np.arange(CELLS)[:, None] % 2 == 0, SHARES, other)
    counts = torch.from_numpy(rng.poisson(mean)).float()
    both = ControlStates(
        torch.from_numpy(np.stack((SHARES, other))), torch.tensor([0.5, 0.5]).double()
    )
    ratio = torch.from_numpy(0.5 + 0.5 * other / SHARES)
    theta = torch.full((GENES,), 100.0)
    library = torch.full((CELLS,), 1000.0)
    alone = evidence(counts, library, STATES, ratio, theta)
    told = evidence(counts, library, both, ratio, theta)
    assert likeliest(alone.mixed) == pytest.approx(0.5, abs=0.05)
    assert likeliest(told.mixed) < 0.1


def test_changes_within_their_error_are_none_and_larger_ones_lose_it() -> None:
    base, theta = torch.tensor([0.01, 0.01]), torch.tensor([4.0, 4.0])
    error = np.sqrt((1.0 / 100.0 + 0.25) / 50)
    ratio = torch.exp(torch.tensor([0.9 * error, -3.0 * error]).float())
    found = sure_ratio(ratio, base, 10_000.0, 50, theta)
    torch.testing.assert_close(found.log(), torch.tensor([0.0, -2.0 * error]).float())


def test_typical_control_cells_stand_for_all(model, table) -> None:
    with torch.no_grad():
        controls = encode_controls(model, table)
        states = control_states(model.decoder, controls, None, 0)
    assert states.weight.sum().item() == pytest.approx(1.0)
    assert len(states.weight) > 1
    weight = (controls.library / controls.library.sum()).double()
    with torch.no_grad():
        mean = weight @ model.decoder.mean_shares(controls.state).double()
    torch.testing.assert_close(states.mean, mean, rtol=0.05, atol=1e-4)


@pytest.mark.parametrize("fraction", [0.2, 0.8])
def test_cells_are_told_apart_and_their_number_is_kept(fraction) -> None:
    ratio = torch.from_numpy(fraction * CHANGE + 1.0 - fraction)
    weight = responsibilities(
        *cells(fraction), STATES, ratio, torch.full((GENES,), THETA), fraction
    ).numpy()
    responds = np.arange(CELLS) < round(fraction * CELLS)
    assert weight[responds].mean() > 0.95
    assert weight[~responds].mean() < 0.05


def test_cells_that_tell_nothing_weigh_what_is_known_beforehand() -> None:
    nothing, theta = torch.ones(GENES, dtype=torch.float64), torch.full((GENES,), THETA)
    weight = responsibilities(*cells(0.5), STATES, nothing, theta, 0.3)
    np.testing.assert_allclose(weight.numpy(), 0.3, rtol=1e-6)
