from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
import torch

from gpjepa.data.vocabulary import Vocabulary
from gpjepa.inference.calibration import Calibration
from gpjepa.training import finish as module
from gpjepa.training.finish import finish
from gpjepa.training.measured_effects import MeasuredEffects

G = 4


def effects(labels) -> MeasuredEffects:
    size = (len(labels), G)
    return MeasuredEffects(
        tuple(labels), np.ones(size), np.ones(size), np.ones(G), np.ones(len(labels), int)
    )


class Network(torch.nn.Module):
    """Stands for a world model: a composition, a head and trust that calibration sets."""

    def __init__(self) -> None:
        super().__init__()
        self.predictor = SimpleNamespace(composition=None)
        self.condition = torch.nn.BatchNorm1d(1)
        self.head = torch.nn.Identity()
        self.responders: str | None = None


def prepared(validation) -> SimpleNamespace:
    return SimpleNamespace(
        observed=effects(["A", "B", "A+B"]),
        validation=effects(validation),
        vocabulary=Vocabulary(("A", "B", "C"), 3, frozenset(), {}),
        controls=None,
        training=SimpleNamespace(table=None),
        moments=SimpleNamespace(target=1.0),
    )


@pytest.fixture
def calls(monkeypatch) -> dict[str, list]:
    """Record what is aligned and which composition is asked about validation."""
    seen: dict[str, list] = {"aligned": [], "asked": []}

    class Align:
        def __init__(self, *given) -> None:
            pass

        def __call__(self, model) -> None:
            seen["aligned"].append(model.predictor.composition)

    def ask(model, *given) -> Calibration:
        seen["asked"].append(model.predictor.composition)
        model.condition.running_mean.fill_(7.0)
        return Calibration({}, {}, 1, False, False)

    monkeypatch.setattr(module, "Alignment", Align)
    monkeypatch.setattr(module, "calibrate", ask)
    monkeypatch.setattr(module, "fit_responders", lambda model, data: "shares")
    return seen


def test_validation_combinations_join_the_composition_after_it_was_judged(calls) -> None:
    learned: list[tuple[str, ...]] = []

    def compose(measured):
        learned.append(measured.labels)
        return "of all"

    data = prepared(["A+C", "D", "A+D"])
    done = finish(Network(), data, None, np.ones(G, bool), "of training", compose)
    assert learned == [("A", "B", "A+B", "A+C")]
    assert calls["asked"] == ["of training"]
    assert calls["aligned"] == ["of training", "of all"]
    assert done.model.predictor.composition == "of all"
    assert float(done.model.condition.running_mean) == 7.0
    assert done.model.responders == "shares"


@pytest.mark.parametrize(
    ("validation", "composition"), [(["D"], "of training"), (["A+C"], None), ([], "of training")]
)
def test_without_combinations_to_add_the_judged_model_is_the_one_that_predicts(
    calls, validation, composition
) -> None:
    def compose(measured):
        raise AssertionError("nothing to add")

    done = finish(Network(), prepared(validation), None, np.ones(G, bool), composition, compose)
    assert done.model.predictor.composition == composition
    assert calls["aligned"] == [composition]


@pytest.mark.parametrize("fitted", [True, False])
def test_the_head_is_chosen_on_the_judged_model_and_goes_with_the_final_one(calls, fitted) -> None:
    head, progress = torch.nn.Linear(1, 1), SimpleNamespace() if fitted else None
    seen = []

    def choose(model):
        seen.append(model.predictor.composition)
        model.head = head
        return "why", progress

    data, genes = prepared(["A+C"]), np.ones(G, bool)
    done = finish(Network(), data, None, genes, "of training", lambda _: "of all", choose)
    assert seen == ["of training"]  # validation combinations are not in what chooses
    assert calls["asked"] == ["of training"] * (2 if fitted else 1)  # its errors are another's
    assert done.model.predictor.composition == "of all"
    assert (done.model.head, done.choice, done.head) == (head, "why", progress)
