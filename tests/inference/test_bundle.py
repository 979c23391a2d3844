from __future__ import annotations

import json
import pickle
from copy import deepcopy
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from gpjepa.core.errors import CheckpointError
from gpjepa.data.vocabulary import Vocabulary
from gpjepa.inference.bundle import (
    WEIGHTS,
    Bundle,
    load_bundle,
    load_encoder,
    save_bundle,
    save_encoder,
)
from gpjepa.model.gpjepa import learned_head

COUNTS = torch.poisson(torch.full((5, 10), 4.0), torch.Generator().manual_seed(0))
LIBRARY = torch.linspace(80.0, 120.0, 5)


@pytest.fixture
def run(bundle, tmp_path) -> Path:
    save_bundle(tmp_path / "run", bundle)
    return tmp_path / "run"


def answers(bundle: Bundle, condition) -> tuple[torch.Tensor, ...]:
    """Return predictions and an embedding that every kept number has a part in."""
    model = bundle.model
    prediction = model.predict(model.encoder(COUNTS, LIBRARY), condition)
    latent = model.head.sample(prediction, torch.Generator().manual_seed(1))
    drawn = model.decoder(latent, LIBRARY).sample(torch.Generator().manual_seed(2))
    recognised = model.head.recognise(prediction, latent)
    return drawn, prediction.mean, recognised.mean, bundle.teacher(COUNTS, LIBRARY)


@pytest.mark.parametrize("distribution", ["nb", "zinb"])
@pytest.mark.parametrize("has_rest", [True, False])
def test_a_loaded_model_predicts_the_same_bits(
    built, given, tmp_path, distribution, has_rest
) -> None:
    own = built(3, distribution, has_rest)
    save_bundle(tmp_path, own)
    loaded = load_bundle(tmp_path)
    for members in ((0, 1), (3,), ()):
        condition = given(5, *members)
        for before, after in zip(answers(own, condition), answers(loaded, condition), strict=True):
            assert torch.equal(before, after)


def test_everything_beside_the_weights_survives_too(bundle, run) -> None:
    loaded = load_bundle(run)
    assert loaded.config == bundle.config
    assert loaded.panel == bundle.panel
    assert loaded.vocabulary == bundle.vocabulary
    assert loaded.calibration == bundle.calibration
    assert float(loaded.model.condition.novel_scale) == pytest.approx(0.7)
    assert not any(p.requires_grad for p in loaded.teacher.parameters())
    assert not loaded.model.training


def test_an_encoder_survives_with_its_teacher(pretrained, tmp_path) -> None:
    save_encoder(tmp_path, pretrained)
    loaded = load_encoder(tmp_path)
    for part in ("encoder", "teacher"):
        before, after = (getattr(x, part)(COUNTS, LIBRARY) for x in (pretrained, loaded))
        assert torch.equal(before, after)
    student, teacher = loaded.encoder(COUNTS, LIBRARY), loaded.teacher(COUNTS, LIBRARY)
    assert not torch.equal(student, teacher)
    assert all(p.requires_grad for p in loaded.encoder.parameters())
    assert not any(p.requires_grad for p in loaded.teacher.parameters())


def test_the_encoder_of_a_fitted_model_can_be_read_alone(bundle, run) -> None:
    loaded = load_encoder(run)
    assert torch.equal(loaded.encoder(COUNTS, LIBRARY), bundle.model.encoder(COUNTS, LIBRARY))
    assert torch.equal(loaded.teacher(COUNTS, LIBRARY), bundle.teacher(COUNTS, LIBRARY))


def test_a_run_holds_safetensors_and_json_only(run) -> None:
    names = {path.name for path in run.iterdir()}
    expected = {WEIGHTS, "config.json", "genes.json", "vocabulary.json", "calibration.json"}
    assert names == expected


def test_nothing_is_unpickled(run, tmp_path) -> None:
    trap = tmp_path / "sprung"

    class Trap:
        def __reduce__(self):
            return (Path.touch, (trap,))

    (run / WEIGHTS).write_bytes(pickle.dumps(Trap()))
    with pytest.raises(CheckpointError, match="cannot be read as safetensors"):
        load_bundle(run)
    assert not trap.exists()
    pickle.loads((run / WEIGHTS).read_bytes())
    assert trap.exists()


