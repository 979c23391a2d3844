from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
import torch

from gpjepa.data.vocabulary import Vocabulary
from gpjepa.inference.calibration import COMBINATION, FEWEST, NOVEL
from gpjepa.training.calibrate import LEARNED, calibrate, choose_source
from gpjepa.training.measured_effects import MeasuredEffects

G = 30
GATED = np.arange(G) < 20


def effects_of(labels, effect: np.ndarray) -> MeasuredEffects:
    error = np.full(effect.shape, 0.1)
    return MeasuredEffects(tuple(labels), effect, error, np.full(G, 0.1), np.full(len(labels), 50))


class Judge:
    """A validation whose model scales the shift of novel members by its `novel_scale`."""

    def __init__(self, labels, truth, predicted, measured) -> None:
        self.observed = effects_of(labels, truth)
        self.predicted, self.measured = predicted, np.asarray(measured, bool)

    def predict(self, model) -> np.ndarray:
        scale = float(model.condition.novel_scale)
        return self.predicted * np.where(self.measured, 1.0, scale)[:, None]


def fake_model(supported: bool | None = None) -> SimpleNamespace:
    """Return a model; `supported` says what left-out singles say of relations, None has none."""
    scales = {"novel_scale": torch.tensor(1.0), "feature_trust": torch.tensor(1.0)}
    composition = None
    if supported is not None:
        composition = SimpleNamespace(
            supported=torch.tensor(supported),
            genes=torch.from_numpy(np.flatnonzero(GATED)),
            spread=lambda members: torch.full((len(members), int(GATED.sum())), torch.nan),
        )
    predictor = SimpleNamespace(composition=composition)
    return SimpleNamespace(condition=SimpleNamespace(**scales), predictor=predictor)


