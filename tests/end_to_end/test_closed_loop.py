"""Steps planned anew from simulated cells, in a world where two perturbations do nothing."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from anndata import AnnData

import gpjepa
from gpjepa.data.labels import label_of, members_of
from gpjepa.data.simulator import SimulationConfig, Truth, simulate
from gpjepa.data.simulator_config import CellsConfig, FreeConfig

STEPS, GOALS = 3, 6


class World:
    """Answers with simulated cells of all that was applied, whatever the order.

    The simulator cannot perturb given cells: those of a step are fresh ones of the set in place.
    """

    def __init__(self, cells: AnnData, truth: Truth, dead: Sequence[str]) -> None:
        self.cells, self.dead = cells, set(dead)
        self.effects = truth.effects()

    def label(self, applied: Sequence[str]) -> str:
        working = [name for name in applied if name not in self.dead]
        return label_of(working) if working else "control"

    def answer(self, applied: Sequence[str]) -> AnnData:
        chosen = (self.cells.obs["perturbation"] == self.label(applied)).to_numpy()
        return self.cells[np.flatnonzero(chosen)[:60]]

    def distance(self, applied: Sequence[str], goal: str) -> float:
        """Return how far the true mean effect is from the goal's, as a share of the latter."""
        label, wanted = self.label(applied), self.effects.loc[goal].to_numpy()
        reached = 0.0 if label == "control" else self.effects.loc[label].to_numpy()
        return float(np.linalg.norm(reached - wanted) / np.linalg.norm(wanted))


def fitted(cells: AnnData, seed: int) -> gpjepa.GPJEPA:
    """Return a model of the singles and half of the doubles."""
    known = np.array([len(members_of(label)) < 3 for label in cells.obs["perturbation"]])
    data = gpjepa.read(cells[known].copy(), announce=False)
    split = data.split("unseen-combination", seed=seed, fraction=0.5)
    config = gpjepa.Config(
        pretrain={"epochs": 10, "min_steps": 150}, fit={"epochs": 10, "min_steps": 500}
    )
    model = gpjepa.GPJEPA(data, config, split, seed=seed, device="cpu")
    model.pretrain()
    model.fit()
    return model


def looped(model: gpjepa.GPJEPA, world: World, goal: AnnData, first: str) -> list[str]:
    """Take the first step of each plan, look at the cells and plan the rest."""
    applied = [first]
    while len(applied) < STEPS:
        left, seen = STEPS - len(applied), world.answer(applied)
        found = gpjepa.replan(model, seen, goal, left, applied, budget=400, cells=60)
        if found.next is None:
            break
        applied.append(found.next)
    return applied


@pytest.mark.slow
def test_replanning_ends_at_least_as_near_as_the_plan_made_at_the_start() -> None:
    opened, closed = [], []
    for seed in (100, 101):
        cells, truth = simulate(
            SimulationConfig(
                preset="free",
                seed=seed,
                cells=CellsConfig(control=800, perturbed=60),
                free=FreeConfig(genes=200, perturbed=8, pairs=28, triples=56),
            )
        )
        model = fitted(cells, seed)
        rng = np.random.default_rng(seed)
        triples = [label for label in truth.perturbations if len(members_of(label)) == 3]
        names = [label for label in truth.perturbations if len(members_of(label)) == 1]
        for label in rng.permutation(triples)[:GOALS]:
            world = World(cells, truth, rng.permutation(names)[:2])
            goal = cells[(cells.obs["perturbation"] == label).to_numpy()]
            plan = gpjepa.plan_sequence(model, goal, STEPS, budget=400, cells=60)
            opened.append(world.distance(plan.best, label))
            closed.append(world.distance(looped(model, world, goal, plan.best[0]), label))
    assert np.mean(closed) <= np.mean(opened)
