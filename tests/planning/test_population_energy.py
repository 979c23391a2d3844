import runpy
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from gpjepa.core.errors import ConfigError
from gpjepa.planning.energy import LatentDistance, MeanEnergy, Progress
from gpjepa.planning.goal import CellsGoal, DirectionGoal, LatentGoal, SignatureGoal
from gpjepa.planning.population_energy import (
    Decoded,
    EnergyDistance,
    OfMean,
    population_energy,
)

worlds = SimpleNamespace(**runpy.run_path(str(Path(__file__).with_name("worlds.py"))))


def cells(seed: int, sets: int = 2) -> torch.Tensor:
    return torch.randn(sets, 40, 6, generator=torch.Generator().manual_seed(seed))


def test_a_population_is_at_no_distance_from_itself() -> None:
    own = cells(0)
    assert abs(float(EnergyDistance(own[0])(own).energy[0])) < 1e-5
    assert float(EnergyDistance(own[0])(own).energy[1]) > 0


@pytest.mark.parametrize(
    "energy",
    [EnergyDistance(cells(1)[0].double()), OfMean(LatentDistance(torch.ones(6).double()))],
)
def test_influences_are_the_derivative_in_a_cells_share(energy) -> None:
    own = cells(2, 1).double()
    found = energy(own)
    assert abs(float(found.influence.mean())) < 1e-5
    more = energy(torch.cat((own.repeat(1, 40, 1), own[:, 7:8]), dim=1)).energy
    share = 1 / (40 * 40 + 1)  # of the population, that is the cell's beyond what it was
    expected = share * float(found.influence[0, 7])
    assert abs(float(more - found.energy) - expected) < 0.1 * abs(expected)


def test_progress_is_the_mean_way() -> None:
    energy = OfMean(Progress(torch.zeros(6), torch.eye(6)[2]))
    own = cells(3)
    torch.testing.assert_close(energy(own).energy, -own[:, :, 2].mean(dim=1))


def of_mean(*asked) -> MeanEnergy:
    """Return the energy of the mean that a population's is."""
    found = population_energy(*asked)
    assert isinstance(found, OfMean)
    return found.score


def test_each_goal_has_its_energy() -> None:
    origin = worlds.make_origin()
    goal = CellsGoal(cells(4)[0], torch.zeros(12))
    assert isinstance(population_energy(origin, goal), EnergyDistance)
    assert isinstance(of_mean(origin, goal, "latent"), LatentDistance)
    assert isinstance(population_energy(origin, goal, "expression"), Decoded)
    assert isinstance(of_mean(origin, DirectionGoal(torch.ones(6))), Progress)
    assert isinstance(population_energy(origin, SignatureGoal({0: 1.0})), Decoded)
    assert isinstance(population_energy(origin, LatentGoal(torch.ones(6))), EnergyDistance)
    with pytest.raises(ConfigError, match="energy 'far' is not known"):
        population_energy(origin, goal, "far")


def test_control_cells_have_no_effect_once_decoded() -> None:
    origin = worlds.make_origin()
    energy = population_energy(origin, SignatureGoal({0: 1.0, 3: -1.0}))
    assert abs(float(energy(origin.start[None]).energy[0])) < 1e-5
