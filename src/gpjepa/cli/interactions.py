"""`gpjepa interactions`: what pairs do beyond the sum of their members, ranked."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from gpjepa.cli.options import Common, Modality, Run
from gpjepa.cli.output import print_json, print_summary, print_table

SHOWN = 20  # combinations printed; all of them are in the file and in --json
COLUMNS = ("rank", "perturbation", "measured", "strength", "class", "verdict", "top_genes")


def interactions(
    run: Run,
    out: Annotated[Path, typer.Option(metavar="FILE.csv", help="The file to write.")],
    common: Common,
    labels: Annotated[
        list[str] | None,
        typer.Option(
            "--perturbation",
            "-p",
            metavar="LABEL",
            help="KLF1+SET; repeatable. All pairs of measured members when left out.",
        ),
    ] = None,
    level: Annotated[float, typer.Option(help="Level of the intervals, in 0…1.")] = 0.9,
    top: Annotated[
        int | None, typer.Option(min=1, metavar="N", help="Write only the first N combinations.")
    ] = None,
    modality: Modality = None,
    genes: Annotated[
        int | None,
        typer.Option(
            min=1,
            metavar="N",
            help="Genes of each combination, those that interact most. As many as fit into "
            "250,000 rows when left out.",
        ),
    ] = None,
) -> None:
    """Rank combinations by what they do beyond the sum of their members.

    FILE.csv has a row per combination and gene; FILE.pairs.csv beside it one per combination.
    """
    from gpjepa.api.interactions_run import interactions_file

    summary = interactions_file(
        run, out, labels or [], level, top, common.run_options(), genes, modality
    )
    if common.json:
        print_json(summary)
        return
    print_table(summary["combinations"][:SHOWN], COLUMNS)
    print_summary(summary)
