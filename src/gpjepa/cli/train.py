"""`gpjepa train`: the whole model on a data file."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from gpjepa.cli.options import (
    Common,
    ConfigFile,
    Features,
    OnDisk,
    Processes,
    Roles,
    Settings,
    Sources,
    Split,
    read_config,
    source_of,
)
from gpjepa.cli.output import print_json, print_summary
from gpjepa.cli.signals import interruptible


def train(
    data: Sources,
    out: Annotated[Path, typer.Option(metavar="RUN", help="The run directory to write.")],
    roles: Roles,
    common: Common,
    processes: Processes,
    on_disk: OnDisk = None,
    split: Split = "unseen-perturbation",
    context_column: Annotated[
        str | None,
        typer.Option(metavar="COLUMN", help="The context that unseen-context holds out."),
    ] = None,
    head: Annotated[
        str | None,
        typer.Option(
            metavar="KIND",
            help="Generative head: variational, diffusion, flow, or auto: variational first, "
            "then diffusion if validation asks for it.",
        ),
    ] = None,
    encoder: Annotated[
        Path | None, typer.Option(metavar="RUN", help="Start from the encoder of this run.")
    ] = None,
    features: Features = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on where the run stopped.")] = False,
    config: ConfigFile = None,
    settings: Settings = None,
) -> None:
    """Train a model, Stage A first unless an encoder is given."""
    from gpjepa.api.workflow import train_run

    heads = [] if head is None else [f"head.kind={head}"]
    chosen = read_config(config, [*(settings or []), *heads])
    with interruptible(out):
        summary = train_run(
            source_of(data),
            out,
            roles=roles.role_options(),
            split=split,
            context_column=context_column,
            config=chosen,
            encoder=encoder,
            resume=resume,
            options=replace(processes.into(common.run_options()), backed=on_disk),
            features=features or (),
        )
    if common.json:
        print_json(summary)
    else:
        print_summary(summary)
