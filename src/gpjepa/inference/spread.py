"""Where the spread of a predicted population comes from: library, control, latent, counts."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Generator, Tensor

from gpjepa.core.random import torch_stream
from gpjepa.core.total_variance import alike, variance_shares
from gpjepa.inference.cells import CellTable
from gpjepa.model.abduction import abducted_rate
from gpjepa.model.distributions import CountDistribution, ZeroInflatedNegativeBinomial
from gpjepa.model.gpjepa import WorldModel
from gpjepa.model.perturbation import Condition

SOURCES = ("library", "control", "latent", "counts")
ROWS = 2048  # cells decoded at once


@dataclass(frozen=True, eq=False)
class Scale:
    """What expression is measured on: log1p(target · counts / library) of the genes [H]."""

    genes: Int[Tensor, " H"]
    target: float


@dataclass(frozen=True)
class Spread:
    """Shares of the variance by source in the order of `SOURCES`, with standard errors."""

    shares: tuple[float, ...]
    errors: tuple[float, ...]


@torch.no_grad()
def sources_of_spread(
    model: WorldModel,
    controls: CellTable,
    condition: Condition,
    source: np.ndarray,
    offset: Float[Tensor, " C"] | None,
    scale: Scale,
    seed: int,
) -> Spread:
    """Split the variance of a predicted population by the law of total variance, in this order.

    - library: what cells of the same library are expected to show alike;
    - control: what the control cell adds, its latent and its genes' own rates;
    - latent: what the head's draw adds under the perturbation, and which cells respond;
    - counts: the rest, Poisson noise and zero inflation.

    Variances are of log1p(target · counts / library), summed over the genes of `scale`. Each
    control cell's rates are drawn once from what its counts say of them and kept; latent and
    counts are drawn again. `source` names the control cell of each row of `condition`.
    """
    generator = torch_stream(seed, "spread", device=model.device())
    drawn: list[list[np.ndarray]] = []
    for start in range(0, len(source), ROWS):
        rows = np.arange(start, min(start + ROWS, len(source)))
        counts, library = controls.dense(source[rows], model.device())
        here = condition.rows(torch.from_numpy(rows).to(model.device()))
        unit = scale.target / library.unsqueeze(1)
        copies = _copies(model, counts, library, here, offset, generator)
        drawn.append([_numbers(unit * each, scale) for each in copies])
    cells, other_latent, other_counts = (np.concatenate(part) for part in zip(*drawn, strict=True))
    same_library = cells[alike(controls.library[source])]
    shares, errors = variance_shares(cells, (same_library, other_latent, other_counts))
    return Spread(tuple(map(float, shares)), tuple(map(float, errors)))


def _copies(
    model: WorldModel,
    counts: Float[Tensor, "B G"],
    library: Float[Tensor, " B"],
    condition: Condition,
    offset: Float[Tensor, " C"] | None,
    generator: Generator,
) -> tuple[Float[Tensor, "B G"], Float[Tensor, "B G"], Float[Tensor, "B G"]]:
    """Return perturbed counts of control cells, with the latent drawn again, with its counts."""
    prediction = model.predict(model.encoder(counts, library), condition)
    before = model.decoder(prediction.start, library, offset)
    own = abducted_rate(counts, before, generator) / before.mu

    def outcome() -> CountDistribution:
        latent = model.head.sample(prediction, generator)
        after = model.decoder(latent, library, offset)
        return model.outcome(condition.members, before, after, generator)

    first, second = outcome(), outcome()
    cells, other_latent, other_counts = (
        _drawn(own, after, generator) for after in (first, second, first)
    )
    return cells, other_latent, other_counts


def _drawn(
    own: Float[Tensor, "B G"], after: CountDistribution, generator: Generator
) -> Float[Tensor, "B G"]:
    """Draw counts at the mean rates of `after` times what is the cell's own."""
    counts = torch.poisson(own * after.mu, generator=generator)
    if not isinstance(after, ZeroInflatedNegativeBinomial):
        return counts
    kept = torch.rand(counts.shape, generator=generator, device=counts.device)
    return counts * (kept >= torch.sigmoid(after.zero_logit))


def _numbers(scaled: Float[Tensor, "B G"], scale: Scale) -> np.ndarray:
    return np.asarray(torch.log1p(scaled[:, scale.genes]).cpu().numpy())
