"""Expected expression of predicted populations."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from gpjepa.core.random import torch_stream
from gpjepa.inference.cells import BATCH, CellTable
from gpjepa.model.diffusion.residual_head import ResidualHead
from gpjepa.model.gpjepa import WorldModel
from gpjepa.model.perturbation import Condition
from gpjepa.model.predictor import Prediction, joined

ROWS = 8192  # cell × perturbation rows that are run through the model at once
SAMPLES = 4  # latent draws per control cell
LEARNED_SAMPLES = 1  # of a head that evaluates a network many times for each


@dataclass(frozen=True, eq=False)
class Controls:
    """Encoded control cells: where predictions start.

    `shares` are their real expression, `decoded` what the decoder makes of them, both of all
    classes and both before any zero inflation.
    """

    state: Float[Tensor, "N D"]
    library: Float[Tensor, " N"]
    shares: Float[Tensor, " C"]
    decoded: Float[Tensor, " C"]

    def offset(self, total: float, prior: float = 0.5) -> Float[Tensor, " C"]:
        """Return the logit offsets that make decoded controls match the real ones.

        `total` counts stand behind the real shares; each ratio is shrunk by `prior` counts, so a
        gene that the controls hardly show keeps the model's level.
        """
        real, made = self.shares * total, self.decoded * total
        return torch.log((real + prior) / (made + prior))


@torch.no_grad()
def encode_controls(model: WorldModel, cells: CellTable) -> Controls:
    """Encode control cells with the model's encoder."""
    device, genes = model.device(), int(cells.counts.shape[1])
    states, libraries, sums = [], [], []
    counts = torch.zeros(genes, device=device, dtype=torch.float64)
    for start in range(0, len(cells), BATCH):
        sparse, library = cells.sparse(slice(start, start + BATCH), device)
        state = model.encoder(sparse, library)
        states.append(state)
        libraries.append(library)
        counts += torch.bincount(sparse.gene, weights=sparse.value.double(), minlength=genes)
        sums.append(_decoded_sums(model, state, library))
    library = torch.cat(libraries)
    total = library.double().sum()
    classes, expected = (torch.stack(each).sum(dim=0) for each in zip(*sums, strict=True))
    decoded = classes / total
    kept = expected / total / decoded[:genes]
    shares = counts / total / kept
    if decoded.shape[0] > shares.shape[0]:
        shares = torch.cat((shares, (1.0 - shares.sum()).clamp_min(1e-9).unsqueeze(0)))
    return Controls(torch.cat(states), library, shares.float(), decoded.float())


def _decoded_sums(
    model: WorldModel, state: Float[Tensor, "B D"], library: Float[Tensor, " B"]
) -> tuple[Float[Tensor, " C"], Float[Tensor, " G"]]:
    """Return the sums over cells, double precision, of decoded classes and of expected counts."""
    decoder = model.decoder
    classes = decoder.pooled_classes(state, library).double()
    if decoder.zero is None:
        return classes, classes[: decoder.genes]
    return classes, decoder.pooled_shares(state, library).double()


@torch.no_grad()
def mean_shares(
    model: WorldModel,
    controls: Controls,
    condition: Condition,
    seed: int,
    offset: Float[Tensor, " C"] | None = None,
    samples: int | None = None,
) -> Float[Tensor, " G"]:
    """Return the expected share of the library of each gene in one predicted population.

    `condition` has one row per control cell. With one seed all perturbations see the same latent
    noise, so that differences between them are not sampling.
    """
    generator = torch_stream(seed, "mean", device=controls.state.device)
    total = torch.zeros(model.decoder.genes, device=controls.state.device)
    predicted = [
        model.predict(controls.state[some], condition.rows(some))
        for some in torch.arange(len(controls.state), device=total.device).split(ROWS)
    ]
    prediction = joined(predicted)
    for row, weight in population_rows(controls, samples or samples_of(model)):
        here, members = prediction.rows(row), condition.members[row]
        latent = model.head.sample(here, generator)
        total += model.pooled_shares(members, here.start, latent, weight, offset)
    return total


@torch.no_grad()
def shares_by_order(
    model: WorldModel,
    controls: Controls,
    condition: Condition,
    seed: int,
    offset: Float[Tensor, " C"] | None = None,
    samples: int | None = None,
) -> tuple[Float[Tensor, " G"], Float[Tensor, " G"]]:
    """Return what `mean_shares` does, with the pair shifts Δ₂ and without them.

    Both see the same latent noise, that of `mean_shares`, so that they differ by Δ₂ alone.
    """
    prediction = model.predict(controls.state, condition)
    return decoded_by_order(model, controls, prediction, condition.members, seed, offset, samples)


@torch.no_grad()
def decoded_by_order(
    model: WorldModel,
    controls: Controls,
    prediction: Prediction,
    members: Int[Tensor, "N K"],
    seed: int,
    offset: Float[Tensor, " C"] | None = None,
    samples: int | None = None,
) -> tuple[Float[Tensor, " G"], Float[Tensor, " G"]]:
    """Return `shares_by_order` of one population whose latents are predicted already."""
    generator = torch_stream(seed, "mean", device=controls.state.device)
    whole = torch.zeros(model.decoder.genes, device=controls.state.device)
    plain = torch.zeros_like(whole)
    for row, weight in population_rows(controls, samples or samples_of(model)):
        here = prediction.rows(row)
        before = generator.get_state()
        latent = model.head.sample(here, generator)
        whole += model.pooled_shares(members[row], here.start, latent, weight, offset)
        generator.set_state(before)
        latent = model.head.sample(here.without_pairs(), generator)
        plain += model.decoder.pooled_shares(latent, weight, offset)
    return whole, plain


@torch.no_grad()
def control_shares(
    model: WorldModel, controls: Controls, offset: Float[Tensor, " C"] | None = None
) -> Float[Tensor, " G"]:
    """Return the expected share of each gene in the decoded control cells."""
    total = torch.zeros(model.decoder.genes, device=controls.state.device)
    for row, weight in population_rows(controls, 1):
        total += model.decoder.pooled_shares(controls.state[row], weight, offset)
    return total


def samples_of(model: WorldModel) -> int:
    """Return how many latents are drawn of each control cell where that is not said."""
    learned = isinstance(model.head, ResidualHead)
    return LEARNED_SAMPLES if learned else SAMPLES


def population_rows(
    controls: Controls, samples: int
) -> Iterator[tuple[Int[Tensor, " N"], Float[Tensor, " N"]]]:
    """Yield, at most `ROWS` at a time, the cells of all draws and their shares of the library."""
    cells = controls.state.shape[0]
    weight = (controls.library / controls.library.sum()).repeat(samples) / samples
    row = torch.arange(cells, device=controls.state.device).repeat(samples)
    for start in range(0, cells * samples, ROWS):
        part = slice(start, start + ROWS)
        yield row[part], weight[part]
