from __future__ import annotations

import pytest

from gpjepa.training.ablations.decode import StageDecode
from gpjepa.training.ablations.reconstruction import StageReconstruction
from gpjepa.training.head_fit import StageHead
from gpjepa.training.stage import Stage
from gpjepa.training.stage_a import StageA
from gpjepa.training.stage_bc import StageBC

NEEDED = [name for name in vars(Stage) if not name.startswith("_")]


@pytest.mark.parametrize("kind", [StageA, StageBC, StageHead, StageDecode, StageReconstruction])
def test_every_stage_does_what_the_loop_asks_of_it(kind: type) -> None:
    assert {"share", "batch", "validate"} <= set(NEEDED)
    assert [name for name in NEEDED if getattr(kind, name, None) is None] == []
