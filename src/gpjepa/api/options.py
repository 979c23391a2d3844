"""What the caller of a workflow chooses beside data and settings."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from lightning_fabric import Fabric

from gpjepa.core.ranks import started_by
from gpjepa.core.threads import set_threads
from gpjepa.data.perturbseq import PerturbSeq, read
from gpjepa.training.pipeline import Session
from gpjepa.training.processes import ANSWER, StrategyName, open_fabric
from gpjepa.training.stage import Outlook


@dataclass(frozen=True)
class RunOptions:
    """How a workflow runs.

    Seed, device ("auto", "cpu", "cuda"), CPU threads, overwriting, progress bars, whether what
    was detected is announced, and the command line that is kept with the result. Of several
    processes: whether parameters are cut among them ("fsdp"), and how many seconds one waits for
    another within a step.
    """

    seed: int = 0
    device: str = "auto"
    threads: int | None = None
    force: bool = False
    progress: bool = False
    announce: bool = True
    command: str | None = None
    strategy: StrategyName = "auto"
    answer: float = ANSWER
    backed: bool | None = None  # counts stay on disk; None: where they are large

    def open_fabric(self) -> Fabric:
        """Return what the run computes on, joined with the other processes of it if there are."""
        return open_fabric(self.device, self.strategy, self.answer)

    def apply_threads(self, genes: int | None = None) -> None:
        """Set the number of CPU threads: the one chosen, else one for panels below 2,000 genes."""
        set_threads(genes, self.threads)


@dataclass(frozen=True)
class RoleOptions:
    """Columns and labels of a data file; None is detected."""

    perturbation: str | None = None
    control: str | None = None
    layer: str | None = None
    library: str | None = None
    batch: str | None = None
    cell_type: str | None = None
    dose: str | None = None
    modality: str | None = None

    def read(
        self, source: str | Sequence[str], announce: bool = True, backed: bool | None = None
    ) -> PerturbSeq:
        """Read a file, or several as one, with these roles."""
        return read(source, **asdict(self), announce=announce, backed=backed)


@contextmanager
def training_session(
    options: RunOptions, folder: Path, identity: str, resume: bool
) -> Iterator[Session]:
    """Open what a stage is run with, drawing progress when asked to."""
    with _watching(options.progress and started_by()[1].first) as watch:
        yield Session(
            fabric=options.open_fabric(),
            seed=options.seed,
            threads=options.threads,
            folder=folder,
            resume=resume,
            watch=watch,
            identity=identity,
        )


@contextmanager
def _watching(enabled: bool) -> Iterator[Callable[[Outlook], None] | None]:
    """Draw a bar per stage with loss and cells per second on stderr."""
    if not enabled:
        yield None
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

    columns = (
        TextColumn("{task.description:<8}"),
        BarColumn(),
        TextColumn("{task.completed}/{task.total}"),
        TextColumn("loss {task.fields[loss]:9.2f}"),
        TextColumn("{task.fields[rate]:7.0f} cells/s"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True)) as progress:
        tasks: dict[str, TaskID] = {}

        def watch(outlook: Outlook) -> None:
            if outlook.stage not in tasks:
                tasks[outlook.stage] = progress.add_task(
                    outlook.stage, total=outlook.steps, loss=0.0, rate=0.0
                )
            progress.update(
                tasks[outlook.stage],
                completed=outlook.step,
                loss=outlook.loss,
                rate=outlook.cells_per_second,
            )

        yield watch
