"""`gpjepa evaluate`: predictions against held-out cells."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from gpjepa.cli.options import Common
from gpjepa.cli.output import print_json, print_note, print_summary, print_table


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
    metric: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help="Compute this metric only; repeatable."),
    ] = None,
    values: Annotated[
        Literal["counts", "mean counts", "log1p"],
        typer.Option(help="What the predicted X holds; means need --metric."),
    ] = "counts",
) -> None:
    """Score a run, or any predicted cells, beside baselines and the data's own ceiling."""
    from gpjepa.api.workflow import evaluate_files, evaluate_run

    if run is not None:
        if predicted or observed or train:
            raise typer.BadParameter("give either RUN or --predicted and --observed, not both")
        if metric or values != "counts":
            raise typer.BadParameter("--metric and --values go with --predicted and --observed")
        scores = evaluate_run(run, out, None if data is None else str(data), common.run_options())
    elif predicted is not None and observed is not None:
        options = common.run_options()
        scores = evaluate_files(predicted, observed, train, out, options, metric or (), values)
    else:
        raise typer.BadParameter("give RUN, or both --predicted and --observed")
    _print(scores, common)


def _print(scores: dict[str, Any], common: Common) -> None:
    if common.json:
        print_json(scores)
        return
    headline = scores["headline"]
    if isinstance(headline, str):
        print(headline)
    elif headline:
        print_table(headline, list(headline[0]))
    for note in scores["notes"]:
        print_note(f"note: {note}", common.quiet)
    print_summary({key: scores[key] for key in ("evaluation", "out") if key in scores})
