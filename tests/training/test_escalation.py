from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field, replace

import pytest
import torch

from gpjepa.core.errors import ConfigError
from gpjepa.model.variational import RecognitionHead
from gpjepa.training.checkpoint import Progress
from gpjepa.training.escalation import HeadFitting, HeadScore
from gpjepa.training.pipeline import seeded_world_model
from gpjepa.training.population_validation import JUDGED, PopulationSkill

LABELS = ("A+D", "B+C", "B+D", "C+D")


def skilled(value: float, labels: tuple[str, ...] = LABELS, wobble: float = 0.01) -> HeadScore:
    """Return a score with one skill in every metric, perturbations differing by `wobble`."""
    skills = dict.fromkeys(JUDGED, value)
    shares = {label: value + wobble * (at % 2) for at, label in enumerate(labels)}
    return HeadScore(PopulationSkill(skills if labels else {}, shares, 1.0), 0.3)


class FittedHead(torch.nn.Module):
    """What stands for a head that was fitted."""


@dataclass
class Judge:
    """Scores told in advance, in the order of asking."""

    scores: list[HeadScore]
    asked: list[torch.nn.Module] = field(default_factory=list)


@pytest.fixture
def choose(tiny, prepared, session, monkeypatch) -> Callable:
    """Return a function that asks for a head, with scores and the fitting replaced."""

    def call(asked: str, *scores: HeadScore):
        judge, fits = Judge(list(scores)), []

        class Told(HeadFitting):
            def score(self, model):
                judge.asked.append(model.head)
                return judge.scores.pop(0)

        def run(model, prepared, vocabulary, config, session):
            fits.append(config.head.kind)
            return FittedHead(), Progress(step=10, seconds=2.0)

        monkeypatch.setattr("gpjepa.training.escalation.run_head", run)
        config = tiny.make_config()
        model = seeded_world_model(prepared, config, 0)
        fitting = Told(prepared, prepared.vocabulary, None, None, config, session)
        choice, progress = fitting.choose(model, asked)
        return choice, progress, model, fits, judge

    return call


def test_auto_leaves_a_head_that_is_good_enough(choose) -> None:
    choice, progress, model, fits, _ = choose("auto", skilled(0.6))
    assert (choice.kind, fits, progress) == ("variational", [], None)
    assert "at least 0.5 on 4 validation perturbations" in choice.reason
    assert isinstance(model.head, RecognitionHead)


def test_auto_escalates_where_one_metric_falls_short_and_keeps_what_is_better(choose) -> None:
    before = skilled(0.6)
    low = replace(before.population, skills={**before.population.skills, "pit_distance": 0.4})
    choice, progress, model, fits, judge = choose(
        "auto", replace(before, population=low), skilled(0.9)
    )
    assert (choice.kind, fits) == ("diffusion", ["diffusion"])
    assert isinstance(model.head, FittedHead)
    assert [type(head) for head in judge.asked] == [RecognitionHead, FittedHead]
    assert "below 0.5 in pit_distance" in choice.reason
    assert "a gain of 0.30 ± 0.00: the fitted head is kept" in choice.reason
    assert (choice.steps, choice.seconds, choice.cells_per_second) == (10, 2.0, 160)
    assert progress is not None


def test_auto_goes_back_where_the_gain_is_not_sure(choose) -> None:
    for worse in (skilled(0.1), skilled(0.3), skilled(0.3, wobble=0.5)):
        choice, progress, model, fits, _ = choose("auto", skilled(0.3), worse)
        assert (choice.kind, fits) == ("variational", ["diffusion"])
        assert isinstance(model.head, RecognitionHead)
        assert "which is not sure: the variational head stays" in choice.reason
        assert choice.after == worse
        assert progress is not None  # what it cost is in the history


def test_auto_goes_back_where_effects_suffer(choose) -> None:
    choice, *_ = choose("auto", skilled(0.3), replace(skilled(0.9), effect_cost=0.32))
    assert choice.kind == "variational"
    assert "effects are farther off (0.320 against 0.300)" in choice.reason
    choice, *_ = choose("auto", skilled(0.3), replace(skilled(0.9), effect_cost=0.31))
    assert choice.kind == "diffusion"


@pytest.mark.parametrize("labels", [(), ("A+D",), ("A+D", "B+C")])
def test_auto_with_few_validation_perturbations_stays_and_says_so(choose, labels) -> None:
    choice, _, _, fits, _ = choose("auto", skilled(0.1, labels))
    assert (choice.kind, fits) == ("variational", [])
    assert f"{len(labels)} validation perturbations differ enough" in choice.reason
    assert "3 are needed" in choice.reason


@pytest.mark.parametrize("kind", ["diffusion", "flow"])
def test_a_head_asked_for_is_given_however_it_scores(choose, kind: str) -> None:
    choice, _, model, fits, _ = choose(kind, skilled(0.9), skilled(0.1))
    assert (choice.asked, choice.kind, choice.reason, fits) == (kind, kind, "as asked", [kind])
    assert isinstance(model.head, FittedHead)


def test_the_variational_head_is_judged_and_not_fitted(choose) -> None:
    choice, progress, _, fits, _ = choose("variational", skilled(0.1))
    assert (choice.kind, choice.after, progress, fits) == ("variational", None, None, [])


def test_a_choice_is_json(choose) -> None:
    choice, *_ = choose("auto", skilled(0.3), skilled(0.9))
    found = json.loads(json.dumps(choice.to_json()))
    assert found["kind"] == "diffusion"
    assert found["before"]["population"]["skills"]["pit_distance"] == 0.3
    assert found["after"]["population"]["shares"].keys() == set(LABELS)


def test_a_model_without_a_variational_head_is_refused(tiny, prepared, session) -> None:
    config = tiny.make_config(head={"kind": "deterministic"}, loss={"kl": 0})
    model = seeded_world_model(prepared, config, 0)
    fitting = HeadFitting(prepared, prepared.vocabulary, None, None, config, session)
    with pytest.raises(ConfigError, match="expected one that recognises"):
        fitting.choose(model, "auto")
