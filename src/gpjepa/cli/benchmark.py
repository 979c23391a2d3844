"""`gpjepa benchmark`: the product's own benchmarks on embedded data."""

from __future__ import annotations

from typing import Annotated

import typer

from gpjepa.cli.options import Common, ConfigFile, Settings, read_config
from gpjepa.cli.output import print_json, print_table

Name = Annotated[
    str, typer.Argument(metavar="NAME", help="norman-k562, papalexi-thp1 or kang-pbmc.")
]
Seeds = Annotated[int, typer.Option(min=1, help="How many seeds: 0, 1, …")]


def benchmark(
    name: Name,
    common: Common,
    seeds: Seeds = 3,
    config: ConfigFile = None,
    settings: Settings = None,
) -> None:
    """Train and score over seeds, baselines and ceilings beside the model."""
    from gpjepa.benchmark.run import run_benchmark

    common.run_options().apply_threads()
    found = run_benchmark(name, seeds, read_config(config, settings), common.device)
    if common.json:
        print_json(found)
        return
    print(f"{found['benchmark']}: {found['title']}; {seeds} seeds, {found['seconds']} s")
    print_table(found["table"], list(found["table"][0]))
