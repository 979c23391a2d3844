import runpy
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch

import gpjepa.planning.kept as kept
from gpjepa.planning.shifts import Shifts

worlds = SimpleNamespace(**runpy.run_path(str(Path(__file__).with_name("worlds.py"))))
CANDIDATES, CELLS, LATENT = worlds.CANDIDATES, worlds.CELLS, worlds.LATENT
FORMS = ("composed", "decomposed", "additive", "free")


@pytest.mark.parametrize("form", FORMS)
def test_means_and_cells_are_those_of_the_predictor_for_sizes_one_to_four(form) -> None:
    origin, sets = worlds.make_origin(form), worlds.all_sets(4)
    shifts = Shifts(origin, CANDIDATES)
    expected = worlds.predicted(origin, sets)
    each = expected.mean.view(len(sets), CELLS, LATENT)
    torch.testing.assert_close(shifts(sets).mean, each.mean(dim=1), atol=1e-5, rtol=1e-5)
    first, second = shifts.of_cells(sets)
    torch.testing.assert_close(first.flatten(0, 1), expected.first_order, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(second.flatten(0, 1), expected.second_order, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("form", FORMS)
def test_cells_along_a_direction_are_their_own_states(form) -> None:
    origin, sets = worlds.make_origin(form), worlds.all_sets(3)
    shifts = Shifts(origin, CANDIDATES)
    direction = torch.randn(len(sets), LATENT, generator=torch.Generator().manual_seed(1))
    found = shifts.along(shifts(sets), direction)
    each = worlds.predicted(origin, sets).mean.view(len(sets), CELLS, LATENT)
    own = torch.einsum("snd,sd->sn", each, direction)
    torch.testing.assert_close(found, own - own.mean(dim=1, keepdim=True), atol=1e-5, rtol=1e-5)


def test_shifts_are_run_once(monkeypatch) -> None:
    origin, sets = worlds.make_origin("decomposed"), worlds.all_sets(2)
    shifts = Shifts(origin, CANDIDATES)
    before = shifts(sets).mean
    monkeypatch.setattr("gpjepa.planning.shifts.run", None)  # whatever runs again fails
    torch.testing.assert_close(shifts(sets[::-1].copy()).mean.flip(0), before)


@pytest.mark.parametrize("form", ["composed", "decomposed"])
def test_what_does_not_fit_into_memory_is_run_again(form, monkeypatch) -> None:
    origin, sets = worlds.make_origin(form), worlds.all_sets(2)
    whole = Shifts(origin, CANDIDATES)
    expected = whole.along(whole(sets), whole(sets).mean)
    monkeypatch.setattr(kept, "MEMORY", 4 * CELLS * LATENT)  # four shifts at a time
    small = Shifts(origin, CANDIDATES)
    for at in range(0, len(sets), 2):
        moved = small(sets[at : at + 2])
        torch.testing.assert_close(moved.mean, whole(sets[at : at + 2]).mean)
        along = small.along(moved, moved.mean)
        torch.testing.assert_close(along, expected[at : at + 2], atol=1e-5, rtol=1e-5)


def test_the_order_of_members_cannot_matter() -> None:
    shifts = Shifts(worlds.make_origin("composed"), CANDIDATES)
    found = shifts(np.array([[0, 1, 3], [3, 1, 0], [1, 0, 3]])).mean
    torch.testing.assert_close(found[1], found[0])
    torch.testing.assert_close(found[2], found[0])


def test_composed_pairs_are_kept_and_other_sets_are_what_they_were(monkeypatch) -> None:
    origin, sets = worlds.make_origin("composed"), worlds.all_sets(3)
    shifts = Shifts(origin, CANDIDATES)
    before = shifts(sets).mean
    torch.testing.assert_close(shifts(sets[::-1].copy()).mean.flip(0), before)
    pairs = np.array([[0, 1, -1], [1, 2, -1]])  # of members with an effect of their own
    found = shifts(pairs).mean
    monkeypatch.setattr(type(origin.model.predictor.composition), "forward", None)
    torch.testing.assert_close(shifts(pairs).mean, found)
