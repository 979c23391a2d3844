"""A trained model on disk: safetensors and JSON, nothing unpickled."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

import torch
from safetensors.torch import save_file
from torch import Tensor

from gpjepa.core.config import Config
from gpjepa.core.errors import CheckpointError, GPJEPAError
from gpjepa.core.files import read_json, write_atomic, write_json
from gpjepa.data.vocabulary import Vocabulary
from gpjepa.inference.calibration import Calibration
from gpjepa.inference.contexts import load_contexts, save_contexts
from gpjepa.inference.evidence import load_evidence, save_evidence
from gpjepa.inference.tensors import read_tensors
from gpjepa.model.effect_composition import blank
from gpjepa.model.encoder import CellEncoder
from gpjepa.model.gpjepa import GeneMoments, WorldModel, build_encoder
from gpjepa.model.mixture import blank_mixture
from gpjepa.model.perturbation import ConditionSpec

FORMAT = "gpjepa-1"
WEIGHTS = "model.safetensors"
ABOUT = "gpjepa"  # the entry of the weights' metadata that says what they are
HEADS = (  # a part that only this head has
    ("denoiser", "diffusion"),
    ("network", "flow"),
    ("body", "variational"),
    ("prior", "variational (predictive)"),
)

Built = TypeVar("Built")


@dataclass(frozen=True)
class GenePanel:
    """The modelled genes in order, whether a rest class exists, and the pseudobulk target."""

    names: tuple[str, ...]
    has_rest: bool
    target: float


@dataclass(frozen=True, eq=False)
class EncoderBundle:
    """An encoder after Stage A with its teacher."""

    config: Config
    panel: GenePanel
    encoder: CellEncoder
    teacher: CellEncoder


@dataclass(frozen=True, eq=False)
class Bundle:
    """A fitted world model with all it needs to predict, but for the control cells."""

    config: Config
    panel: GenePanel
    vocabulary: Vocabulary
    model: WorldModel
    teacher: CellEncoder
    calibration: Calibration


def save_encoder(path: Path, bundle: EncoderBundle) -> None:
    """Write an encoder bundle into the directory `path`."""
    parts = {"encoder": bundle.encoder, "teacher": bundle.teacher}
    _save(path, bundle.config, bundle.panel, (), parts, "encoder")


def save_bundle(path: Path, bundle: Bundle) -> None:
    """Write a bundle into the directory `path`."""
    parts = {"model": bundle.model, "teacher": bundle.teacher}
    write_json(path / "vocabulary.json", bundle.vocabulary.to_json())
    write_json(path / "calibration.json", bundle.calibration.to_json())
    if bundle.calibration.evidence is not None:
        save_evidence(path, bundle.calibration.evidence)
    if bundle.calibration.contexts is not None:
        save_contexts(path, bundle.calibration.contexts)
    _save(path, bundle.config, bundle.panel, bundle.vocabulary.members, parts, "world-model")


def load_encoder(path: Path) -> EncoderBundle:
    """Read encoder and teacher from a run of either kind; raise `CheckpointError` if unusable."""
    tensors, metadata = _weights(path)
    config, panel = _config(path), _panel(path, metadata)
    moments = _blank_moments(panel)
    encoder, teacher = build_encoder(moments, config), build_encoder(moments, config)
    prefix = "model.encoder." if metadata.get("kind") == "world-model" else "encoder."
    _fill(encoder, tensors, prefix, path)
    _fill(teacher, tensors, "teacher.", path)
    return EncoderBundle(config, panel, encoder.eval(), teacher.requires_grad_(False).eval())


def load_bundle(path: Path) -> Bundle:
    """Read a fitted model; raise `CheckpointError` when files are missing, damaged or foreign."""
    tensors, metadata = _weights(path)
    if metadata.get("kind") != "world-model":
        raise CheckpointError(
            f"run {str(path)!r} holds a pretrained encoder; expected a fitted model; "
            "run gpjepa train with --encoder on it"
        )
    config, panel = _config(path), _panel(path, metadata)
    vocabulary = _built(path, "vocabulary.json", Vocabulary.from_json)
    calibration = _built(path, "calibration.json", Calibration.from_json)
    calibration = replace(calibration, evidence=load_evidence(path), contexts=load_contexts(path))
    _require_same(path, "vocabulary.json", metadata.get("members"), vocabulary.members)
    features = tensors.get("model.condition.features", torch.zeros(0, 0))
    levels = tuple(len(values) for values in vocabulary.covariates.values())
    index = vocabulary.modality_index()
    ways = None if index is None else torch.from_numpy(index)
    spec = ConditionSpec(features, vocabulary.measured, levels, vocabulary.dose, ways)
    moments = _blank_moments(panel)
    _require_head(path, config, tensors)
    composed = _part(tensors, "model.predictor.composition.")
    model = WorldModel(moments, spec, config, blank(composed, config.encoder.latent))
    model.responders = blank_mixture(_part(tensors, "model.responders."))
    teacher = build_encoder(moments, config)
    _fill(model, tensors, "model.", path)
    _fill(teacher, tensors, "teacher.", path)
    teacher.requires_grad_(False)
    return Bundle(config, panel, vocabulary, model.eval(), teacher.eval(), calibration)


def _save(
    path: Path,
    config: Config,
    panel: GenePanel,
    members: Sequence[str],
    parts: Mapping[str, torch.nn.Module],
    kind: str,
) -> None:
    path.mkdir(parents=True, exist_ok=True)
    write_json(path / "config.json", config.model_dump(mode="json"))
    genes = {"genes": list(panel.names), "has_rest": panel.has_rest, "target": panel.target}
    write_json(path / "genes.json", genes)
    tensors = {
        f"{name}.{key}": value.detach().cpu().contiguous()
        for name, part in parts.items()
        for key, value in part.state_dict().items()
    }
    names = {"genes": _digest(panel.names), "members": _digest(members)}
    about = {"format": FORMAT, "kind": kind, **names}
    # One entry: safetensors writes several in no fixed order, and a seed gives the same bytes.
    metadata = {ABOUT: json.dumps(about, sort_keys=True)}
    write_atomic(path / WEIGHTS, lambda temporary: save_file(tensors, temporary, metadata))


def _digest(names: Sequence[str]) -> str:
    """Return what tells one ordered list of names from another."""
    return hashlib.sha256(json.dumps(list(names)).encode()).hexdigest()


def _require_same(path: Path, name: str, digest: str | None, names: Sequence[str]) -> None:
    """Raise `CheckpointError` unless the weights were trained on these names in this order."""
    if digest != _digest(names):
        raise CheckpointError(
            f"{WEIGHTS} and {name} in {str(path)!r} are of different models; expected one run's "
            "files; restore them or train again"
        )


def _weights(path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    if not path.is_dir():
        raise CheckpointError(
            f"run {str(path)!r} is not a directory; expected one that gpjepa wrote; check the path"
        )
    if not (path / WEIGHTS).exists():
        raise CheckpointError(
            f"run {str(path)!r} has no {WEIGHTS}; expected a finished run; "
            "train again or continue it with --resume"
        )
    tensors, entries = read_tensors(path / WEIGHTS)
    metadata = json.loads(entries.get(ABOUT, "{}"))
    if metadata.get("format") != FORMAT:
        raise CheckpointError(
            f"{WEIGHTS} in {str(path)!r} was not written by gpjepa (format "
            f"{metadata.get('format')!r}); expected {FORMAT!r}; use a run of this version"
        )
    return tensors, metadata


def _json(path: Path, name: str) -> Any:
    try:
        return read_json(path / name)
    except (OSError, UnicodeDecodeError, json.JSONDecodeError) as error:
        raise CheckpointError(
            f"{name} in run {str(path)!r} cannot be read ({error}); expected the file that the "
            "run wrote; restore it or train again"
        ) from error


def _built(path: Path, name: str, build: Callable[[Any], Built]) -> Built:
    document = _json(path, name)
    try:
        return build(document)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise CheckpointError(
            f"{name} in run {str(path)!r} is damaged ({error!r}); expected what the run wrote; "
            "restore it or train again"
        ) from error


def _config(path: Path) -> Config:
    document = _json(path, "config.json")
    try:
        return Config(**document)
    except (GPJEPAError, TypeError) as error:
        raise CheckpointError(
            f"config.json in run {str(path)!r} is of another version ({error}); expected the "
            "settings of this one; train again"
        ) from error


def _panel(path: Path, metadata: Mapping[str, str]) -> GenePanel:
    def build(document: Any) -> GenePanel:
        names = tuple(document["genes"])
        return GenePanel(names, bool(document["has_rest"]), float(document["target"]))

    panel = _built(path, "genes.json", build)
    _require_same(path, "genes.json", metadata.get("genes"), panel.names)
    return panel


def _blank_moments(panel: GenePanel) -> GeneMoments:
    """Return moments of the right sizes, to be overwritten by the saved ones."""
    genes = len(panel.names)
    rate = torch.full((genes + panel.has_rest,), 1.0 / genes)
    return GeneMoments(torch.zeros(genes), torch.ones(genes), rate, panel.target, panel.has_rest)


def _require_head(path: Path, config: Config, tensors: Mapping[str, Tensor]) -> None:
    """Raise `CheckpointError` unless the weights hold the head that the settings name, fitted."""
    asked: str = config.head.kind
    if asked == "variational" and config.head.recognition == "predictive":
        asked = "variational (predictive)"
    found = _head_of(tensors)
    if found != asked:
        raise CheckpointError(
            f"{WEIGHTS} in run {str(path)!r} holds a {found} head, config.json says {asked}; "
            "expected the same; restore the run's own files, or fit the other head with "
            "GPJEPA.swap_head"
        )
    if not bool(tensors.get("model.head.fitted", torch.tensor(True))):
        raise CheckpointError(
            f"the {asked} head in run {str(path)!r} was never fitted; expected a fitted one; fit "
            "it with GPJEPA.swap_head, or train again"
        )


def _head_of(tensors: Mapping[str, Tensor]) -> str:
    """Tell the kind of the saved head by its parameters."""
    parts = {key.split(".")[2] for key in tensors if key.startswith("model.head.")}
    for part, kind in HEADS:
        if part in parts:
            return kind
    return "deterministic"


def _part(tensors: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    """Return the tensors whose names begin with `prefix`, by the rest of their names."""
    return {key.removeprefix(prefix): v for key, v in tensors.items() if key.startswith(prefix)}


def _fill(module: torch.nn.Module, tensors: dict[str, Tensor], prefix: str, path: Path) -> None:
    own = _part(tensors, prefix)
    try:
        module.load_state_dict(own, strict=True)
    except RuntimeError as error:
        first = str(error).splitlines()[-1].strip()
        raise CheckpointError(
            f"{WEIGHTS} in run {str(path)!r} does not fit its config.json ({first}); expected "
            "files of one run; restore them or train again"
        ) from error
