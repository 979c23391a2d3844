import numpy as np
import pytest
import torch

from gpjepa.compose.recall_fit import LeftOut, _certainty, fit_recall
from gpjepa.model.recall import Recall

COUNT = 60


@pytest.fixture
def curve():
    """Return measured states [60, 5] that lie on a curve."""
    along = np.random.default_rng(0).uniform(0, 2 * np.pi, COUNT)
    flat = np.stack((np.cos(along), np.sin(along), np.cos(2 * along)), axis=1)
    return torch.from_numpy(np.concatenate((2 * flat, np.zeros((COUNT, 2))), axis=1))


def left_out(states, noise, seed=1):
    draw = np.random.default_rng(seed).normal(size=states.shape) * noise
    predicted = states + torch.from_numpy(draw)
    scale = torch.ones(len(states), dtype=states.dtype)
    return LeftOut(predicted, states, scale, torch.arange(len(states)))


def test_predictions_off_the_surface_of_measured_states_are_drawn_back(curve):
    given = left_out(curve, 0.4)
    recall, kept = fit_recall(given, curve, 2.0)
    assert recall.share > 0
    assert given.losses(kept).mean() < 0.85 * given.losses(given.predicted).mean()
    fresh = left_out(curve, 0.4, seed=2)
    moved = fresh.losses(recall(fresh.predicted)).mean()
    assert moved < 0.85 * fresh.losses(fresh.predicted).mean()


def test_the_own_state_of_a_double_is_withheld(curve):
    given = left_out(curve, 0.4)
    recall, kept = fit_recall(given, curve, 2.0)
    row = 3
    others = torch.arange(COUNT) != row
    states = curve[others]
    kernel = torch.exp(-(torch.cdist(states, states) ** 2) / (2 * recall.width**2))
    whole = torch.exp(-(torch.cdist(curve, curve) ** 2) / (2 * recall.width**2))
    ridge = torch.linalg.inv(recall.precision) - whole
    eye = torch.eye(COUNT - 1, dtype=states.dtype)
    precision = torch.linalg.inv(kernel + ridge[0, 0] * eye)
    refitted = Recall(states, precision, float(recall.width), float(recall.share))
    torch.testing.assert_close(refitted(given.predicted[row : row + 1])[0], kept[row])


def test_where_measured_states_have_no_shape_nothing_is_recalled():
    rng = np.random.default_rng(0)
    states = torch.from_numpy(rng.normal(size=(COUNT, 40)))
    given = left_out(states, 0.01)
    recall, kept = fit_recall(given, states, float(np.sqrt(80)))
    assert not len(recall.states)
    torch.testing.assert_close(kept, given.predicted)


def test_the_share_grows_from_nothing_with_how_certain_the_gain_is():
    around = torch.linspace(-1.0, 1.0, 25, dtype=torch.float64)
    error = float(around.std()) / 5
    kept = [_certainty(around + errors * error) for errors in (-3.0, 0.0, 1.0, 1.01, 2.0, 10.0)]
    assert kept == pytest.approx([0, 0, 0, 0.0197, 0.75, 0.99], abs=1e-3)
