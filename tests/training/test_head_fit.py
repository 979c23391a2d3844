from __future__ import annotations

import os
import signal
from dataclasses import replace

import numpy as np
import pytest
import torch

from gpjepa.core.errors import ConfigError
from gpjepa.data.labels import CONTROL
from gpjepa.model.gpjepa import learned_head
from gpjepa.model.predictor import Prediction
from gpjepa.training.head_fit import (
    encoded,
    joined,
    judged_labels,
    make_stage_head,
    stacked,
    variational_head,
)
from gpjepa.training.pipeline import run_head, seeded_world_model

CPU = torch.device("cpu")
SHORT = {"fitting_steps": 8}


@pytest.fixture
def model(tiny, prepared):
    return seeded_world_model(prepared, tiny.make_config(), 0).eval().requires_grad_(False)


def make_stage(tiny, prepared, model, kind="diffusion"):
    config = tiny.make_config(head={"kind": kind, **SHORT})
    head = learned_head(variational_head(model), config)
    return make_stage_head(model, head, prepared, prepared.vocabulary, config, 0)


def test_cells_are_encoded_once_and_keep_what_is_known_of_them(prepared, model) -> None:
    found = encoded(prepared.training, model)
    rows = np.array([3, 40])
    latent, library = found.table.dense(rows)
    assert torch.allclose(latent, model.encoder(*prepared.training.table.dense(rows)), atol=1e-5)
    assert np.array_equal(library, prepared.training.table.library[rows].astype(np.float32))
    assert found.labels is prepared.training.labels


def test_the_state_of_the_stage_is_the_head_alone(tiny, prepared, model) -> None:
    stage = make_stage(tiny, prepared, model)
    assert {name.split(".")[0] for name in stage.state_dict()} == {"head"}
    trained = {id(p) for group in stage.parameter_groups(1.0) for p in group["params"]}
    assert trained == {id(p) for p in stage.head.denoiser.parameters()}


@pytest.mark.parametrize("kind", ["diffusion", "flow"])
def test_every_trained_parameter_gets_a_gradient(tiny, prepared, model, kind: str) -> None:
    torch.nn.init.normal_(model.predictor.transformer.second.weight)  # 0 at the start: no pairs
    stage = make_stage(tiny, prepared, model, kind)
    optimizer = torch.optim.SGD(stage.parameter_groups(0.1), lr=0.1)
    for step in range(3):  # what starts at zero holds back what is behind it
        optimizer.zero_grad()
        generator = torch.Generator().manual_seed(step)
        stage(stage.batch(step, CPU), step, 3, generator).total().backward()
        optimizer.step()
    for group in stage.parameter_groups(1.0):
        assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in group["params"])


def test_validation_looks_at_perturbed_cells_and_repeats_itself(tiny, prepared, model) -> None:
    stage = make_stage(tiny, prepared, model)
    first = stage.validate(CPU)
    assert first == stage.validate(CPU)
    assert 0.5 < first["score"] < 2.0  # an untrained network leaves the residuals as they are
    prediction, latent = stage.judged
    assert len(latent) == len(prediction.mean)
    moved = prediction.first_order.abs().sum(dim=1)
    assert (moved > 0).all()  # control cells, which nothing moves, are not among them


def test_few_validation_perturbations_judge_nothing(tiny, prepared, model) -> None:
    labels = prepared.checked.labels
    assert judged_labels(prepared.checked, prepared.vocabulary) == tuple(sorted(tiny.VALIDATION))
    few = prepared.checked.take(np.flatnonzero(labels != tiny.VALIDATION[0]))
    assert judged_labels(few, prepared.vocabulary) == ()
    stage = make_stage(tiny, replace(prepared, checked=few), model)
    assert stage.validate(CPU) == {}