def draw(rows: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(0.0, 1.0, (rows, G))


SINGLES = ("A", "B", "C", "D")
TRAINING = effects_of(SINGLES, draw(4, 9))
VOCABULARY = Vocabulary((*SINGLES, "X", "Y", "Z", "W"), 4)


def test_errors_are_judged_on_gated_genes_by_kind() -> None:
    truth, wrong = draw(10), 0.3 * draw(10, 1)
    wrong[:, ~GATED] = 1e6
    judge = Judge([f"X{i}" for i in range(10)], truth, truth - wrong, [True] * 10)
    found = calibrate(fake_model(), judge, TRAINING, VOCABULARY, GATED)
    assert found.perturbations == 10
    assert found.calibrated
    own = found.error_model(NOVEL)
    assert own.perturbations == 10
    assert NOVEL in found.choices
    assert COMBINATION not in found.errors
    assert (
        found.choice(NOVEL).errors["model"] < 0.4 * np.linalg.norm(truth[:, GATED], axis=1).mean()
    )


def test_few_validation_perturbations_are_marked_uncalibrated() -> None:
    for rows in (FEWEST - 1, FEWEST):
        judge = Judge([f"X{i}" for i in range(rows)], draw(rows), draw(rows, 1), [True] * rows)
        found = calibrate(fake_model(), judge, TRAINING, VOCABULARY, GATED)
        assert found.calibrated is (rows >= FEWEST)


def test_without_validation_perturbations_nothing_is_calibrated_or_supported() -> None:
    judge = Judge([], np.zeros((0, G)), np.zeros((0, G)), [])
    found = calibrate(fake_model(), judge, TRAINING, VOCABULARY, GATED)
    assert (found.perturbations, found.supports_interactions, found.supports_novel) == (
        0,
        False,
        False,
    )
    assert not found.calibrated
    assert found.evidence.labels == SINGLES


def test_a_rival_that_is_closer_beyond_noise_takes_the_models_place() -> None:
    truth = draw(12)
    near, far = truth + 0.1 * draw(12, 1), truth + 0.5 * draw(12, 2)
    found = choose_source(far, {"sum": near, "no change": 0.0 * truth}, truth, GATED)
    assert found.source == "sum"
    assert found.errors["sum"] < found.errors["model"] - found.margin
    assert choose_source(near, {"sum": far}, truth, GATED).source == "model"


def test_relations_that_hold_on_training_singles_give_way_to_plain_evidence_only() -> None:
    truth = np.random.default_rng(0).normal(size=(8, 4))
    off = np.linspace(1.0, 3.0, 8)[:, None]
    model, rival = truth + off, {"no change": truth + off - 0.3 * (off > 2.0)}

    def source(rows: int, *proof) -> str:
        part = {name: each[:rows] for name, each in rival.items()}
        return choose_source(model[:rows], part, truth[:rows], np.ones(4, bool), *proof).source

    assert source(8) == source(8, LEARNED) == "no change"
    close = {"no change": truth + off - np.where(np.arange(8)[:, None] == 7, 1.0, 0.02)}
    paired = (model, close, truth, np.ones(4, bool))
    assert choose_source(*paired).source == "no change"
    assert choose_source(*paired, LEARNED).source == "model"
    few = (model[-4:], {"no change": truth[-4:]}, truth[-4:], np.ones(4, bool))
    assert choose_source(*few).source == "no change"
    assert choose_source(*few, LEARNED).source == "model"


def test_a_rival_within_noise_or_on_two_perturbations_does_not() -> None:
    truth = draw(12)
    one, other = truth + draw(12, 1), truth + draw(12, 2)
    sources = {
        choose_source(a, {"sum": b}, truth, GATED).source for a, b in ((one, other), (one, one))
    }
    assert sources == {"model"}
    assert choose_source(one[:2], {"sum": truth[:2]}, truth[:2], GATED).source == "model"


def test_novel_members_are_trusted_as_far_as_validation_shows() -> None:
    truth = draw(6)
    scales = []
    for factor in (1.0, 2.5):
        judge = Judge(list("UVWXYZ"), truth, factor * truth, [False] * 6)
        model = fake_model()
        assert calibrate(model, judge, TRAINING, VOCABULARY, GATED).supports_novel
        scales.append(float(model.condition.novel_scale))
    assert scales == pytest.approx([1.0, 0.4], abs=0.21)
    assert scales[0] > scales[1]


def test_novel_members_that_predict_nothing_right_are_not_trusted() -> None:
    judge = Judge(list("UVWXYZ"), draw(6), draw(6, 1), [False] * 6)
    model = fake_model()
    assert not calibrate(model, judge, TRAINING, VOCABULARY, GATED).supports_novel
    assert float(model.condition.novel_scale) <= 0.2


def test_two_novel_perturbations_are_too_few_to_be_believed() -> None:
    truth = draw(2)
    judge = Judge(["X", "Y"], truth, truth, [False, False])
    assert not calibrate(fake_model(), judge, TRAINING, VOCABULARY, GATED).supports_novel


def sums() -> np.ndarray:
    return np.stack([TRAINING.effect[0] + TRAINING.effect[i] for i in (1, 2, 3)])


@pytest.mark.parametrize(("share", "believed"), [(1.0, True), (-1.0, False), (0.0, False)])
def test_interactions_are_believed_when_they_beat_the_sum_of_singles(
    share: float, believed: bool
) -> None:
    beyond = draw(3, 4)
    predicted = sums() + share * beyond
    judge = Judge(["A+B", "A+C", "A+D"], sums() + beyond, predicted, [True] * 3)
    found = calibrate(fake_model(), judge, TRAINING, VOCABULARY, GATED)
    assert found.supports_interactions is believed


def test_two_combinations_are_too_few_to_believe_interactions() -> None:
    truth = (sums() + draw(3, 4))[:2]
    judge = Judge(["A+B", "A+C"], truth, truth, [True] * 2)
    assert not calibrate(fake_model(), judge, TRAINING, VOCABULARY, GATED).supports_interactions


@pytest.mark.parametrize(
    ("supported", "rows", "error", "believed"),
    [(True, 2, 9.0, True), (False, 2, 0.1, False), (True, 8, 0.1, True), (True, 8, 9.0, False)],
)
def test_relations_are_believed_where_left_out_singles_and_validation_agree(
    supported: bool, rows: int, error: float, believed: bool
) -> None:
    class Placed(Judge):
        def predict(self, model) -> np.ndarray:
            return self.predicted

    names = [f"N{index}" for index in range(rows)]
    truth = draw(rows)
    judge = Placed(names, truth, truth + error * draw(rows, 1), [False] * rows)
    vocabulary = Vocabulary((*SINGLES, *names), 4)
    found = calibrate(fake_model(supported), judge, TRAINING, vocabulary, GATED)
    assert found.supports_novel is believed
