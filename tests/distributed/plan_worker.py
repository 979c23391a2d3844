"""A process of a plan: scores sets as populations and writes what it was told to a folder."""

from __future__ import annotations

import runpy
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import torch

from gpjepa.api.plan_together import planned_together
from gpjepa.core.ranks import started_by
from gpjepa.planning import runs
from gpjepa.planning.goal import LatentGoal
from gpjepa.planning.population import PopulationObjective
from gpjepa.planning.shifts import Shifts
from gpjepa.training.processes import open_fabric

WORLDS = Path(__file__).resolve().parents[1] / "planning" / "worlds.py"
counted = {"parts": 0}


def main(folder: Path) -> None:
    worlds = SimpleNamespace(**runpy.run_path(str(WORLDS)))
    open_fabric("cpu")
    origin = worlds.make_origin("decomposed")
    runs.ROWS = 5 * origin.cells  # five sets at once, so that there are parts to share
    shifts = Shifts(origin, worlds.CANDIDATES)
    setup = SimpleNamespace(origin=origin, shifts=shifts)
    ranks = started_by()[1]

    def work(_: object) -> dict[str, np.ndarray]:
        assert ranks.first
        scored = PopulationObjective(shifts, LatentGoal(torch.ones(6)))
        scored.at_once = 7  # type: ignore[misc]
        scores = scored(worlds.all_sets(4))
        (folder / "written.txt").open("a").write("once\n")
        return {"energy": scores.energy, "error": scores.error}

    counting = runs.read

    def read(*arguments: object) -> object:
        counted["parts"] += 1
        return counting(*arguments)  # type: ignore[arg-type]

    sys.modules["gpjepa.api.plan_together"].read = read  # type: ignore[attr-defined]
    runs.read = read  # type: ignore[assignment]
    found = planned_together(setup, work)  # type: ignore[arg-type]
    np.savez(folder / f"rank{ranks.rank}.npz", **found, parts=counted["parts"])


if __name__ == "__main__":
    main(Path(sys.argv[1]))
