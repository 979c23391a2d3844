"""`gpjepa benchmark`: the product's own benchmarks on embedded and simulated data."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from gpjepa.cli.options import Common, ConfigFile, Settings, read_config
from gpjepa.cli.output import print_json, print_table

Name = Annotated[
    str,
    typer.Argument(
        metavar="NAME",
        help="norman-distances, norman-effects, norman-k562, norman-singles, papalexi-thp1, "
        "kang-pbmc, semi-synthetic, simulated; all of them: all; their one table: table; the model "
        "without each of its parts: ablations, lambda-sweep, few-labels, each also with "
        "-semi-synthetic; with a table from the same cells: cells-and-table; its "
        "latent heads: heads; planners against the best of all sets: planning.",
    ),
]
Seeds = Annotated[int, typer.Option(min=1, help="How many seeds: 0, 1, …")]
Only = Annotated[
    list[str] | None,
    typer.Option("--only", metavar="PART", help="Run this part alone, such as 'no JEPA'; repeat."),
]
Workers = Annotated[int, typer.Option(min=0, help="Processes side by side; 0: one a core.")]
Folder = Annotated[
    Path | None,
    typer.Option("--cache", metavar="DIR", help="Where results are kept; else the user's cache."),
]
NoCache = Annotated[bool, typer.Option("--no-cache", help="Run everything, keep nothing.")]
Markdown = Annotated[bool, typer.Option("--markdown", help="One table in Markdown.")]
From = Annotated[
    Path | None,
    typer.Option("--from", metavar="FILE", help="A document of --json, in place of running."),
]


def benchmark(
    name: Name,
    common: Common,
    seeds: Seeds = 3,
    workers: Workers = 0,
    cache: Folder = None,
    no_cache: NoCache = False,
    only: Only = None,
    markdown: Markdown = False,
    source: From = None,
    config: ConfigFile = None,
    settings: Settings = None,
) -> None:
    """Train and score over seeds, baselines, floors and ceilings beside the model."""
    from gpjepa.benchmark.cache import Cache, default_folder
    from gpjepa.benchmark.run import run_benchmarks
    from gpjepa.benchmark.table import markdown as in_markdown

    common.run_options().apply_threads()
    if source is not None:
        found = _kept(source)
    else:
        found = run_benchmarks(
            ["all" if name == "table" else name],
            seeds,
            read_config(config, settings),
            device=common.device,
            workers=workers,
            cache=None if no_cache else Cache(cache or default_folder()),
            tell=_tell(common.quiet),
            only=only or (),
        )
    if common.json:
        print_json(found)
    elif markdown or name == "table":
        print(in_markdown(found["benchmarks"]))
    else:
        for document in found["benchmarks"]:
            _print(document)


def _kept(path: Path) -> Mapping[str, Any]:
    """Return the document that an earlier run printed; raise `DataError` for another file."""
    from gpjepa.core.errors import DataError
    from gpjepa.core.files import read_json

    try:
        found = read_json(path)
    except (OSError, ValueError) as error:
        found, reason = None, str(error)
    else:
        reason = "it has no benchmarks"
    if isinstance(found, dict) and "benchmarks" in found:
        return found
    raise DataError(
        f"{str(path)!r} cannot be read as results ({reason}); expected what gpjepa benchmark "
        "--json printed; write it with gpjepa benchmark NAME --json > FILE"
    )


def _tell(quiet: bool) -> Any:
    """Return what progress is told to: standard error, or nothing."""
    return (lambda text: None) if quiet else (lambda text: print(text, file=sys.stderr, flush=True))


def _print(document: Mapping[str, Any]) -> None:
    """Print one benchmark for people."""
    from gpjepa.benchmark.paired import legend
    from gpjepa.benchmark.table import wide

    kept = sum(job["cached"] for job in document["jobs"])
    note = f", {kept} of {len(document['jobs'])} results cached" if kept else ""
    spent = f"{document['seconds']} s of one core{note}"
    print(f"{document['benchmark']}: {document['title']}; {document['seeds']} seeds, {spent}")
    rows = wide(document)
    print_table(rows, list(rows[0]))
    if "paired" in document:
        print(legend(document))
