"""`gpjepa pretrain`: Stage A on its own."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from gpjepa.cli.options import (
    Common,
    ConfigFile,
    OnDisk,
    Processes,
    Roles,
    Settings,
    Sources,
    read_config,
    source_of,
)
from gpjepa.cli.output import print_json, print_summary
from gpjepa.cli.signals import interruptible


def pretrain(
    data: Sources,
    out: Annotated[Path, typer.Option(metavar="RUN", help="The run directory to write.")],
    roles: Roles,
    common: Common,
    processes: Processes,
    on_disk: OnDisk = None,
    split: Annotated[
        str | None,
        typer.Option(metavar="SCHEME", help="Leave the test cells of this split out."),
    ] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on where the run stopped.")] = False,
    config: ConfigFile = None,
    settings: Settings = None,
) -> None:
    """Train the cell encoder on cells without using their labels."""
    from gpjepa.api.workflow import pretrain_run

    chosen = read_config(config, settings)
    with interruptible(out):
        summary = pretrain_run(
            source_of(data),
            out,
            roles=roles.role_options(),
            split=split,
            config=chosen,
            resume=resume,
            options=replace(processes.into(common.run_options()), backed=on_disk),
        )
    if common.json:
        print_json(summary)
    else:
        print_summary(summary)
