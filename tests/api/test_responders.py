from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.stats import beta

from gpjepa.api.model import GPJEPA
from gpjepa.core.errors import ConfigError
from gpjepa.model.mixture import SHARED, ResponderMixture


@pytest.fixture
def divided(saved) -> GPJEPA:
    """Return the fitted model with a mixture, its first perturbation measured."""
    model = GPJEPA.load(saved, device="cpu")
    sets = torch.tensor([[0, -1]])
    mixture = ResponderMixture(sets, torch.tensor([[30.0, 70.0]]), torch.tensor([6.0, 4.0]), SHARED)
    model.bundle.model.responders = mixture
    return model


def test_fractions_come_with_intervals_and_say_where_from(divided) -> None:
    first, second = divided.bundle.vocabulary.members[:2]
    table = divided.responders([first, second], level=0.8).set_index("perturbation")
    assert table.loc[first, "fraction"] == pytest.approx(0.3)
    assert table.loc[second, "fraction"] == pytest.approx(0.6)
    assert table.loc[first, "low"] == pytest.approx(beta.ppf(0.1, 30, 70))
    assert table.loc[first, "high"] == pytest.approx(beta.ppf(0.9, 30, 70))
    assert list(table["measured"]) == [True, False]


def test_responders_have_larger_effects_than_all_cells_together(divided) -> None:
    table = divided.responders(list(divided.bundle.vocabulary.members[:2]))
    assert (table["responder_effect"] > table["effect"]).all()


def test_without_a_mixture_every_cell_responds(model) -> None:
    table = model.responders(list(model.bundle.vocabulary.members[:2]))
    np.testing.assert_array_equal(table[["fraction", "low", "high"]], 1.0)
    np.testing.assert_allclose(table["responder_effect"], table["effect"], rtol=1e-6)


def test_the_mixture_is_saved_with_the_model(divided, tmp_path) -> None:
    label = divided.bundle.vocabulary.members[0]
    again = GPJEPA.load(divided.save(tmp_path / "model"), device="cpu")
    assert again.responders(label)["fraction"].item() == pytest.approx(0.3)


def test_predicted_cells_are_divided_into_responders_and_escapers(divided) -> None:
    mixture, label = divided.bundle.model.responders, divided.bundle.vocabulary.members[0]
    drawn = divided.predict(label, cells=40, seed=3).X
    mixture.belief[0] = torch.tensor([100.0, 0.0])
    everyone = divided.predict(label, cells=40, seed=3).X
    divided.bundle.model.responders = None
    assert (everyone != divided.predict(label, cells=40, seed=3).X).nnz == 0
    assert (drawn != everyone).nnz > 0


@pytest.mark.parametrize("level", [0.0, 1.0, -1.0])
def test_a_level_outside_its_range_is_refused(divided, level) -> None:
    with pytest.raises(ConfigError, match="level"):
        divided.responders(divided.bundle.vocabulary.members[0], level=level)
