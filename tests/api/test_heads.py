from __future__ import annotations

import numpy as np
import pytest
import torch

from gpjepa.api.model import GPJEPA
from gpjepa.core.errors import CheckpointError, ConfigError
from gpjepa.data.perturbseq import read
from gpjepa.model.diffusion.head import DiffusionHead
from gpjepa.model.variational import RecognitionHead

SHORT = {"fitting_steps": 6, "evaluations": 4}
LEARNED = ["diffusion", "flow"]


def outside(model: GPJEPA) -> dict[str, torch.Tensor]:
    """Return copies of all parameters and buffers but the head's."""
    state = model.bundle.model.state_dict()
    return {name: v.clone() for name, v in state.items() if not name.startswith("head.")}


def same(one: dict, other: dict) -> bool:
    return one.keys() == other.keys() and all(
        one[name].numpy().tobytes() == other[name].numpy().tobytes() for name in one
    )


@pytest.fixture
def fitted(tiny, data, split) -> GPJEPA:
    model = GPJEPA(data, tiny.make_config(head=SHORT), split, device="cpu")
    model.fit()
    return model


@pytest.mark.parametrize("kind", LEARNED)
def test_a_swap_leaves_encoder_predictor_and_decoder_bit_for_bit(fitted, kind: str) -> None:
    before = outside(fitted)
    base = {name: v.clone() for name, v in fitted.bundle.model.head.state_dict().items()}
    embedding = {name: v.clone() for name, v in fitted.bundle.teacher.state_dict().items()}
    record = fitted.swap_head(kind)
    assert same(before, outside(fitted))
    assert same(base, fitted.bundle.model.head.base.state_dict())
    assert same(embedding, fitted.bundle.teacher.state_dict())
    assert (record.head.kind, record.steps) == (kind, 6)
    assert set(record.history["stage"]) == {"head"}
    assert fitted.config.head.kind == kind
    fitted.swap_head("variational")
    assert isinstance(fitted.bundle.model.head, RecognitionHead)
    assert same(base, fitted.bundle.model.head.state_dict())
    assert fitted.config.head.kind == "variational"


@pytest.mark.parametrize("kind", LEARNED)
def test_every_answer_works_with_every_head(fitted, kind: str, tmp_path) -> None:
    before = fitted.predict(["A+B"], 30, seed=1)
    fitted.swap_head(kind)
    cells = fitted.predict(["A+B", "A"], 30, seed=1)
    assert cells.n_obs == 60
    assert (cells[:30].X != before.X).nnz > 0
    assert np.isfinite(fitted.effects(["C+D", "A"])["effect"]).all()
    assert fitted.rollout(["A", "B"], 10).n_obs == 10
    assert len(fitted.interactions(["A+B"])) == 24
    path = fitted.save(tmp_path / "model")
    loaded = GPJEPA.load(path, "cpu")
    assert loaded.config.head.kind == kind
    again = loaded.predict(["A+B", "A"], 30, seed=1)
    assert (again.X != cells.X).nnz == 0


def test_training_with_a_head_is_training_without_and_a_swap(tiny, data, split, fitted) -> None:
    asked = GPJEPA(data, tiny.make_config(head={**SHORT, "kind": "diffusion"}), split, device="cpu")
    record = asked.fit()
    assert record.head.kind == "diffusion"
    assert list(dict.fromkeys(record.history["stage"])) == ["fit", "head"]
    assert same(outside(asked), outside(fitted))
    assert isinstance(asked.bundle.model.head, DiffusionHead)


def test_auto_with_few_cells_stays_variational_and_says_so(tiny, data, split) -> None:
    model = GPJEPA(data, tiny.make_config(head={**SHORT, "kind": "auto"}), split, device="cpu")
    record = model.fit()
    assert (record.head.asked, record.head.kind) == ("auto", "variational")
    assert "validation perturbations differ enough from control" in record.head.reason
    assert model.config.head.kind == "variational"
    assert isinstance(model.bundle.model.head, RecognitionHead)


def test_a_loaded_model_takes_another_head_from_its_own_data(fitted, data, split, tmp_path) -> None:
    before = outside(fitted)
    loaded = GPJEPA.load(fitted.save(tmp_path / "model"), "cpu")
    with pytest.raises(CheckpointError, match="no training data"):
        loaded.swap_head("flow")
    loaded.swap_head("flow", data, split)
    fitted.swap_head("flow")
    assert same(before, outside(loaded))
    ours, theirs = (m.bundle.model.head.state_dict() for m in (fitted, loaded))
    assert same(ours, theirs)


def test_other_data_than_the_models_are_refused(fitted, tiny, data, split) -> None:
    genes = (*tiny.GENES[:-1], "other")
    other = read(tiny.make_cells(genes=genes), announce=False)
    with pytest.raises(CheckpointError, match="data and split that the model was trained on"):
        fitted.swap_head("flow", other, split)
    fewer = tiny.make_split(data, validation=("A+D",), test=("F", "C+D", "B+C", "B+D"))
    with pytest.raises(CheckpointError, match="5 perturbed genes in training cells, .* knows 6"):
        fitted.swap_head("flow", data, fewer)


def test_a_head_that_is_trained_with_the_rest_cannot_be_swapped_in(fitted) -> None:
    head = fitted.bundle.model.head
    with pytest.raises(ConfigError, match="'deterministic' cannot be swapped in; expected one of"):
        fitted.swap_head("deterministic")
    assert fitted.bundle.model.head is head


def test_a_fit_that_fails_leaves_the_head(fitted, monkeypatch) -> None:
    fitted.swap_head("flow")
    head = fitted.bundle.model.head

    def failing(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("gpjepa.training.escalation.run_head", failing)
    with pytest.raises(KeyboardInterrupt):
        fitted.swap_head("diffusion")
    assert fitted.bundle.model.head is head