def test_a_run_that_is_no_directory_is_refused(tmp_path) -> None:
    with pytest.raises(CheckpointError, match="is not a directory; expected one that gpjepa wrote"):
        load_bundle(tmp_path / "nowhere")


def test_missing_weights_are_refused(run) -> None:
    (run / WEIGHTS).unlink()
    with pytest.raises(CheckpointError) as caught:
        load_bundle(run)
    message = str(caught.value)
    assert f"run {str(run)!r} has no {WEIGHTS}; expected a finished run" in message
    assert "continue it with --resume" in message


@pytest.mark.parametrize("left", [0, 5, 200, -1])
def test_truncated_weights_are_refused(run, left) -> None:
    whole = (run / WEIGHTS).read_bytes()
    (run / WEIGHTS).write_bytes(whole[:left])
    with pytest.raises(CheckpointError) as caught:
        load_bundle(run)
    message = str(caught.value)
    assert "cannot be read as safetensors" in message
    assert "expected the file that a run wrote; restore it or train again" in message


@pytest.mark.parametrize("load", [load_bundle, load_encoder])
@pytest.mark.parametrize("metadata", [None, {"format": "pt"}])
def test_weights_of_another_program_are_refused(run, load, metadata) -> None:
    tensors = load_file(run / WEIGHTS)
    save_file(tensors, run / WEIGHTS, metadata)
    with pytest.raises(CheckpointError, match="was not written by gpjepa .*expected 'gpjepa-1'"):
        load(run)


def test_an_encoder_is_no_fitted_model(pretrained, tmp_path) -> None:
    save_encoder(tmp_path, pretrained)
    with pytest.raises(CheckpointError, match="pretrained encoder; expected a fitted model"):
        load_bundle(tmp_path)


def change(path: Path, **entries: object) -> None:
    document = json.loads(path.read_text())
    document.update(entries)
    path.write_text(json.dumps(document))


@pytest.mark.parametrize(
    "members", [["A", "B", "C"], ["A", "B", "C", "E"], ["B", "A", "C", "D"], list("ABCDE")]
)
def test_a_vocabulary_of_another_model_is_refused(run, members) -> None:
    change(run / "vocabulary.json", members=members)
    with pytest.raises(CheckpointError) as caught:
        load_bundle(run)
    assert f"{WEIGHTS} and vocabulary.json in" in str(caught.value)
    assert "of different models; expected one run's files" in str(caught.value)


@pytest.mark.parametrize("load", [load_bundle, load_encoder])
@pytest.mark.parametrize("order", [slice(None, None, -1), slice(1, None), slice(0, 0)])
def test_genes_of_another_model_or_in_another_order_are_refused(run, load, order) -> None:
    genes = json.loads((run / "genes.json").read_text())["genes"]
    change(run / "genes.json", genes=genes[order])
    with pytest.raises(CheckpointError, match="and genes.json in .* are of different models"):
        load(run)


def test_weights_of_other_sizes_are_refused(run) -> None:
    change(run / "config.json", encoder={"latent": 7, "hidden": 8, "layers": 1})
    with pytest.raises(CheckpointError) as caught:
        load_bundle(run)
    assert "does not fit its config.json (size mismatch for" in str(caught.value)


def test_weights_that_lack_a_tensor_are_refused(run) -> None:
    from safetensors import safe_open

    with safe_open(run / WEIGHTS, framework="pt") as stream:
        metadata = dict(stream.metadata())
    tensors = load_file(run / WEIGHTS)
    for lost in ("model.decoder.logits.bias", "model.condition.features"):
        kept = {name: value for name, value in tensors.items() if name != lost}
        save_file(kept, run / WEIGHTS, metadata)
        with pytest.raises(CheckpointError, match="does not fit its config.json"):
            load_bundle(run)


JSON_FILES = ("config.json", "genes.json", "vocabulary.json", "calibration.json")


@pytest.mark.parametrize("name", JSON_FILES)
@pytest.mark.parametrize("content", [b'{"genes": [', b"", b"\xff\xfe{"])
def test_json_that_cannot_be_read_is_refused(run, name, content) -> None:
    (run / name).write_bytes(content)
    with pytest.raises(CheckpointError, match=f"^{name} in run .* cannot be read .*restore it"):
        load_bundle(run)


