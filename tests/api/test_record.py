from __future__ import annotations

from gpjepa.api.record import COLUMNS, TrainingRecord
from gpjepa.training.checkpoint import Progress

ROW = {
    "stage": "fit",
    "epoch": 1.0,
    "step": 5,
    "set": "train",
    "term": "nb",
    "value": 2.0,
    "weighted": 4.0,
}


def test_a_record_tells_how_a_stage_ended() -> None:
    progress = Progress(step=9, best_score=0.5, best_step=5, seconds=2.5, history=[ROW, ROW])
    found = TrainingRecord.of(progress)
    assert (found.steps, found.best_step, found.best_score, found.seconds) == (9, 5, 0.5, 2.5)
    assert tuple(found.history.columns) == COLUMNS
    assert found.history.iloc[0].to_dict() == ROW


def test_without_a_score_no_step_is_best() -> None:
    found = TrainingRecord.of(Progress(step=9))
    assert (found.best_step, found.best_score) == (None, None)
    assert tuple(found.history.columns) == COLUMNS
    assert len(found.history) == 0
