from __future__ import annotations

from gpjepa.benchmark import semi_synthetic
from gpjepa.core.config import Config
from gpjepa.data.labels import CONTROL
from gpjepa.data.simulator_norman import norman_blueprint


def test_every_seed_simulates_other_cells_of_the_preset(monkeypatch, config: Config) -> None:
    asked = []

    def score_simulated(simulation, fraction, config, seed, device) -> str:
        asked.append(simulation)
        assert (fraction, simulation.seed) == (semi_synthetic.DOUBLES, seed)
        return "scores"

    monkeypatch.setattr(semi_synthetic, "score_simulated", score_simulated)
    for seed in range(2):
        assert semi_synthetic.doubles(config, seed, "cpu") == "scores"
    assert asked[0] != asked[1]
    assert {simulation.preset for simulation in asked} == {"norman"}
    assert asked[0] == semi_synthetic.simulation(0)


def test_the_cells_are_those_of_all_measured_singles_and_doubles() -> None:
    blueprint = norman_blueprint(semi_synthetic.simulation(0).norman)
    labels = [label for label in blueprint.profiles["perturbation"] if label != CONTROL]
    assert sum("+" in label for label in labels) == 126
    assert sum("+" not in label for label in labels) == 104
