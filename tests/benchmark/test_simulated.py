from __future__ import annotations

from gpjepa.benchmark import simulated
from gpjepa.core.config import Config


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
