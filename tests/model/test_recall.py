import pytest
import torch

from gpjepa.model.recall import Recall, gaussian, no_recall


@pytest.fixture
def states():
    """Return states on a circle of radius 2."""
    angle = torch.linspace(0, 2 * torch.pi, 41, dtype=torch.float64)[:-1]
    return 2 * torch.stack((torch.cos(angle), torch.sin(angle)), dim=1)


def recall_of(states, ridge=1e-3, share=1.0):
    width = torch.tensor(1.0, dtype=states.dtype)
    kernel = gaussian(states, states, width)
    eye = torch.eye(len(states), dtype=states.dtype)
    return Recall(states, torch.linalg.inv(kernel + ridge * eye), 1.0, share)


def test_an_effect_beside_the_measured_ones_is_drawn_to_them(states):
    beside = torch.tensor([[2.3, 0.0], [0.0, 1.7]], dtype=torch.float64)
    moved = recall_of(states)(beside)
    off = (beside.norm(dim=1) - 2).abs()
    assert ((moved.norm(dim=1) - 2).abs() < 0.5 * off).all()


def test_a_measured_effect_stays(states):
    torch.testing.assert_close(recall_of(states)(states), states, atol=0.01, rtol=0)


def test_an_effect_far_from_all_measured_ones_stays(states):
    far = torch.tensor([[9.0, 0.0], [-30.0, 4.0]], dtype=torch.float64)
    torch.testing.assert_close(recall_of(states)(far), far, atol=1e-6, rtol=0)


def test_half_the_share_moves_half_the_way(states):
    beside = torch.tensor([[2.3, 0.0]], dtype=torch.float64)
    whole, half = recall_of(states)(beside), recall_of(states, share=0.5)(beside)
    torch.testing.assert_close(half - beside, 0.5 * (whole - beside))


def test_without_states_nothing_moves():
    effects = torch.ones(3, 4, dtype=torch.float64)
    torch.testing.assert_close(no_recall(4)(effects), effects)
