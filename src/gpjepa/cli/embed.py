"""`gpjepa embed`: latents of cells."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from gpjepa.cli.options import Common, OnDisk, Run, Sources, source_of
from gpjepa.cli.output import print_json, print_summary


def embed(
    run: Run,
    data: Sources,
    out: Annotated[
        Path,
        typer.Option(metavar="FILE.h5ad", help="The file to write; of several, a directory."),
    ],
    common: Common,
    on_disk: OnDisk = None,
) -> None:
    """Write the cells with their latents in obsm["X_gpjepa"].

    Several files are embedded one by one, each on its own genes.
    """
    from gpjepa.api.workflow import embed_file

    options = replace(common.run_options(), backed=on_disk)
    summary = embed_file(run, source_of(data), out, options)
    if common.json:
        print_json(summary)
    else:
        print_summary(summary)
