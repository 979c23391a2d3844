from __future__ import annotations

import numpy as np
import pytest
import torch

from gpjepa.api.plan import Departure
from gpjepa.api.plan_space import Names
from gpjepa.api.sequence_setup import Choices, Stepping, from_observed, set_up, unmoved
from gpjepa.core.errors import ConfigError


@pytest.fixture(scope="module")
def setup(model, adata):
    goal = adata[(adata.obs["perturbation"] == "A+B").to_numpy()]
    choices = Choices(["A", "B", "C"])
    return set_up(model, goal, Departure(), choices, Stepping(1, "latent", 12, False), 0, None)


def test_the_distance_is_the_energy_of_the_cells_as_they_are(setup) -> None:
    start = setup.transition.origin.start
    assert setup.distance == pytest.approx(float(setup.energy(start[None]).energy[0]))
    assert setup.distance == unmoved(setup.transition, setup.energy)
    assert len(start) == 12


def test_observed_cells_replace_the_states_but_not_the_energy(setup, adata) -> None:
    observed = adata[(adata.obs["perturbation"] == "A").to_numpy()]
    here = from_observed(setup, observed, 0)
    assert here.energy is setup.energy
    assert here.transition.cells == setup.transition.cells == 12
    assert not torch.allclose(here.transition.origin.start, setup.transition.origin.start)
    assert here.distance != setup.distance


def test_choices_leave_out_what_was_applied_or_is_forbidden(model) -> None:
    names = Names(model.bundle.vocabulary)
    assert Choices(["A", "B+A", "C"], applied=["A"]).labels(names) == ("C",)
    assert "A" not in Choices(forbidden="A").labels(names)
    assert Choices(["A", "A"]).labels(names) == ("A",)
    with pytest.raises(ConfigError, match="none of 1 candidates is left"):
        Choices(["A"], applied=["A"]).labels(names)


def test_states_of_the_start_are_those_of_the_encoder(setup) -> None:
    table = setup.start.cells.table
    counts, library = table.dense(np.arange(len(table)))
    with torch.no_grad():
        expected = setup.start.bundle.model.encoder(counts, library)
    torch.testing.assert_close(setup.transition.origin.start, expected)
