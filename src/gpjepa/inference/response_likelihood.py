"""How well fractions of responders explain the cells of a perturbation."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from gpjepa.core.threads import single_threaded
from gpjepa.inference.means import Controls
from gpjepa.model.decoders import CountDecoder
from gpjepa.model.mixture import responder_ratio

STEPS = 40
FRACTIONS = tuple((step + 0.5) / STEPS for step in range(STEPS))
# What a responder looks like is derived from the predicted mean by a fraction of its own, so that
# a mean effect predicted too small or too large does not bias how many cells respond.
SCALES = (0.1, 0.15, 0.2, 0.25, 0.3, 0.4, 0.5, 0.65, 0.8, 1.0)
SCALE_SD = 0.35  # of log(observed / predicted mean effect), the prior of that
NOISE = 1.0  # standard errors by which log changes are brought nearer to 0
STATES = 4  # typical control cells that a cell is compared with
LEAST_STATE = 0.02  # of the control cells that a typical one stands for
MOST_GENES = 1000  # that tell responders from escapers best


@dataclass(frozen=True, eq=False)
class ControlStates:
    """Typical control cells: shares of the library [M, G] with their weights [M]."""

    shares: Float[Tensor, "M G"]
    weight: Float[Tensor, " M"]

    @property
    def mean(self) -> Float[Tensor, " G"]:
        """Return the mean shares."""
        return self.weight @ self.shares


@dataclass(frozen=True, eq=False)
class Evidence:
    """Log evidence of the cells of one perturbation: per fraction, and if every cell responds."""

    mixed: np.ndarray  # [F]
    plain: float


def control_states(
    decoder: CountDecoder, controls: Controls, offset: Float[Tensor, " C"] | None, seed: int
) -> ControlStates:
    """Group control cells by their latents; returns the decoded mean of each group."""
    from sklearn.cluster import KMeans

    latents = controls.state.cpu().numpy()
    shares = decoder.mean_shares(controls.state, offset).double()
    library = controls.library.double()
    with single_threaded():
        grouping = KMeans(min(STATES, len(latents)), n_init=1, random_state=seed).fit(latents)
    found, weights = [], []
    for group in range(grouping.n_clusters):
        own = torch.from_numpy(np.flatnonzero(grouping.labels_ == group)).to(shares.device)
        weights.append(len(own) / len(latents))
        found.append(library[own] @ shares[own] / library[own].sum())
    weight = torch.tensor(weights, dtype=torch.float64, device=shares.device)
    kept = weight >= min(LEAST_STATE, float(weight.max()))
    return ControlStates(torch.stack(found)[kept], weight[kept] / weight[kept].sum())


def sure_ratio(
    ratio: Float[Tensor, " G"],
    base: Float[Tensor, " G"],
    exposure: float,
    cells: int,
    dispersion: Float[Tensor, " G"],
) -> Float[Tensor, " G"]:
    """Return the ratios with log changes brought nearer to 0 by their standard error.

    `base` are control shares, `exposure` the mean library of the `cells` that were measured.
    The fewer cells respond, the more an error of the mean is magnified in what responders
    look like; unchecked it speaks against every small fraction.
    Source: soft thresholding, Donoho 1995, with the errors of NB means.
    """
    error = torch.sqrt((1.0 / (exposure * base).clamp_min(1e-6) + 1.0 / dispersion) / cells)
    change = torch.log(ratio)
    return torch.exp(torch.sign(change) * (change.abs() - NOISE * error).clamp_min(0.0))


def evidence(
    counts: Float[Tensor, "N G"],
    library: Float[Tensor, " N"],
    states: ControlStates,
    ratio: Float[Tensor, " G"],
    dispersion: Float[Tensor, " G"],
) -> Evidence:
    """Weigh every fraction of responders by the counts of a perturbation's cells.

    `ratio` is the predicted mean expression over that of the controls. Each cell is an escaper
    (a control cell) or a responder, either one in any of the control `states`. What responders
    look like is averaged over, with a prior that keeps the mean effect near the predicted one.
    """
    escaping, responding = _by_scale(counts, library, states, ratio, dispersion)
    fraction = torch.tensor(FRACTIONS, dtype=torch.float64, device=counts.device)
    mixed = torch.logaddexp(
        torch.log(fraction)[:, None, None] + responding,
        torch.log1p(-fraction)[:, None, None] + escaping,
    ).sum(dim=2)
    prior = _scale_prior(fraction)
    everyone = _scale_prior(torch.ones_like(fraction[:1]))
    return Evidence(
        torch.logsumexp(mixed + prior, dim=1).cpu().numpy(),
        float(torch.logsumexp(responding.sum(dim=1) + everyone[0], dim=0)),
    )


def responsibilities(
    counts: Float[Tensor, "N G"],
    library: Float[Tensor, " N"],
    states: ControlStates,
    ratio: Float[Tensor, " G"],
    dispersion: Float[Tensor, " G"],
    fraction: float,
) -> Float[Tensor, " N"]:
    """Return how likely each cell is a responder, where a `fraction` of the cells responds.

    Given as `evidence` has them, with the scale of the effect that explains the cells best.
    """
    escaping, responding = _by_scale(counts, library, states, ratio, dispersion)
    known = torch.full((1,), fraction, dtype=torch.float64, device=counts.device)
    odds = torch.log(known) - torch.log1p(-known)
    mixed = torch.logaddexp(responding + odds, escaping[None]).sum(dim=1) + _scale_prior(known)[0]
    return torch.sigmoid(responding[mixed.argmax()] - escaping + odds)


def _by_scale(
    counts: Tensor, library: Tensor, states: ControlStates, ratio: Tensor, dispersion: Tensor
) -> tuple[Float[Tensor, " N"], Float[Tensor, "S N"]]:
    """Return log likelihoods as escapers and, for each scale, as responders."""
    gene = _telling(library, states, ratio)
    counts, dispersion = counts[:, gene].double(), dispersion[gene].double()
    library, ratio = library.double(), ratio[gene].double()
    shares = states.shares[:, gene]

    def likelihood(change: Tensor) -> Tensor:
        of_state = torch.stack(
            [_log_likelihood(counts, library, share * change, dispersion) for share in shares]
        )
        return torch.logsumexp(of_state + torch.log(states.weight)[:, None], dim=0)

    responding = [likelihood(responder_ratio(ratio, scale)) for scale in SCALES]
    return likelihood(torch.ones_like(ratio)), torch.stack(responding)


def _telling(library: Tensor, states: ControlStates, ratio: Tensor) -> Tensor:
    """Return the genes that tell most: by expected counts times squared log change."""
    told = library.double().mean() * states.mean * torch.log(ratio.double()).square()
    return torch.topk(told, min(MOST_GENES, len(told))).indices.sort().values


def _scale_prior(fraction: Float[Tensor, " F"]) -> Float[Tensor, "F S"]:
    """Return the log prior of each scale given a fraction; their ratio is that of mean effects."""
    scale = torch.tensor(SCALES, dtype=fraction.dtype, device=fraction.device)
    off = torch.log(fraction)[:, None] - torch.log(scale)[None]
    return torch.log_softmax(-0.5 * (off / SCALE_SD) ** 2, dim=1)


def _log_likelihood(
    counts: Float[Tensor, "N G"],
    library: Float[Tensor, " N"],
    shares: Float[Tensor, " G"],
    dispersion: Float[Tensor, " G"],
) -> Float[Tensor, " N"]:
    """Return the NB log likelihood of cells, without the terms that no share changes."""
    mean = library[:, None] * shares
    return counts @ torch.log(shares) - ((counts + dispersion) * torch.log(mean + dispersion)).sum(
        dim=1
    )