def test_cells_of_two_tables_are_stacked_in_order(prepared) -> None:
    found = stacked(prepared.controls, prepared.checked)
    first = len(prepared.controls.table)
    assert set(found.labels[:first]) == {CONTROL}
    assert np.array_equal(found.labels[first:], prepared.checked.labels)
    assert np.array_equal(
        found.table.counts[first:].toarray(), prepared.checked.table.counts.toarray()
    )
    assert len(found.strata) == len(found.names) == len(found.table)


def test_predictions_are_stacked_in_order() -> None:
    parts = [Prediction(*(torch.full((2, 3), float(10 * i + j)) for j in range(4))) for i in (1, 2)]
    found = joined(parts)
    assert torch.equal(found.mean, torch.cat((parts[0].mean, parts[1].mean)))
    assert found.second_order[-1, 0] == 23.0
    assert found.log_variance[0, 0] == 11.0


@pytest.mark.parametrize("kind", ["diffusion", "flow"])
def test_fitting_leaves_the_model_as_it_was(tiny, prepared, session, model, kind: str) -> None:
    before = {name: value.clone() for name, value in model.state_dict().items()}
    config = tiny.make_config(head={"kind": kind, **SHORT})
    head, progress = run_head(model, prepared, prepared.vocabulary, config, session)
    after = model.state_dict()
    assert before.keys() == after.keys()
    assert all(torch.equal(before[name], after[name]) for name in before)
    base = variational_head(model).state_dict()
    assert all(torch.equal(base[name], value) for name, value in head.base.state_dict().items())
    assert bool(head.fitted)
    assert progress.step == 8
    assert {row["stage"] for row in progress.history} == {"head"}
    assert {"head", "score", "total"} == {row["term"] for row in progress.history}


def test_another_head_has_no_recognition_to_learn_from(tiny, prepared, session) -> None:
    config = tiny.make_config(head={"kind": "deterministic"}, loss={"kl": 0})
    point = seeded_world_model(prepared, config, 0)
    asked = tiny.make_config(head={"kind": "diffusion"})
    with pytest.raises(ConfigError, match="DeterministicHead; expected one that recognises"):
        run_head(point, prepared, prepared.vocabulary, asked, session)


def test_what_recognition_finds_stays_beside_means_that_were_moved(tiny, prepared, model) -> None:
    class Moved(torch.nn.Module):
        """A predictor whose means were moved after recognition was trained."""

        def __init__(self, predictor) -> None:
            super().__init__()
            self.inner, self.composition = predictor, None

        def forward(self, *given):
            found = self.inner(*given)
            return replace(found, mean=found.mean + 3.0, first_order=found.first_order + 3.0)

    stage = make_stage(tiny, prepared, model)
    batch = stage.batch(0, CPU)
    first = stage.recogniser(batch, torch.Generator().manual_seed(1))
    fitted = stage.recogniser.model
    fitted.predictor = Moved(fitted.predictor)
    second = stage.recogniser(batch, torch.Generator().manual_seed(1))
    assert torch.allclose(second[0].mean, first[0].mean + 3.0)
    assert torch.allclose(second[1] - second[0].mean, first[1] - first[0].mean, atol=1e-5)


def test_an_interrupted_fit_goes_on_bit_for_bit(tiny, prepared, session, model, tmp_path) -> None:
    config = tiny.make_config(head={"kind": "flow", **SHORT})

    def fit(**changes):
        used = replace(session, **changes)
        return run_head(model, prepared, prepared.vocabulary, config, used)

    def stop(outlook) -> None:
        if outlook.step == 5:
            os.kill(os.getpid(), signal.SIGINT)

    whole, expected = fit()
    with pytest.raises(KeyboardInterrupt):
        fit(folder=tmp_path, watch=stop, identity="run")
    assert (tmp_path / "head.safetensors").exists()
    resumed, found = fit(folder=tmp_path, resume=True, identity="run")
    ours, theirs = whole.state_dict(), resumed.state_dict()
    assert all(torch.equal(ours[name], theirs[name]) for name in ours)
    assert found.history == expected.history
