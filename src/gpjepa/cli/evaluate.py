"""`gpjepa evaluate`: predictions against held-out cells."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from gpjepa.cli.options import Common
from gpjepa.cli.output import print_json, print_summary, print_table

_COLUMNS = ("axis", "metric", "model", "value", "low", "high", "floor", "ceiling", "skill", "n")


def evaluate(
    common: Common,
    run: Annotated[
        Path | None, typer.Argument(metavar="[RUN]", help="Score this run's own held-out cells.")
    ] = None,
    data: Annotated[
        Path | None, typer.Option(metavar="DATA", help="The run's data file, when it moved.")
    ] = None,
    predicted: Annotated[
        Path | None, typer.Option(metavar="FILE.h5ad", help="Anyone's predicted cells.")
    ] = None,
    observed: Annotated[
        Path | None, typer.Option(metavar="FILE.h5ad", help="Observed cells and controls.")
    ] = None,
    train: Annotated[
        Path | None, typer.Option(metavar="FILE.h5ad", help="Training cells, for baselines.")
    ] = None,
    out: Annotated[Path | None, typer.Option(metavar="DIR", help="Where the metrics go.")] = None,
) -> None:
    """Score a run, or any predicted cells, beside baselines and the data's own ceiling."""
    from gpjepa.api.workflow import evaluate_files, evaluate_run

    if run is not None:
        if predicted or observed or train:
            raise typer.BadParameter("give either RUN or --predicted and --observed, not both")
        scores = evaluate_run(run, out, None if data is None else str(data), common.run_options())
    elif predicted is not None and observed is not None:
        scores = evaluate_files(predicted, observed, train, out, common.run_options())
    else:
        raise typer.BadParameter("give RUN, or both --predicted and --observed")
    _print(scores, common.json)


def _print(scores: dict[str, Any], as_json: bool) -> None:
    if as_json:
        print_json(scores)
        return
    means = [row for row in scores.get("table", []) if row.get("perturbation") == "all"]
    if means:
        print_table(means, _COLUMNS)
    print_summary(scores)
