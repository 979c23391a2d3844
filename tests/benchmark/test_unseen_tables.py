from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy.sparse import csr_matrix

from gpjepa.benchmark import unseen_tables
from gpjepa.benchmark.held_out import listed_split
from gpjepa.benchmark.scores import effect_rows
from gpjepa.benchmark.task import MODEL
from gpjepa.data.perturbseq import PerturbSeq, read
from gpjepa.evaluation.baselines_simple import NoChange

GROUP = "left out"


@pytest.fixture(scope="module")
def data(tiny) -> PerturbSeq:
    return read(tiny.make_cells(labels=tiny.SINGLES, control=400, perturbed=200), announce=False)


@pytest.fixture
def learned_from(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, ...]]:
    """Let a model of no change stand in; return the training labels that it was given."""
    given: list[tuple[str, ...]] = []

    def rules(training, features, seed):
        given.append(training.labels)
        return (NoChange(training, name=MODEL), NoChange(training), _Mean(training))

    monkeypatch.setattr(unseen_tables, "rules", rules)
    return given


class _Mean:
    name = "training mean"

    def __init__(self, training) -> None:
        self.mean = training.effects.mean(axis=0)

    def effects(self, labels) -> np.ndarray:
        return np.tile(self.mean, (len(labels), 1))


def test_each_target_is_left_out_alone_and_all_are_one_group(data, learned_from) -> None:
    splits = [listed_split(data, (target,), 0) for target in ("A", "B")]
    found = unseen_tables.score_unseen(data, splits, GROUP, 0)
    assert [set(labels) for labels in learned_from] == [set("BCDEF"), set("ACDEF")]
    rows = found[(found.metric == "l2_over_no_change") & (found.model == MODEL)]
    assert set(found.group) == {GROUP}
    assert rows.n.item() == 2
    assert rows.value.item() == pytest.approx(1.0)
    assert set(rows["each"].item()) == {"A", "B"}


def test_prediction_and_truth_have_halves_of_the_controls_of_their_own(data, learned_from) -> None:
    split = listed_split(data, ("A", "B"), 0)
    kept = np.isin(data.cells.astype(str), sorted(split.truth_controls))
    plain = unseen_tables.held_out(data, split, 0)
    for half, moves_truth in ((kept, True), (data.is_control & ~kept, False)):
        twice = 1.0 + half[:, None] * (data.genes == "gene3")[None, :]
        changed = replace(data, counts=csr_matrix(data.counts.multiply(twice), dtype=np.float32))
        found = unseen_tables.held_out(changed, split, 0)
        truth, mean = found.observed - plain.observed, found.mean - plain.mean
        # log1p of twice as many: each effect of that gene sinks alike
        moved, still = (truth, mean[None]) if moves_truth else (mean[None], truth)
        assert np.ptp(moved, axis=0).max() < 1e-9
        assert (moved < -0.3).any(axis=0).sum() == 1
        assert np.abs(still).max() < 1e-9


def test_the_better_of_no_change_and_the_mean_is_chosen_once_for_the_group() -> None:
    truth = np.array([[1.0, 0.0], [0.0, 4.0]])
    predicted = {
        MODEL: truth / 2,
        "no change": np.zeros((2, 2)),
        "training mean": np.array([[1.0, 1.0], [1.0, 1.0]]),
    }
    found = effect_rows(GROUP, predicted, truth, np.ones(2), ["A", "B"])
    rows = unseen_tables.over_better(found, GROUP).set_index("model")
    # no change is off by 1 and 4, the mean by 1 and √10: the mean is closer on average
    assert rows.value["training mean"] == pytest.approx(1.0)
    assert rows["each"][MODEL] == pytest.approx({"A": 0.5, "B": 2 / np.sqrt(10)})
    assert rows.value[MODEL] == pytest.approx((0.5 + 2 / np.sqrt(10)) / 2)
