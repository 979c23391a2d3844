import runpy
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from gpjepa.planning.carried import Carried
from gpjepa.planning.sequences import roll
from gpjepa.planning.transition import Transition

worlds = SimpleNamespace(**runpy.run_path(str(Path(__file__).with_name("worlds.py"))))
ACTIONS = torch.arange(worlds.NAMES)[:, None]


def made(form: str, blind: bool = True, applied: tuple[int, ...] = ()) -> Transition:
    """Return steps that carry; with `blind` first-order shifts do not depend on the state."""
    origin = worlds.make_origin(form)
    if blind:
        with torch.no_grad():
            origin.model.predictor.transformer.split.weight.zero_()
    carried = Carried(origin, ACTIONS, torch.tensor(applied, dtype=torch.long))
    return Transition(origin, ACTIONS, 0, carried)


def noiseless(transition: Transition) -> Transition:
    """Return the transition with each latent at its mean."""
    transition.origin.model.head.sample = lambda prediction, generator: prediction.mean
    return transition


@pytest.mark.parametrize("form", ["composed", "decomposed"])
@pytest.mark.parametrize("sequence", [(0, 1), (1, 0), (0, 3), (2, 1, 0), (4, 0, 5)])
def test_a_sequence_leads_where_its_set_does_when_shifts_do_not_depend_on_the_state(
    form, sequence
) -> None:
    own = noiseless(made(form))
    found = roll(own, np.array([sequence]))[0]
    set_at_once = own.apply(own.origin.start[None], torch.tensor([sequence]), 0)[0]
    torch.testing.assert_close(found, set_at_once, atol=1e-4, rtol=1e-4)
    plain = roll(Transition(own.origin, ACTIONS, 0), np.array([sequence]))[0]
    assert not torch.allclose(plain, set_at_once, atol=1e-2)


def test_the_first_step_carries_nothing_unless_something_was_applied() -> None:
    own, chosen = made("composed"), np.arange(worlds.NAMES)
    start = own.origin.start.expand(worlds.NAMES, -1, -1)
    plain = Transition(own.origin, ACTIONS, 0)
    torch.testing.assert_close(own(start, chosen, 0), plain(start, chosen, 0))
    placed = made("composed", applied=(0,))
    moved = placed(start[:1], np.array([1]), 0) - own(start[:1], np.array([1]), 0)
    pair = own.origin.model.predictor.composition(torch.tensor([[0, 1]])).together
    torch.testing.assert_close(moved[0], pair.expand_as(moved[0]), atol=1e-4, rtol=1e-4)


def test_what_is_shared_by_cells_is_told_without_a_run(monkeypatch) -> None:
    own = made("composed")
    monkeypatch.setattr(type(own.origin.model), "predict", None)  # whatever runs fails
    before, chosen = np.array([[0], [-1], [0], [3]]), np.array([1, 2, 4, 1])
    shifts, told = own.carried.shared(before, chosen)
    assert told.tolist() == [True, True, True, False]  # of the fourth nothing is known alone
    assert shifts[0].abs().sum() > 0
    assert not shifts[1].any()
