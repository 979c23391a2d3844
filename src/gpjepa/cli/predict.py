"""`gpjepa predict`: populations of counts for perturbations."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from gpjepa.cli.options import Common, Modality, Run
from gpjepa.cli.output import print_json, print_summary, print_table


def predict(
    run: Run,
    labels: Annotated[
        list[str],
        typer.Option(
            "--perturbation", "-p", metavar="LABEL", help="KLF1, or KLF1+SET; repeatable."
        ),
    ],
    out: Annotated[Path, typer.Option(metavar="FILE.h5ad", help="The file to write.")],
    common: Common,
    cells: Annotated[int, typer.Option(min=1, help="Cells per perturbation.")] = 400,
    format: Annotated[
        Literal["anndata", "cell-eval"],
        typer.Option(help="h5ad of raw counts; cell-eval: with controls, as cell-eval2 reads it."),
    ] = "anndata",
    modality: Modality = None,
) -> None:
    """Sample cells as they would be after perturbations."""
    from gpjepa.api.workflow import predict_file

    options = common.run_options()
    summary = predict_file(run, labels, cells, out, format, options, modality)
    if common.json:
        print_json(summary)
        return
    print_table(summary["perturbations"], ["perturbation", "novelty", "verdict"])
    print_summary(summary)
