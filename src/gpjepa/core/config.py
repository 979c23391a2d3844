"""Every setting of a run: frozen, typed, unknown keys refused."""

from __future__ import annotations

import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from gpjepa.core.contradictions import contradiction
from gpjepa.core.errors import ConfigError, nearest

Positive = Annotated[int, Field(ge=1)]
Weight = Annotated[float, Field(ge=0.0, allow_inf_nan=False)]
Rate = Annotated[float, Field(gt=0.0, lt=1.0)]
Share = Annotated[float, Field(ge=0.0, le=1.0)]
HeadKind = Literal["variational", "deterministic", "diffusion", "flow", "auto"]


class Section(BaseModel):
    """A frozen group of settings that refuses keys it does not know."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class DataConfig(Section):
    """Which cells and genes are modelled; fitted on training cells only."""

    genes: Positive | None = 5000  # most genes modelled: the most variable; None models all
    min_cell_counts: Annotated[int, Field(ge=0)] = 1  # counts a cell needs to train


class EncoderConfig(Section):
    """The cell encoder f_θ."""

    latent: Annotated[int, Field(ge=2)] = 32  # D
    hidden: Positive = 128
    layers: Positive = 2


class PerturbationConfig(Section):
    """The perturbation embedding e_θ."""

    features: tuple[Literal["go", "reactome", "hallmark", "coexpression"], ...] = (
        "go",
        "reactome",
        "hallmark",
    )
    components: Positive = 32  # axes kept of each source of features
    residual_dropout: Share = 0.1  # chance that a gene's own embedding is hidden in a step


class PredictorConfig(Section):
    """The conditional transformer g_φ."""

    # composed: Δ₂ from measured combinations; decomposed: from the transformer; additive: none
    form: Literal["composed", "decomposed", "additive", "free"] = "composed"
    state: Literal["cell", "mean"] = "cell"  # mean: every cell starts from the mean control latent
    width: Positive = 32  # divisible by heads
    cell_tokens: Annotated[int, Field(ge=4)] = 4
    layers: Positive = 2
    heads: Positive = 4
    pairing: Literal["random", "optimal-transport"] = "optimal-transport"


class HeadConfig(Section):
    """The generative head over the latent."""

    # deterministic needs loss.kl=0; auto: variational, escalated where validation asks for it
    kind: HeadKind = "variational"
    recognition: Literal["target", "predictive"] = "target"
    free_bits: Weight = 0.0  # nats per latent dimension that the KL is not pressed below
    kl_warmup: Share = 0.3  # share of the steps over which the KL weight rises from 0
    process: Literal["vp", "ve"] = "vp"  # of a diffusion: variance preserving or exploding
    schedule: Literal["linear", "cosine", "quadratic"] = "cosine"  # of a diffusion's noise
    sampler: Literal["ancestral", "heun", "ode"] = "ode"  # of a diffusion
    evaluations: Annotated[int, Field(ge=2)] = 20  # of the network for a latent
    guidance: Weight = 1.0  # of a diffusion; 1 is none, 2 evaluates the network twice as often
    fitting_steps: Positive = 2000  # for which a diffusion or flow is fitted, all else frozen
    fitting_rate: Rate = 1e-3  # peak learning rate of that


class DecoderConfig(Section):
    """The count decoder d_ψ."""

    distribution: Literal["nb", "zinb"] = "nb"
    hidden: Annotated[int, Field(ge=0)] = 0  # 0: one linear map from latent to logits


class LossConfig(Section):
    """Weights of the terms; likelihood and KL are in nats per cell."""

    predict: Weight = 1.0  # 0: nothing is compared with a teacher in fit, and there is none
    vicreg: Weight = 1.0
    nb: Weight = 1.0  # 0: no count trains the model, the decoder is fitted to its latents after
    kl: Weight = 1.0
    predictor_nb: Weight = 0.1  # the likelihood of predictor samples, relative to `nb`
    population: Weight = 10.0  # pseudobulk term, nats per perturbation, relative to `nb`
    shift: Weight = 0.1  # prior precision of the first-order shifts (latent units)
    interaction: Weight = 10.0  # prior precision of the pair shifts (latent units)


class PretrainConfig(Section):
    """Stage A."""

    epochs: Annotated[int, Field(ge=0)] = 30  # 0 leaves the encoder at its start
    objective: Literal["jepa", "reconstruction"] = "jepa"  # what held-out genes are predicted as
    start: Literal["coexpression", "random"] = "coexpression"  # where the encoder begins
    min_steps: Annotated[int, Field(ge=0)] = 400  # small data get more epochs
    max_steps: Positive = 20000
    batch_size: Annotated[int, Field(ge=2)] = 256
    learning_rate: Rate = 3e-4
    weight_decay: Weight = 1e-4
    mask_low: Rate = 0.3  # share of genes held out, drawn uniformly between low and high
    mask_high: Rate = 0.7
    expressed_share: Share = 0.5  # least share of held-out genes that the cell expresses
    block_share: Share = 0.5  # share of cells masked in co-expression blocks
    ema_start: Rate = 0.996  # teacher momentum, rising to 1 along a cosine


class FitConfig(Section):
    """Stages B and C."""

    epochs: Annotated[int, Field(ge=1)] = 20
    min_steps: Annotated[int, Field(ge=0)] = 1500  # small data get more epochs
    max_steps: Positive = 20000
    batch_size: Annotated[int, Field(ge=8)] = 128  # perturbed cells of a step
    group_size: Annotated[int, Field(ge=4)] = 16  # cells drawn of each perturbation of a step
    learning_rate: Rate = 2e-3
    weight_decay: Weight = 1e-4
    encoder: Literal["finetune", "frozen"] = "finetune"
    encoder_rate: Annotated[float, Field(gt=0.0, le=1.0)] = 0.1  # of learning_rate
    ema_start: Rate = 0.996
    patience: Positive = 10  # validations without gain before stopping
    validations: Positive = 20  # spread evenly over the run
    clip: Annotated[float, Field(gt=0.0)] = 10.0  # gradient norm


class Config(Section):
    """All settings of a model.

    Raises `ConfigError` for an unknown key, a value out of range or settings that contradict
    each other.
    """

    data: DataConfig = DataConfig()
    encoder: EncoderConfig = EncoderConfig()
    perturbation: PerturbationConfig = PerturbationConfig()
    predictor: PredictorConfig = PredictorConfig()
    head: HeadConfig = HeadConfig()
    decoder: DecoderConfig = DecoderConfig()
    loss: LossConfig = LossConfig()
    pretrain: PretrainConfig = PretrainConfig()
    fit: FitConfig = FitConfig()

    def __init__(self, **sections: Any) -> None:
        try:
            super().__init__(**sections)
        except ValidationError as error:
            raise ConfigError(_explain(error)) from error
        if found := contradiction(self):
            raise ConfigError(found)

    @classmethod
    def from_toml(cls, path: Path | str) -> Config:
        """Read a configuration from a TOML file whose tables are the sections."""
        try:
            document = tomllib.loads(Path(path).read_text(encoding="utf-8"))
        except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
            raise ConfigError(
                f"config file {str(path)!r} cannot be read ({error}); expected TOML with the "
                f"tables {', '.join(cls.model_fields)}; check the path and the syntax"
            ) from error
        return cls(**document)

    def with_head(self, kind: HeadKind) -> Config:
        """Return a copy with another generative head; only a diffusion keeps its guidance."""
        guidance = self.head.guidance if kind == "diffusion" else 1.0
        head = self.head.model_copy(update={"kind": kind, "guidance": guidance})
        return self.model_copy(update={"head": head})

    def override(self, settings: Sequence[str]) -> Config:
        """Return a copy with `section.key=value` settings applied, values in TOML or bare."""
        document = self.model_dump(mode="json", exclude_unset=True)  # what was left open stays so
        for setting in settings:
            name, separator, text = setting.partition("=")
            section, dot, key = name.strip().partition(".")
            if not separator or not dot:
                raise ConfigError(
                    f"setting {setting!r} is not understood; expected section.key=value; "
                    "write for example fit.epochs=60"
                )
            document.setdefault(section, {})[key] = _value(text.strip())
        return Config(**document)


def _value(text: str) -> Any:
    """Read one TOML value; a bare word is a string, `none` is no value."""
    if text.lower() in ("none", "null"):
        return None
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text


def _fields_at(location: Sequence[int | str]) -> list[str]:
    """Return the field names known in the section that holds `location`."""
    section: type[BaseModel] = Config
    for part in location[:-1]:
        annotation = section.model_fields[str(part)].annotation
        if not (isinstance(annotation, type) and issubclass(annotation, BaseModel)):
            return []
        section = annotation
    return list(section.model_fields)


def _explain(error: ValidationError) -> str:
    """Word a validation error as found, expected, do."""
    first = error.errors()[0]
    location = first["loc"]
    name = ".".join(str(part) for part in location)
    if first["type"] == "extra_forbidden":
        known = _fields_at(location)
        close = nearest(str(location[-1]), known, 1)
        hint = f"did you mean {close[0]!r}?" if close else "remove it"
        return f"setting {name!r} is not known; expected one of {', '.join(known)}; {hint}"
    return (
        f"setting {name!r} is {first['input']!r}; expected: {first['msg']}; "
        "change the value in the config file or in --set"
    )
