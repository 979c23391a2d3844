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


class Mixture(SimpleNamespace):
    composition: str | None = None


@pytest.mark.parametrize("helps", [True, False])
def test_effects_of_responders_are_composed_where_validation_combinations_speak_for_it(
    calls, monkeypatch, helps
) -> None:
    data = prepared(["A+B", "A+C", "B+C"])
    data.training.labels, data.checked = np.array(["A"] * 20 + ["B"] * 9), "checked"
    monkeypatch.setattr(module, "fit_responders", lambda model, data: Mixture(composition=None))
    measured: list[tuple[object, tuple[str, ...]]] = []

    def measure(model, data, cells, labels) -> MeasuredEffects:
        measured.append((cells, labels))
        return effects(labels)

    class Validation:
        def predict(self, model) -> np.ndarray:
            better = (model.responders.composition is None) != helps
            return np.full((3, G), 1.0 if better else 5.0)

    monkeypatch.setattr(module, "responder_effects", measure)
    monkeypatch.setattr(module, "joined", lambda composition, known, vocabulary: composition)
    learned = []

    def responders(known):
        learned.append(known.labels)
        return f"responders of {len(known.labels)}"

    given = (np.ones(G, bool), "of training", lambda _: "of all", None, responders)
    done = finish(Network(), data, Validation(), *given)
    assert measured[0] == (data.training, ("A",))  # B has too few cells
    if helps:
        assert measured[1] == ("checked", ("A+B", "A+C", "B+C"))
        assert learned == [("A",), ("A", "A+B", "A+C", "B+C")]
        assert done.model.responders.composition == "responders of 4"
    else:
        assert learned == [("A",)]
        assert done.model.responders.composition is None


@pytest.mark.parametrize("reason", ["no escapers", "few combinations"])
def test_without_escapers_or_combinations_to_judge_by_nothing_of_responders_is_composed(
    calls, monkeypatch, reason
) -> None:
    mixture = None if reason == "no escapers" else Mixture(composition=None)
    monkeypatch.setattr(module, "fit_responders", lambda model, data: mixture)

    def responders(known):
        raise AssertionError("nothing to compose")

    few = prepared(["A+C", "B+C"] + ["A+B"] * (reason == "no escapers"))
    given = (np.ones(G, bool), "of training", lambda _: "of all", None, responders)
    done = finish(Network(), few, None, *given)
    assert done.model.responders is mixture
