"""What a training call returns."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from gpjepa.training.checkpoint import Progress
from gpjepa.training.escalation import HeadChoice

if TYPE_CHECKING:
    from pandas import DataFrame

COLUMNS = ("stage", "epoch", "step", "set", "term", "value", "weighted")


@dataclass(frozen=True, eq=False)
class TrainingRecord:
    """The history of a stage and how it ended.

    `history`: stage, epoch, step, set (train, validation), term, value, weighted. `head` says which
    latent head was chosen and why, where there was a choice.
    """

    history: DataFrame
    steps: int
    best_step: int | None
    best_score: float | None
    seconds: float
    head: HeadChoice | None = None

    @staticmethod
    def of(progress: Progress, *later: Progress, head: HeadChoice | None = None) -> TrainingRecord:
        """Make a record of a finished stage, with stages that came after the chosen parameters."""
        import pandas

        chosen = progress.best_step if progress.best_score is not None else None
        return TrainingRecord(
            pandas.DataFrame(
                [row for each in (progress, *later) for row in each.history],
                columns=list(COLUMNS),
            ),
            progress.step + sum(each.step for each in later),
            chosen,
            progress.best_score,
            progress.seconds + sum(each.seconds for each in later),
            head,
        )
