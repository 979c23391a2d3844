"""What the command line asks a plan for: files and names, made into a goal and constraints."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gpjepa.api.goal_cells import CELL_TYPE
from gpjepa.api.goal_files import read_weights
from gpjepa.api.goals import Direction, Signature
from gpjepa.api.options import RoleOptions
from gpjepa.api.plan_space import ALL, Constraints
from gpjepa.api.run import read_data_record
from gpjepa.core.errors import ConfigError, DataError, listed
from gpjepa.data.anndata_io import open_anndata
from gpjepa.data.labels import is_control_name
from gpjepa.data.perturbseq import PerturbSeq
from gpjepa.data.several import all_sources

CHOICES = ("--goal", "--goal-condition", "--goal-cell-type", "--signature", "--away-from")


@dataclass(frozen=True)
class GoalRequest:
    """A goal as files and names; one of the first five, `towards` beside `away_from`."""

    file: Path | None = None
    condition: str | None = None
    cell_type: str | None = None
    signature: Path | None = None
    away_from: str | None = None
    towards: str | None = None
    start: Path | None = None
    context: str | None = None
    data: str | None = None

    def goal(self) -> Any:
        """Return the goal as `virtual_screen_perturbations` takes it.

        Raises `ConfigError` unless exactly one is given, `DataError` for files that cannot be used.
        """
        given = (self.file, self.condition, self.cell_type, self.signature, self.away_from)
        named = [choice for choice, value in zip(CHOICES, given, strict=True) if value is not None]
        if (self.towards is None) != (self.away_from is None):
            raise ConfigError(
                "a direction has two ends; expected --away-from and --towards; give both"
            )
        if len(named) != 1:
            raise ConfigError(
                f"{len(named)} goals are given ({', '.join(named) or 'none'}); expected one of "
                f"{', '.join(CHOICES)}; say where to"
            )
        if self.file is not None:
            return open_anndata(self.file)
        if self.signature is not None:
            return Signature(read_weights(self.signature))
        if self.away_from is not None and self.towards is not None:
            return Direction(_end(self.away_from), _end(self.towards))
        return self.condition if self.cell_type is None else CELL_TYPE + self.cell_type

    def cells(self, run: Path) -> PerturbSeq | None:
        """Return the data that names are looked up in; None where no name needs them.

        They are the run's training file, or `data`. Raises `DataError` where it is not there.
        """
        names = [self.condition, self.cell_type, self.away_from, self.towards]
        names = [name for name in names if name and not Path(name).is_file()]
        if not names or all(is_control_name(str(name)) for name in names):
            return None
        recorded = (run / "data.json").exists()
        if not recorded and self.data is None:
            raise DataError(
                f"run {str(run)!r} does not record its data, where {names[0]!r} would be found; "
                "expected the file; say where it is with --data"
            )
        roles, files = RoleOptions(), [str(self.data)]
        if recorded:
            record = read_data_record(run)
            roles, files = RoleOptions(**record.roles), files if self.data else record.paths
        files = all_sources(files)
        if not all(Path(path).exists() for path in files):
            raise DataError(
                f"the file {listed(map(repr, files))}, where {names[0]!r} would be found, is not "
                "there; expected the data of the run; say where they are with --data"
            )
        return roles.read(files, announce=False)


@dataclass(frozen=True)
class SetRequest:
    """Constraints as files and names; an item of a list may be a file with one gene a line."""

    max_size: int = 2
    min_size: int = 1
    candidates: Sequence[str] = ()
    forbidden: Sequence[str] = ()
    required: Sequence[str] = ()
    cost: Path | None = None
    most_cost: float | None = None
    essential: Sequence[str] = ()
    modality: str | None = None

    def constraints(self) -> Constraints:
        """Return the constraints; raise `DataError` for files that cannot be used."""
        named = _listed(self.candidates)
        candidates: Sequence[str] | str | None = named
        if not self.candidates:
            candidates = None
        elif list(self.candidates) == [ALL]:
            candidates = ALL
        return Constraints(
            max_size=self.max_size,
            min_size=self.min_size,
            candidates=candidates,
            forbidden=_listed(self.forbidden),
            required=self.required,
            cost=None if self.cost is None else read_weights(self.cost),
            most_cost=float("inf") if self.most_cost is None else self.most_cost,
            essential=_listed(self.essential),
        )


def _end(given: str) -> Any:
    """Return one end of a direction: the cells of a file, or a name."""
    return open_anndata(given) if Path(given).is_file() else given


def _listed(items: Sequence[str]) -> list[str]:
    """Return the names, split at commas; a file stands for the first words of its lines."""
    found: list[str] = []
    for item in items:
        path = Path(item)
        if not path.is_file():
            found += [name.strip() for name in item.split(",")]
            continue
        try:
            lines = path.read_text(encoding="utf-8").splitlines()
        except UnicodeDecodeError as error:
            raise DataError(
                f"file {item!r} is not text ({error}); expected one gene a line"
            ) from error
        words = [line.replace("\t", ",").split(",")[0].strip() for line in lines]
        found += [word for word in words if word and not word.startswith("#")]
    return found
