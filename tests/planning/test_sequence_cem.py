import itertools
import runpy
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import torch

from gpjepa.planning.energy import LatentDistance
from gpjepa.planning.sequences import plan_sequences

made = SimpleNamespace(**runpy.run_path(str(Path(__file__).with_name("rollouts.py"))))


def test_cem_finds_most_sequences_with_half_of_the_evaluations() -> None:
    transition = made.make_transition()
    with torch.no_grad():  # states matter little, as in models that were trained
        transition.origin.model.predictor.transformer.split.weight *= 0.1
    triples = list(itertools.permutations(range(5), 3))[::6]
    hits = {"cem": 0, "random": 0}
    for triple in triples:
        goal = made.goal_at(transition, *triple)
        for planner in hits:
            found = plan_sequences(
                transition, goal, LatentDistance(goal.score.goal), 3, 42, planner=planner
            )
            hits[planner] += tuple(found.sequences[0]) == triple
    assert hits["cem"] >= 0.8 * len(triples)
    assert hits["cem"] > hits["random"]


def test_sequences_that_were_scored_are_not_drawn_again_for_ever() -> None:
    transition = made.make_transition()
    goal = made.goal_at(transition, 1)
    guess = LatentDistance(goal.score.goal)
    found = plan_sequences(transition, goal, guess, 2, 10_000, planner="cem")
    assert found.evaluations <= 25
    assert np.isfinite(found.scores.energy).all()
