"""Which parts can be taken away, what stands in their place, and what that is to show."""

from __future__ import annotations

from dataclasses import dataclass

from gpjepa.core.config import Config
from gpjepa.core.errors import ConfigError, unknown

FROM_SCRATCH = ("pretrain.epochs=0", "pretrain.start=random", "fit.encoder_rate=1.0")
WITHOUT_JEPA = (*FROM_SCRATCH, "loss.predict=0", "loss.vicreg=0")
ELBO_ONLY = ("loss.predictor_nb=0", "loss.population=0")
TRANSFORMER_PAIRS = ("predictor.form=decomposed",)  # no measured effect is composed
NO_SPREAD = ("head.kind=deterministic", "loss.kl=0", "loss.predictor_nb=0")


@dataclass(frozen=True)
class Ablation:
    """A model without one of its parts.

    `removes` says what is gone, `asks` which question of the architecture that answers;
    `settings` are the overrides that make it.
    """

    name: str
    removes: str
    asks: str
    settings: tuple[str, ...]


ABLATIONS = (
    Ablation(
        "no pretraining",
        "Stage A and its start at the co-expression axes; the encoder learns from scratch in fit",
        "whether self-supervised pretraining helps",
        FROM_SCRATCH,
    ),
    Ablation(
        "co-expression start",
        "the steps of Stage A; its start at the co-expression axes stays",
        "how much of what pretraining gives is in its start",
        ("pretrain.epochs=0",),
    ),
    Ablation(
        "reconstruction pretraining",
        "latent prediction in Stage A; held-out genes are predicted as counts instead",
        "whether prediction in latent space gives better representations than reconstruction",
        ("pretrain.objective=reconstruction",),
    ),
    Ablation(
        "no JEPA",
        "Stage A, latent prediction, VICReg and the teacher; all count terms stay",
        "whether JEPA adds anything to a generative model of counts",
        WITHOUT_JEPA,
    ),
    Ablation(
        "plain NB-VAE",
        "all of JEPA, the likelihood and pseudobulks of predictor samples, and the composition of "
        "measured effects: an NB likelihood and a KL to the conditional prior are left, with the "
        "priors on the shifts",
        "what a conditional NB-VAE does, into which a large λ_nb degenerates",
        (*WITHOUT_JEPA, *ELBO_ONLY, *TRANSFORMER_PAIRS),
    ),
    Ablation(
        "no pseudobulk term",
        "the term on the pseudobulk of predictor samples",
        "whether effect sizes shrink without it",
        ("loss.population=0",),
    ),
    Ablation(
        "latent only",
        "every count term in fit (λ_nb = 0), and the composition of effects measured in counts; "
        "the decoder is a regression fitted afterwards",
        "whether latent prediction alone gets states right and effect sizes wrong (gap G2)",
        ("loss.nb=0", *NO_SPREAD, *TRANSFORMER_PAIRS),
    ),
    Ablation(
        "deterministic",
        "the spread of the predicted latent, and with it recognition and KL (gap G1)",
        "whether a point in latent space per cell makes a population",
        NO_SPREAD,
    ),
    Ablation(
        "predictive recognition",
        "recognition that sees the target: the posterior is the predictor, with a prior beside it",
        "the letter of the specification, where posterior and prior have the same inputs",
        ("head.recognition=predictive",),
    ),
    Ablation(
        "random pairing",
        "optimal transport between control and perturbed cells of a step",
        "whether the choice of pairs matters",
        ("predictor.pairing=random",),
    ),
    Ablation(
        "transformer pairs",
        "the composition of measured effects; the pair shift Δ₂ comes from the transformer alone",
        "whether the module that composes effect tables helps inside the predictor",
        TRANSFORMER_PAIRS,
    ),
    Ablation(
        "interaction off",
        "the pair shift Δ₂ of either kind: combinations are sums in latent space",
        "whether learned interactions help on unseen combinations",
        ("predictor.form=additive",),
    ),
    Ablation(
        "free predictor",
        "the decomposition by order: one transformer run on the whole set",
        "whether starting at additivity helps",
        ("predictor.form=free",),
    ),
    Ablation(
        "features off",
        "prior features of perturbed genes; genes without cells are refused",
        "whether gene sets help where there is data",
        ("perturbation.features=[]",),
    ),
    Ablation(
        "mean state",
        "the control cell: every cell starts from the mean control latent",
        "whether responses depend on the state of the cell",
        ("predictor.state=mean",),
    ),
    Ablation(
        "frozen encoder",
        "learning of the encoder in fit; it stays as Stage A left it",
        "whether the representation must move for effects to be met",
        ("fit.encoder=frozen",),
    ),
)

NAMES = tuple(ablation.name for ablation in ABLATIONS)


def find(name: str) -> Ablation:
    """Return the ablation of a name; raise `ConfigError` for an unknown one."""
    for ablation in ABLATIONS:
        if ablation.name == name:
            return ablation
    raise ConfigError(unknown("ablation", name, NAMES, f"use one of {', '.join(NAMES)}"))


def ablated(config: Config, name: str) -> Config:
    """Return the settings of `config` without the part that the ablation takes away.

    Raises `ConfigError` for an unknown name.
    """
    return config.override(find(name).settings)
