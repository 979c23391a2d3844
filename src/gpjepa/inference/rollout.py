"""Perturbations one after the other, each acting on the state that the last one left."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from gpjepa.core.random import torch_stream
from gpjepa.inference.cells import CellTable
from gpjepa.inference.respond import Population, become, library_of
from gpjepa.model.gpjepa import WorldModel
from gpjepa.model.perturbation import Condition
from gpjepa.model.sparse_counts import csr_of


@torch.no_grad()
def roll_out(
    model: WorldModel,
    controls: CellTable,
    steps: Sequence[Condition],
    source: np.ndarray,
    offset: Float[Tensor, " C"] | None,
    seed: int,
) -> Population:
    """Apply the conditions in order to the latent of each cell; counts follow to the last state.

    Each step draws its latent from the predictor given the state that the step before left.
    """
    device = model.device()
    counts, library = controls.sparse(source, device)
    state = model.encoder(counts, library)
    first = state if model.start is None else model.start(state)
    generator = torch_stream(seed, "rollout", device=device)
    for condition in steps:
        state = model.head.sample(model.predict(state, condition), generator)
    states = (first, state if steps else first)
    changed = become(model, counts, library, states, offset, generator)
    matrix = csr_of(changed)
    return Population(matrix, library_of(model, matrix, controls.library[source]), source)
