"""Stages B and C together: predictor, head and decoder on an encoder from Stage A."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Generator, Tensor, nn

from gpjepa.core.config import Config
from gpjepa.core.errors import ConfigError
from gpjepa.core.ranks import ALONE, Ranks
from gpjepa.model.count_terms import Asked
from gpjepa.model.draws import Source, shared_draw
from gpjepa.model.encoder import CellEncoder
from gpjepa.model.gpjepa import WorldModel
from gpjepa.model.predictor import Prediction
from gpjepa.model.sparse_counts import SparseCounts, joined
from gpjepa.objectives.across import Across
from gpjepa.objectives.generative import (
    group_weights,
    kl_term,
    population_term,
)
from gpjepa.objectives.jepa import latent_prediction
from gpjepa.objectives.vicreg import vicreg
from gpjepa.objectives.weights import Term, Terms
from gpjepa.training.ema import Following, make_teacher, momentum
from gpjepa.training.monitors import active_units, spread_monitors
from gpjepa.training.pair_batch import PairBatch, PairBatches
from gpjepa.training.validation import EffectValidation


@dataclass(frozen=True)
class EffectTargets:
    """Denoised effects of the training perturbations with their standard deviations, [P, G]."""

    effect: Float[Tensor, "P G"]
    error: Float[Tensor, "P G"]
    target: float


class StageBC(nn.Module):
    """The joint objective: latent prediction, VICReg, likelihood, KL and pseudobulks."""

    name = "fit"
    ranks = ALONE
    following: Following | None = None
    effect: Tensor
    error: Tensor

    def __init__(
        self,
        model: WorldModel,
        teacher: CellEncoder | None,
        observed: EffectTargets,
        source: PairBatches,
        pair: Callable[[PairBatch, Tensor, Tensor], Tensor],
        config: Config,
        validation: EffectValidation,
    ) -> None:
        super().__init__()
        self.model = model
        self.frozen = config.fit.encoder == "frozen"
        followed = self.frozen or config.loss.predict > 0
        first = model.encoder if teacher is None else teacher
        self.teacher = make_teacher(first) if followed else None
        model.encoder.requires_grad_(not self.frozen)
        model.decoder.requires_grad_(config.loss.nb > 0)
        self.register_buffer("effect", observed.effect)
        self.register_buffer("error", observed.error)
        self.target = observed.target
        self.config, self.source, self.pair = config, source, pair
        self.validation = validation

    def share(self, ranks: Ranks) -> None:
        """Take this process's perturbations of each step from now on.

        Raises `ConfigError` where there are fewer than processes. With the mean of a batch as
        state every process does whole batches.
        """
        groups = self.source.groups_per_step
        if ranks.size > groups:
            raise ConfigError(
                f"{ranks.size} processes share a step of {groups} perturbations; expected no more "
                "than perturbations; start fewer processes or raise fit.batch_size"
            )
        self.ranks = ranks if self.model.start is None else ALONE

    def batch(self, step: int, device: torch.device) -> PairBatch:
        """Return the cells of a step that this process has."""
        return self.source(step, device, self.ranks)

    def forward(self, batch: PairBatch, step: int, steps: int, generator: Generator) -> Terms:
        """Return the terms of the joint objective."""
        model, loss, across = self.model, self.config.loss, batch.across()
        draws = across.draws(generator)
        scaled = self._scaled(batch)
        state, seen = model.encoder.of_scaled(scaled).split(batch.counts.shape[0])
        order = self.pair(batch, state.detach(), seen.detach())
        state, library = state.index_select(0, order), batch.control_library[order]
        hidden = self._hidden(draws)
        prediction = model.predict(state, batch.condition, hidden)
        drawn = model.head.train_step(prediction, seen, draws)
        imagined = model.head.sample(prediction, draws)
        spread = vicreg(prediction.mean, seen, across)
        warm = min(1.0, (step + 1) / max(1.0, self.config.head.kl_warmup * steps))
        terms = (
            *self._latent_prediction(scaled.below(len(state)), prediction, across),
            Term("vicreg", spread.anti_collapse() * state.shape[1], loss.vicreg),
            *self._counts(batch, drawn.latent, imagined, state, library),
            Term("kl", kl_term(drawn.kl, self.config.head.free_bits, across), loss.kl * warm),
            *self._priors(prediction, across),
        )
        kept = tuple(term for term in terms if term.weight)
        monitors = (*spread_monitors("encoder", seen, across), active_units(drawn.kl, across))
        return Terms((*kept, *monitors))

    def _scaled(self, batch: PairBatch) -> SparseCounts:
        """Return scaled expression of the control cells and, below them, of their targets."""
        both = joined(batch.control, batch.counts)
        library = torch.cat((batch.control_library, batch.library))
        return self.model.encoder.scaling.expression(both, library)

    def _latent_prediction(
        self, scaled: SparseCounts, prediction: Prediction, across: Across
    ) -> tuple[Term, ...]:
        """Compare the predicted mean with the teacher's embedding of the target, if that counts."""
        weight = self.config.loss.predict
        if self.teacher is None or not weight:
            return ()
        with torch.no_grad():
            target = self.teacher.of_scaled(scaled)
        near = across.part(latent_prediction(prediction.mean, target))
        return (Term("predict", near, weight),)

    def _counts(
        self,
        batch: PairBatch,
        drawn: Float[Tensor, "B D"],
        imagined: Float[Tensor, "B D"],
        state: Float[Tensor, "B D"],
        library: Float[Tensor, " B"],
    ) -> tuple[Term, ...]:
        """Decode the recognised and the predicted latents to counts, if counts train the model.

        Effects are compared between populations decoded from the same control cells, so that the
        noise of which controls were drawn cancels.
        """
        loss, groups = self.config.loss, batch.perturbation.shape[0]
        if not loss.nb:
            return ()
        latents = [drawn]
        if loss.predictor_nb or loss.population:
            latents.append(imagined)
        if loss.population:
            latents.append(state)
        pools = _pools(batch, library, groups if loss.population else 0)
        asked = Asked(batch.counts, batch.library, 2 if loss.predictor_nb else 1, *pools)
        likelihood, shares = self.model.decoder.terms(torch.cat(latents), asked)
        likelihood = batch.across().part(likelihood)
        terms = [Term("nb", -likelihood[0], loss.nb)]
        if loss.predictor_nb:
            terms.append(Term("predictor_nb", -likelihood[1], loss.nb * loss.predictor_nb))
        if loss.population:
            value = self._population(batch, shares[:groups], shares[groups:])
            terms.append(Term("population", value, loss.nb * loss.population))
        return tuple(terms)

    def _hidden(self, generator: Source) -> Bool[Tensor, " M"]:
        """Draw the members whose own embedding is hidden in this step."""
        residual = self.model.condition.residual
        draw = shared_draw(residual.shape[0], generator, residual.device)
        return draw < self.config.perturbation.residual_dropout

    def _population(
        self, batch: PairBatch, perturbed: Float[Tensor, "P G"], control: Float[Tensor, "P G"]
    ) -> Float[Tensor, ""]:
        """Compare decoded effects of the step's perturbations with denoised observed ones."""
        real = (batch.perturbation >= 0).nonzero().squeeze(1)
        row = batch.perturbation[real]
        shares = perturbed.index_select(0, real), control.index_select(0, real)
        nats = population_term(*shares, self.effect[row], self.error[row], self.target)
        if batch.whole is None:
            return nats.sum() / max(1, len(row))
        return batch.across().share(nats.sum(), batch.whole.perturbed)

    def _priors(self, prediction: Prediction, across: Across) -> tuple[Term, Term]:
        """Return the Gaussian priors on the shifts, in nats per cell."""
        first = across.part(0.5 * prediction.first_order.square().sum(dim=1).mean())
        second = across.part(0.5 * prediction.second_order.square().sum(dim=1).mean())
        loss = self.config.loss
        return Term("shift", first, loss.shift), Term("interaction", second, loss.interaction)

    def after_step(self, step: int, steps: int) -> None:
        """Move the teacher while the encoder learns."""
        if self.teacher is not None and not self.frozen:
            if self.following is None:  # as late as the copy that FSDP trains is there
                self.following = Following(self.teacher, self.model.encoder)
            self.following.move(momentum(step, steps, self.config.fit.ema_start))

    def embedder(self) -> CellEncoder:
        """Return the encoder that embeds from now on: the teacher, else a copy of the encoder."""
        return make_teacher(self.model.encoder) if self.teacher is None else self.teacher

    def parameter_groups(self, rate: float) -> list[dict[str, object]]:
        """Return the parameters to train; the encoder learns at a tenth of the rate."""
        encoder = {id(p) for p in self.model.encoder.parameters()}
        rest = [p for p in self.parameters() if p.requires_grad and id(p) not in encoder]
        groups: list[dict[str, object]] = [{"params": rest, "lr": rate}]
        if not self.frozen:
            slow = rate * self.config.fit.encoder_rate
            groups.append({"params": list(self.model.encoder.parameters()), "lr": slow})
        return groups

    def validate(self, device: torch.device) -> dict[str, float]:
        """Return the validation numbers; without measurable ones there is no score.

        Without counts in the objective the decoder is untrained, and there are none.
        """
        return {} if not self.config.loss.nb else self.validation(self.model, device)


def _pools(
    batch: PairBatch, library: Float[Tensor, " B"], groups: int
) -> tuple[Float[Tensor, " S"], Int[Tensor, " S"], int]:
    """Return weight, group and groups of imagined cells and, after them, of their controls."""
    if not groups:
        return library[:0], batch.group[:0], 0
    weight = group_weights(library, batch.group, groups)
    return weight.repeat(2), torch.cat((batch.group, batch.group + groups)), 2 * groups
