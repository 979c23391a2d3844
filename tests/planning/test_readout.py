import runpy
from pathlib import Path
from types import SimpleNamespace

import torch

from gpjepa.planning.effects import EffectMap
from gpjepa.planning.goal import CellsGoal, LatentGoal
from gpjepa.planning.readout import Readout, placed

worlds = SimpleNamespace(**runpy.run_path(str(Path(__file__).with_name("worlds.py"))))


def test_goal_cells_are_placed_where_their_effect_is_decoded() -> None:
    origin = worlds.make_origin()
    effects = EffectMap(origin)
    shift = torch.tensor([0.6, -0.4, 0.3, 0.5, -0.2, 0.1])
    effect = effects((effects.mean + shift)[None])[0].detach()
    cells = torch.randn(30, 6, generator=torch.Generator().manual_seed(1))
    goal = placed(origin, CellsGoal(cells, effect))
    made = effects(goal.mean[None])[0].detach()
    assert (made - effect).norm() < 0.15 * effect.norm()
    moved = goal.latents - cells
    torch.testing.assert_close(moved, moved[:1].expand_as(moved))


def test_goals_without_an_effect_stay_where_they_are() -> None:
    origin = worlds.make_origin()
    for goal in (LatentGoal(torch.ones(6)), CellsGoal(torch.ones(3, 6))):
        assert placed(origin, goal) is goal


def test_the_inverse_undoes_small_shifts() -> None:
    origin = worlds.make_origin()
    readout, effects = Readout(origin), EffectMap(origin)
    shift = 0.05 * torch.randn(6, generator=torch.Generator().manual_seed(0))
    effect = effects((effects.mean + shift)[None])[0].detach()
    assert (readout.inverse @ effect - shift).norm() < 0.35 * shift.norm()
