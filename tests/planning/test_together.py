import runpy
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch

import gpjepa.planning.together as together
from gpjepa.model.pair_table import PairTable
from gpjepa.planning.together import Together

worlds = SimpleNamespace(**runpy.run_path(str(Path(__file__).with_name("worlds.py"))))


def made() -> Together:
    return Together(worlds.composition(), torch.from_numpy(worlds.CANDIDATES))


def test_shifts_are_those_that_the_composition_gives() -> None:
    sets = worlds.all_sets(4)
    found, composed = made()(sets)
    named = torch.from_numpy(np.where(sets >= 0, worlds.CANDIDATES[sets], -1))
    expected = worlds.composition()(named)
    torch.testing.assert_close(found, expected.together, atol=1e-5, rtol=1e-5)
    assert composed.tolist() == expected.composed.tolist()
    assert composed.any()
    assert not composed.all()


def test_terms_of_pairs_are_made_once(monkeypatch) -> None:
    own, sets = made(), worlds.all_sets(4)
    before = own(sets[(sets >= 0).sum(axis=1) <= 2])[0]
    assert before.abs().sum() > 0
    monkeypatch.setattr(PairTable, "pairs", None)  # whatever is made again fails
    found, _ = own(sets)
    torch.testing.assert_close(found, made_anew(sets), atol=1e-5, rtol=1e-5)


def made_anew(sets: np.ndarray) -> torch.Tensor:
    named = torch.from_numpy(np.where(sets >= 0, worlds.CANDIDATES[sets], -1))
    return worlds.composition()(named).together


@pytest.mark.parametrize("memory", [0, 40])
def test_terms_that_do_not_fit_into_memory_are_made_again(memory, monkeypatch) -> None:
    sets = worlds.all_sets(3)
    expected, _ = made()(sets)
    monkeypatch.setattr(together, "MEMORY", memory)
    own = made()
    for _ in range(2):
        parts = [own(sets[at : at + 7])[0] for at in range(0, len(sets), 7)]
        torch.testing.assert_close(torch.cat(parts), expected)
