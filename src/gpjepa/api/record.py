"""What a training call returns."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from gpjepa.training.checkpoint import Progress

if TYPE_CHECKING:
    from pandas import DataFrame

COLUMNS = ("stage", "epoch", "step", "set", "term", "value", "weighted")


@dataclass(frozen=True, eq=False)
class TrainingRecord:
    """The history of a stage and how it ended.

    `history`: stage, epoch, step, set (train, validation), term, value, weighted.
    """

    history: DataFrame
    steps: int
    best_step: int | None
    best_score: float | None
    seconds: float

    @staticmethod
    def of(progress: Progress) -> TrainingRecord:
        """Make a record of a finished stage."""
        import pandas

        chosen = progress.best_step if progress.best_score is not None else None
        return TrainingRecord(
            pandas.DataFrame(progress.history, columns=list(COLUMNS)),
            progress.step,
            chosen,
            progress.best_score,
            progress.seconds,
        )
