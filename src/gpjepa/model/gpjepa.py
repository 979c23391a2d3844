"""The wiring of the world model: encoder, perturbation embedding, predictor, head, decoder."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Generator, Tensor, nn

from gpjepa.core.config import Config
from gpjepa.model.decoders import CountDecoder
from gpjepa.model.diffusion.head import DiffusionHead
from gpjepa.model.diffusion.residual_head import ResidualHead
from gpjepa.model.distributions import CountDistribution
from gpjepa.model.effect_composition import EffectComposition
from gpjepa.model.encoder import CellEncoder
from gpjepa.model.flow import FlowHead
from gpjepa.model.genes import GeneScaling
from gpjepa.model.mean_state import MeanState
from gpjepa.model.mixture import ResponderMixture
from gpjepa.model.perturbation import Condition, ConditionEncoder, ConditionSpec
from gpjepa.model.predictor import Prediction, Predictor
from gpjepa.model.variational import DeterministicHead, PredictiveHead, RecognitionHead

Head = RecognitionHead | PredictiveHead | DeterministicHead | ResidualHead


@dataclass(frozen=True)
class GeneMoments:
    """Training moments of the modelled genes.

    `mean` and `deviation` [G] of log1p(target · counts / library), `target` in counts,
    `base_rate` [G, or G + 1 with the rest of the transcriptome] shares of the library.
    """

    mean: Float[Tensor, " G"]
    deviation: Float[Tensor, " G"]
    base_rate: Float[Tensor, " C"]
    target: float
    has_rest: bool


def build_encoder(moments: GeneMoments, config: Config) -> CellEncoder:
    """Build an untrained cell encoder."""
    scaling = GeneScaling(moments.mean, moments.deviation, moments.target)
    part = config.encoder
    return CellEncoder(scaling, part.latent, part.hidden, part.layers)


def build_head(config: Config) -> Head:
    """Build the latent head that the settings name; "auto" begins as the variational one."""
    latent, hidden, part = config.encoder.latent, config.encoder.hidden, config.head
    if part.kind == "deterministic":
        return DeterministicHead()
    if part.recognition == "predictive":
        return PredictiveHead(latent, hidden)
    return learned_head(RecognitionHead(latent, hidden), config)


def learned_head(base: RecognitionHead, config: Config) -> RecognitionHead | ResidualHead:
    """Wrap a variational head in the diffusion or flow that the settings name, not yet fitted."""
    part = config.head
    match part.kind:
        case "diffusion":
            return DiffusionHead(
                base,
                process=part.process,
                schedule=part.schedule,
                sampler=part.sampler,
                evaluations=part.evaluations,
                guidance=part.guidance,
            )
        case "flow":
            return FlowHead(base, evaluations=part.evaluations)
        case _:
            return base


class WorldModel(nn.Module):
    """Control cell and perturbation in, distribution over perturbed counts out."""

    def __init__(
        self,
        moments: GeneMoments,
        spec: ConditionSpec,
        config: Config,
        composition: EffectComposition | None = None,
    ) -> None:
        super().__init__()
        latent, part = config.encoder.latent, config.predictor
        self.encoder = build_encoder(moments, config)
        self.condition = ConditionEncoder(spec, part.width)
        self.predictor = Predictor(
            latent, part.width, part.cell_tokens, part.layers, part.heads, part.form, composition
        )
        self.start = MeanState(latent) if part.state == "mean" else None
        self.head = build_head(config)
        self.responders: ResponderMixture | None = None  # fitted last; None: all cells respond
        self.decoder = CountDecoder(
            latent,
            moments.base_rate,
            moments.has_rest,
            config.decoder.hidden,
            config.decoder.distribution,
        )

    def predict(
        self,
        state: Float[Tensor, "B D"],
        condition: Condition,
        hidden: Tensor | None = None,
    ) -> Prediction:
        """Predict the latent of encoded control cells under their conditions."""
        if self.start is not None:
            state = self.start(state)
        return self.predictor(state, condition, self.condition, hidden)

    def outcome(
        self,
        members: Int[Tensor, "B K"],
        before: CountDistribution,
        after: CountDistribution,
        generator: Generator,
        led: bool = False,
    ) -> CountDistribution:
        """Return what cells turn to under the perturbations of `members`: `after`, or `before`.

        The latter are escapers, where the model knows of any; see `ResponderMixture`, also for
        cells that are `led` to a mean.
        """
        if self.responders is None:
            return after
        divided: CountDistribution = self.responders(members, before, after, generator, led)
        return divided

    def pooled_shares(
        self,
        members: Int[Tensor, "B K"],
        start: Float[Tensor, "B D"],
        latent: Float[Tensor, "B D"],
        weight: Float[Tensor, " B"],
        offset: Float[Tensor, " C"] | None = None,
    ) -> Float[Tensor, " G"]:
        """Return `weight` times the expected shares of cells that go to `latent`, added up.

        Responders and escapers, which stay at `start`, together, as they are under the
        perturbations of `members`.
        """
        if self.responders is None or not bool(self.responders.composes(members).any()):
            return self.decoder.pooled_shares(latent, weight, offset)
        shares = (self.decoder.mean_shares(at, offset) for at in (start, latent))
        return weight @ self.responders.mean(members, *shares)

    def device(self) -> torch.device:
        """Return the device that the parameters live on."""
        return self.condition.shared.device
