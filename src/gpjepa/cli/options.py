"""Options that several verbs share, each defined once."""

from __future__ import annotations

import shlex
import sys
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from gpjepa.core.ranks import started_by

if TYPE_CHECKING:
    from gpjepa.api.workflow import RoleOptions, RunOptions
    from gpjepa.core.config import Config

_EVERYWHERE = "Everywhere"
_PROCESSES = "Several processes (started by torchrun or srun)"
_ROLES = "Roles (detected and printed when not given)"

Sources = Annotated[
    list[Path],
    typer.Argument(
        metavar="DATA...",
        help='Files of raw counts, "a pattern" or a directory; several are joined by gene name.',
    ),
]
Run = Annotated[Path, typer.Argument(metavar="RUN", help="A run directory made by train.")]
Settings = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="SECTION.KEY=VALUE", help="Change one setting; repeatable."),
]
ConfigFile = Annotated[
    Path | None, typer.Option("--config", metavar="FILE.toml", help="Settings to start from.")
]

OnDisk = Annotated[
    bool | None,
    typer.Option(
        "--on-disk/--in-memory",
        help="Leave the counts on disk, or read them whole; by their size when not given.",
        rich_help_panel=_ROLES,
        show_default=False,
    ),
]
Features = Annotated[
    list[Path] | None,
    typer.Option(
        metavar="TABLE",
        help="CSV, TSV, parquet or npz of perturbed genes, keyed by symbol; repeatable.",
    ),
]
Modality = Annotated[
    str | None,
    typer.Option(metavar="NAME", help="CRISPRa, CRISPRi, …; the gene's commonest when left out."),
]
Split = Annotated[
    str,
    typer.Option(
        metavar="SCHEME",
        help="unseen-perturbation, unseen-combination, unseen-context, gears, cells, none, "
        "an obs column or FILE.json.",
    ),
]


@dataclass(frozen=True)
class Common:
    """What every verb takes."""

    json: Annotated[
        bool,
        typer.Option("--json", help="One JSON document on stdout.", rich_help_panel=_EVERYWHERE),
    ] = False
    seed: Annotated[
        int, typer.Option(min=0, help="Seed of all draws.", rich_help_panel=_EVERYWHERE)
    ] = 0
    device: Annotated[
        Literal["auto", "cpu", "cuda"],
        typer.Option(help="Where tensors live.", rich_help_panel=_EVERYWHERE),
    ] = "auto"
    threads: Annotated[
        int | None,
        typer.Option(min=1, help="CPU threads to use.", rich_help_panel=_EVERYWHERE),
    ] = None
    quiet: Annotated[
        bool,
        typer.Option("--quiet", help="No progress, no notes.", rich_help_panel=_EVERYWHERE),
    ] = False
    force: Annotated[
        bool,
        typer.Option("--force", help="Overwrite the output.", rich_help_panel=_EVERYWHERE),
    ] = False

    def run_options(self) -> RunOptions:
        """Return the options in the form of the API; progress is drawn on a terminal only."""
        from gpjepa.api.workflow import RunOptions

        return RunOptions(
            seed=self.seed,
            device=self.device,
            threads=self.threads,
            force=self.force,
            progress=sys.stderr.isatty() and not self.quiet,
            announce=not self.quiet and started_by()[1].first,
            command=shlex.join(["gpjepa", *sys.argv[1:]]),
        )


@dataclass(frozen=True)
class Processes:
    """How the processes that torchrun or srun started train together."""

    strategy: Annotated[
        Literal["auto", "ddp", "fsdp"],
        typer.Option(
            help="ddp (auto): each has all parameters; fsdp: a part of them.",
            rich_help_panel=_PROCESSES,
        ),
    ] = "auto"
    answer_within: Annotated[
        float,
        typer.Option(
            min=1.0,
            metavar="SECONDS",
            help="A process silent for longer within a step ends the run.",
            rich_help_panel=_PROCESSES,
        ),
    ] = 60.0

    def into(self, options: RunOptions) -> RunOptions:
        """Return the options of a run with these."""
        return replace(options, strategy=self.strategy, answer=self.answer_within)


@dataclass(frozen=True)
class Roles:
    """Which columns and labels of a data file mean what."""

    perturbation: Annotated[
        str | None,
        typer.Option(metavar="COLUMN", help="obs column of labels.", rich_help_panel=_ROLES),
    ] = None
    control: Annotated[
        str | None,
        typer.Option(metavar="LABEL", help="Label of control cells.", rich_help_panel=_ROLES),
    ] = None
    layer: Annotated[
        str | None,
        typer.Option(metavar="LAYER", help="Layer of raw counts.", rich_help_panel=_ROLES),
    ] = None
    library: Annotated[
        str | None,
        typer.Option(metavar="COLUMN", help="obs column of total counts.", rich_help_panel=_ROLES),
    ] = None
    batch: Annotated[
        str | None,
        typer.Option(
            metavar="COLUMN",
            help="obs column of batches; file: each of several files is one.",
            rich_help_panel=_ROLES,
        ),
    ] = None
    cell_type: Annotated[
        str | None,
        typer.Option(metavar="COLUMN", help="obs column of cell types.", rich_help_panel=_ROLES),
    ] = None
    dose: Annotated[
        str | None,
        typer.Option(metavar="COLUMN", help="obs column of doses.", rich_help_panel=_ROLES),
    ] = None
    modality: Annotated[
        str | None,
        typer.Option(
            metavar="COLUMN", help="obs column of CRISPRa, CRISPRi, KO.", rich_help_panel=_ROLES
        ),
    ] = None

    def role_options(self) -> RoleOptions:
        """Return the roles in the form of the API."""
        from gpjepa.api.workflow import RoleOptions

        return RoleOptions(**asdict(self))


def read_config(file: Path | None, settings: list[str] | None) -> Config:
    """Return the configuration of `file`, or the default one, with `settings` applied.

    Raises `ConfigError` for an unknown key or a value out of range.
    """
    from gpjepa.core.config import Config

    base = Config() if file is None else Config.from_toml(file)
    return base.override(settings or [])


def source_of(files: list[Path]) -> str | list[str]:
    """Return one file as it is, several as a list."""
    return str(files[0]) if len(files) == 1 else [str(file) for file in files]
