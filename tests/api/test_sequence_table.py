from __future__ import annotations

import numpy as np
import pytest
import torch

from gpjepa.api.plan import Departure
from gpjepa.api.sequence_setup import Choices, Stepping, set_up
from gpjepa.api.sequence_table import names_of, table_of, trace_of
from gpjepa.planning.sequences import plan_sequences, roll


@pytest.fixture(scope="module")
def setup(model, adata):
    goal = adata[(adata.obs["perturbation"] == "A+B").to_numpy()]
    choices = Choices(["A", "B", "C"])
    return set_up(model, goal, Departure(), choices, Stepping(2, "latent", 20, False), 0, None)


def test_the_set_is_one_step_of_all_members(setup) -> None:
    plan = plan_sequences(setup.transition, setup.energy, setup.guess, 2, 100)
    table = table_of(setup, plan, 3).table
    assert len(table) == 3
    for label, energy in zip(table["set"], table["set_energy"], strict=True):
        members = torch.from_numpy(setup.start.bundle.vocabulary.encode([label]))
        with torch.no_grad():
            start = setup.transition.origin.start[None]
            expected = setup.energy(setup.transition.apply(start, members, 0)).energy
        assert energy == pytest.approx(float(expected[0]), rel=1e-5)


def test_the_reverse_of_three_steps_is_the_whole_order_reversed(setup) -> None:
    plan = plan_sequences(setup.transition, setup.energy, setup.guess, 3, 100)
    table = table_of(setup, plan, 100).table.set_index("sequence")
    with torch.no_grad():
        energy = setup.energy(roll(setup.transition, np.array([[0, 2, 1], [1, 2, 0]]))).energy
    expected = float(energy[0] - energy[1])
    assert table.loc["A > C > B", "order_effect"] == pytest.approx(expected, abs=1e-6)


def test_errors_of_differences_use_that_cells_are_the_same(setup) -> None:
    plan = plan_sequences(setup.transition, setup.energy, setup.guess, 2, 100)
    table = table_of(setup, plan, 100).table
    pairs = table[table["steps"] == 2]
    apart = np.hypot(pairs["energy_se"], pairs["set_energy_se"])
    assert (pairs["beyond_set_se"] < apart).mean() > 0.5


def test_names_and_trace(setup) -> None:
    assert names_of(setup, np.array([[1, 0], [2, -1]])) == ["B > A", "C"]
    plan = plan_sequences(setup.transition, setup.energy, setup.guess, 2, 100)
    trace = trace_of(plan)
    assert trace["evaluations"].iloc[-1] == plan.evaluations
    assert trace["phase"].tolist()[0] == "step 1"
