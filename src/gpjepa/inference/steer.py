"""Moving a predicted population onto a mean effect that is wanted of it."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from gpjepa.core.random import torch_stream
from gpjepa.inference.means import Controls, population_rows, samples_of
from gpjepa.model.gpjepa import WorldModel
from gpjepa.model.perturbation import Condition

ROUNDS = 12  # of matching; each divides what is missing by the share of the library it is of
LEAST_SHARE = 1e-9  # of the library, of a gene
LEAST_REST = 0.01  # of the library, that is left for the rest of the transcriptome


def attainable(
    control: Float[Tensor, " G"], effect: Float[Tensor, " G"], target: float, has_rest: bool
) -> Float[Tensor, " G"]:
    """Return the shares of the library that an effect asks for, kept to what a library holds.

    `effect` is a difference of log1p(target · share) to `control` shares. Shares are above 0;
    without a rest of the transcriptome they sum to 1, with one they leave it `LEAST_REST`.
    """
    wanted = torch.expm1(torch.log1p(target * control) + effect) / target
    wanted = wanted.clamp_min(LEAST_SHARE)
    total = wanted.sum()
    if not has_rest:
        return wanted / total
    return wanted * torch.clamp((1.0 - LEAST_REST) / total, max=1.0)


@torch.no_grad()
def steer(
    model: WorldModel,
    controls: Controls,
    condition: Condition,
    wanted: Float[Tensor, " G"],
    seed: int,
    offset: Float[Tensor, " C"],
) -> Float[Tensor, " C"]:
    """Return offsets of the logits, beside `offset`, that give a population the shares `wanted`.

    `condition` has one row per control cell. Cells keep what sets them apart: every cell's rate
    of a gene is scaled alike, up to the library. The fixed point of log wanted − log decoded.
    """
    generator = torch_stream(seed, "mean", device=controls.state.device)
    drawn = []
    for row, weight in population_rows(controls, samples_of(model)):
        prediction = model.predict(controls.state[row], condition.rows(row))
        drawn.append((weight, model.head.sample(prediction, generator)))
    genes = model.decoder.genes
    shift = torch.zeros_like(offset)
    for _ in range(ROUNDS):
        made = torch.zeros_like(wanted)
        rest = torch.zeros((), device=offset.device)
        for weight, latent in drawn:
            made += model.decoder.pooled_shares(latent, weight, offset + shift)
            if model.decoder.has_rest:
                rest += model.decoder.pooled_classes(latent, weight, offset + shift)[-1]
        shift[:genes] += torch.log(wanted) - torch.log(made.clamp_min(LEAST_SHARE))
        if model.decoder.has_rest:
            shift[-1] += torch.log((1.0 - wanted.sum()).clamp_min(LEAST_SHARE)) - torch.log(rest)
    return shift
