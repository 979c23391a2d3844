import runpy
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import torch

from gpjepa.planning.runs import parts, run

worlds = SimpleNamespace(**runpy.run_path(str(Path(__file__).with_name("worlds.py"))))


def test_a_run_gives_the_spread_that_the_predictor_gives_whole_sets() -> None:
    for form in ("composed", "decomposed", "free"):
        origin, sets = worlds.make_origin(form), worlds.all_sets(4)
        named = np.where(sets >= 0, worlds.CANDIDATES[sets], -1)
        found = run(origin, [torch.from_numpy(named)])[0].log_variance.flatten(0, 1)
        expected = worlds.predicted(origin, sets).log_variance
        torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-5)


def test_runs_in_parts_are_the_run_of_all(monkeypatch) -> None:
    origin = worlds.make_origin()
    members = torch.tensor([[0, 1], [2, -1], [4, 5]])
    whole = run(origin, [members])[0]
    monkeypatch.setattr("gpjepa.planning.runs.ROWS", 1)
    assert [len(part) for part in parts(origin, members)] == [1, 1, 1]
    for one, other in zip(run(origin, [members])[0], whole, strict=True):
        torch.testing.assert_close(one, other)


def test_lots_of_sets_are_read_in_their_order() -> None:
    origin = worlds.make_origin()
    lots = [torch.tensor([[0, 1], [2, -1]]), torch.tensor([[4, 5]])]
    for found, lot in zip(run(origin, lots), lots, strict=True):
        torch.testing.assert_close(found.first, run(origin, [lot])[0].first)


def test_no_sets_give_no_rows() -> None:
    origin = worlds.make_origin()
    assert run(origin, [torch.zeros((0, 2), dtype=torch.int64)])[0].first.shape == (0, 40, 6)


def test_pairs_learned_from_nothing_have_no_shift_as_in_the_predictor() -> None:
    origin = worlds.make_origin()
    composition = origin.model.predictor.composition
    composition.stacked, composition.trained = None, torch.tensor([[0, 1]])
    composition.priors.zero_()
    pairs = torch.tensor([[0, 1], [0, 2], [1, 3]])
    found = run(origin, [pairs])[0].second
    states = origin.start.repeat(len(pairs), 1)
    expected = origin.model.predict(states, origin.condition(pairs)).second_order
    torch.testing.assert_close(found.flatten(0, 1), expected, atol=1e-5, rtol=1e-5)
    assert not found[1].any()
    assert found[[0, 2]].abs().amax(dim=(1, 2)).gt(0).all()