@pytest.mark.parametrize("name", JSON_FILES)
def test_json_that_is_missing_is_refused(run, name) -> None:
    (run / name).unlink()
    with pytest.raises(CheckpointError, match=f"^{name} in run .* cannot be read"):
        load_bundle(run)


@pytest.mark.parametrize("name", JSON_FILES[1:])
@pytest.mark.parametrize("content", ["{}", "[]", "3", "null"])
def test_json_without_what_it_should_hold_is_refused(run, name, content) -> None:
    (run / name).write_text(content)
    with pytest.raises(CheckpointError, match=f"^{name} in run .* is damaged .*restore it"):
        load_bundle(run)


def test_settings_of_another_version_are_refused(run) -> None:
    change(run / "config.json", diffusion={"steps": 3})
    with pytest.raises(CheckpointError, match="of another version .*'diffusion' is not known"):
        load_bundle(run)


def test_error_models_of_other_scales_are_refused(run) -> None:
    errors = {"novel": {"weights": [0.1, 0.2]}}
    change(run / "calibration.json", errors=errors)
    with pytest.raises(CheckpointError, match="damaged .*2 weights, expected 13"):
        load_bundle(run)


def test_writing_over_a_run_replaces_it_whole(built, run, given) -> None:
    other = built(8)
    save_bundle(run, other)
    loaded = load_bundle(run)
    condition = given(5, 0, 2)
    assert torch.equal(answers(loaded, condition)[0], answers(other, condition)[0])
    assert isinstance(loaded.vocabulary, Vocabulary)


def with_head(bundle: Bundle, kind: str) -> Bundle:
    """Return the bundle with a fitted head of this kind around its own."""
    config = bundle.config.with_head(kind)
    model = deepcopy(bundle.model)
    torch.manual_seed(0)
    model.head = learned_head(model.head, config)
    model.head.finish()
    return replace(bundle, config=config, model=model)


@pytest.mark.parametrize("kind", ["diffusion", "flow"])
def test_a_learned_head_survives_with_what_it_was_fitted_to(
    bundle, given, tmp_path, kind: str
) -> None:
    own = with_head(bundle, kind)
    own.model.head.frame.scale.fill_(0.3)
    save_bundle(tmp_path, own)
    loaded = load_bundle(tmp_path)
    prediction = own.model.predict(own.model.encoder(COUNTS, LIBRARY), given(5, 0, 1))
    drawn = [
        each.model.head.sample(prediction, torch.Generator().manual_seed(1))
        for each in (own, loaded, bundle)
    ]
    assert torch.equal(drawn[0], drawn[1])
    assert not torch.allclose(drawn[0], drawn[2])
    assert type(loaded.model.head) is type(own.model.head)


@pytest.mark.parametrize(
    ("saved", "told"),
    [("variational", "diffusion"), ("diffusion", "flow"), ("flow", "variational")],
)
def test_a_head_that_the_settings_do_not_name_is_refused(
    bundle, tmp_path, saved: str, told: str
) -> None:
    save_bundle(tmp_path, bundle if saved == "variational" else with_head(bundle, saved))
    file = tmp_path / "config.json"
    config = json.loads(file.read_text())
    config["head"]["kind"] = told
    file.write_text(json.dumps(config))
    with pytest.raises(CheckpointError, match=f"holds a {saved} head, config.json says {told}"):
        load_bundle(tmp_path)


def test_a_head_that_was_never_fitted_is_refused(bundle, tmp_path) -> None:
    own = with_head(bundle, "diffusion")
    own.model.head.fitted.fill_(False)
    save_bundle(tmp_path, own)
    with pytest.raises(CheckpointError, match=r"diffusion head .* was never fitted"):
        load_bundle(tmp_path)


def test_a_run_from_before_there_were_other_heads_is_read(bundle, run) -> None:
    file = run / "config.json"
    config = json.loads(file.read_text())
    config["head"] = {"kind": "variational", "recognition": "target", "free_bits": 0.0}
    file.write_text(json.dumps(config))
    assert load_bundle(run).config == bundle.config
