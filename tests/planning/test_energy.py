import runpy
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from gpjepa.core.errors import ConfigError
from gpjepa.planning.energy import EffectDistance, LatentDistance, mean_energy, with_gradient
from gpjepa.planning.goal import CellsGoal, DirectionGoal, LatentGoal, SignatureGoal

worlds = SimpleNamespace(**runpy.run_path(str(Path(__file__).with_name("worlds.py"))))


def test_the_latent_energy_is_the_mean_absolute_difference() -> None:
    energy = LatentDistance(torch.tensor([1.0, 2.0]))
    assert energy(torch.tensor([[1.0, 2.0], [0.0, 5.0]])).tolist() == [0.0, 2.0]


def test_genes_count_by_their_weights_in_the_distance_of_effects() -> None:
    energy = EffectDistance(torch.zeros(2), torch.tensor([3.0, 1.0]))
    found = energy(torch.tensor([[1.0, 0.0], [0.0, 1.0], [1.0, 1.0]]))
    torch.testing.assert_close(found, torch.tensor([0.75, 0.25, 1.0]).sqrt())


def test_a_direction_is_followed_by_its_way_not_by_its_length() -> None:
    origin = worlds.make_origin()
    start = origin.start.mean(dim=0)
    way = torch.tensor([3.0, 0, 0, 0, 4.0, 0])
    energy = mean_energy(origin, DirectionGoal(way))
    ends = torch.stack((start, start + way, start - way, start + torch.eye(6)[1]))
    torch.testing.assert_close(energy(ends), torch.tensor([0.0, -5.0, 5.0, 0.0]), atol=1e-5, rtol=0)


def test_a_signature_is_the_weighted_decoded_effect_whatever_the_kind() -> None:
    origin = worlds.make_origin()
    latent = origin.start.mean(dim=0)[None] + torch.tensor([[0.5, 0, 0, -0.5, 0, 0]])
    goal = SignatureGoal({2: 1.0, 5: -1.0})
    shares = [origin.weight @ origin.model.decoder.mean_shares(state) for state in (
        origin.start, origin.start + latent - origin.start.mean(dim=0)
    )]  # fmt: skip
    effect = torch.log1p(100 * shares[1]) - torch.log1p(100 * shares[0])
    for kind in ("latent", "expression"):
        found = mean_energy(origin, goal, kind)(latent)[0]
        torch.testing.assert_close(found, -(effect[2] - effect[5]) / 2, atol=0.02, rtol=0.05)


def test_the_energy_in_expression_is_zero_where_the_goal_is_decoded() -> None:
    origin = worlds.make_origin()
    place = origin.start.mean(dim=0) + 0.3
    effect = mean_energy(origin, SignatureGoal({0: 1.0}), "expression").effects(place[None])[0]
    energy = mean_energy(origin, CellsGoal(place[None], effect.detach()), "expression")
    found = energy(torch.stack((place, place + 0.1, place + 0.5)))
    assert found[0] < 1e-5
    assert found[0] < found[1] < found[2]


@pytest.mark.parametrize(
    ("goal", "kind", "words"),
    [
        (LatentGoal(torch.zeros(6)), "distance", "energy 'distance' is not known"),
        (LatentGoal(torch.zeros(6)), "expression", "no effect in expression"),
        (CellsGoal(torch.zeros(2, 6)), "expression", "no effect in expression"),
    ],
)
def test_energies_that_a_goal_cannot_have_are_refused(goal, kind, words) -> None:
    with pytest.raises(ConfigError, match=words):
        mean_energy(worlds.make_origin(), goal, kind)


def test_each_energy_has_the_gradient_in_its_own_state() -> None:
    states = torch.randn(4, 6, generator=torch.Generator().manual_seed(5))
    with torch.no_grad():
        energy, gradient = with_gradient(lambda at: (at**3).sum(dim=1), states)
    torch.testing.assert_close(energy, (states**3).sum(dim=1))
    torch.testing.assert_close(gradient, 3 * states**2)
    assert not energy.requires_grad
    assert not states.requires_grad
