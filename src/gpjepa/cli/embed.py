"""`gpjepa embed`: latents of cells."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from gpjepa.cli.options import Common, Run, Source
from gpjepa.cli.output import print_json, print_summary


def embed(
    run: Run,
    data: Source,
    out: Annotated[Path, typer.Option(metavar="FILE.h5ad", help="The file to write.")],
    common: Common,
) -> None:
    """Write the cells with their latents in obsm["X_gpjepa"]."""
    from gpjepa.api.workflow import embed_file

    summary = embed_file(run, str(data), out, common.run_options())
    if common.json:
        print_json(summary)
    else:
        print_summary(summary)
