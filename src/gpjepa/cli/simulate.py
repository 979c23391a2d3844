"""`gpjepa simulate`: cells whose truth is known."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from gpjepa.cli.options import Common, Settings
from gpjepa.cli.output import print_json, print_summary


def simulate(
    out: Annotated[Path, typer.Option(metavar="FILE.h5ad", help="The file to write.")],
    common: Common,
    preset: Annotated[
        Literal["norman", "free"],
        typer.Option(help="norman: effects as measured; free: a mechanism drawn from the seed."),
    ] = "norman",
    settings: Settings = None,
) -> None:
    """Write simulated cells with known effects and interactions."""
    from gpjepa.core.files import refuse_existing
    from gpjepa.data.simulator import SimulationConfig
    from gpjepa.data.simulator_file import write_simulated

    config = SimulationConfig(preset=preset, seed=common.seed).override(settings or [])
    target = refuse_existing(out, common.force)
    found = write_simulated(config, target)
    summary = {"out": str(target), "preset": config.preset, "seed": config.seed, **found}
    if common.json:
        print_json(summary)
    else:
        print_summary(summary)
