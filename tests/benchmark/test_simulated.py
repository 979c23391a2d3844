from __future__ import annotations

import pandas
import pytest

from gpjepa.benchmark import simulated
from gpjepa.core.config import Config
from gpjepa.core.errors import ConfigError
from gpjepa.data.simulator import simulate
from gpjepa.training.ablations import ablated


def test_every_seed_simulates_other_cells_of_the_preset(monkeypatch, config: Config) -> None:
    asked = []

    def score_simulated(simulation, fraction, config, seed, device) -> str:
        asked.append(simulation)
        assert (fraction, simulation.seed) == (simulated.PAIRS, seed)
        return "scores"

    monkeypatch.setattr(simulated, "score_simulated", score_simulated)
    for seed in range(2):
        assert simulated.pairs(config, seed, "cpu") == "scores"
    assert asked[0] != asked[1]
    assert {simulation.preset for simulation in asked} == {"free"}
    assert asked[0] == simulated.simulation(0)


def test_a_seed_whose_effects_do_not_fit_into_a_cell_has_another_stand_in() -> None:
    with pytest.raises(ConfigError, match="of a cell's counts"):
        simulate(simulated.simulation(4).model_copy(update={"seed": 5}))
    found = [simulated.simulation(seed).seed for seed in range(10)]
    assert found == [0, 1, 2, 3, 4, 10_005, 6, 7, 8, 10_009]
    simulate(simulated.simulation(5))


def test_every_pair_trains_and_triples_are_predicted(monkeypatch, config: Config) -> None:
    monkeypatch.setattr(simulated, "score_triples", lambda simulation, *rest: simulation)
    asked = simulated.triples(config, 2, "cpu")
    assert (asked.seed, asked.free.triples, asked.free.pairs) == (2, 40, 66)
    assert asked.free.perturbed * (asked.free.perturbed - 1) // 2 == asked.free.pairs


def test_a_plain_nb_vae_stands_beside_under_its_own_name(monkeypatch, config: Config) -> None:
    asked = []

    def score(config, seed, device) -> pandas.DataFrame:
        asked.append(config)
        return pandas.DataFrame({"model": ["gpjepa", "additive"], "value": [0.5, 0.6]})

    monkeypatch.setattr(simulated, "pairs", score)
    found = simulated.plain_nb_vae(config, 0, "cpu")
    assert asked == [ablated(config, "plain NB-VAE")]
    assert found.to_dict("records") == [{"model": "plain NB-VAE", "value": 0.5}]
