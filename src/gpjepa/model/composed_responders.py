"""Effects of responders under sets of perturbations, from what their members do."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from gpjepa.model.effect_composition import EffectComposition, blank

OWN = "composition."  # what the names of the composition's tensors begin with


class ComposedResponders(nn.Module):
    """Composes how log rates of responders change; the mean of two estimates that err apart.

    One is the `composition` of measured effects, which knows interactions. The other is the sum
    over members of `change` [M, G], fitted to all sets together, with each gene shrunk by how
    little stands out of the `variance` [M, G] of its error: u³/(u² + σ²). M are the members with
    training cells, in the order of the vocabulary.
    """

    change: Tensor
    variance: Tensor

    def __init__(
        self,
        composition: EffectComposition,
        change: Float[Tensor, "M G"],
        variance: Float[Tensor, "M G"],
    ) -> None:
        super().__init__()
        self.composition = composition
        self.register_buffer("change", change)
        self.register_buffer("variance", variance)

    @property
    def genes(self) -> Int[Tensor, " H"]:
        """The genes that effects are composed on."""
        return self.composition.genes

    def composes(self, members: Int[Tensor, "B K"]) -> Bool[Tensor, " B"]:
        """Tell which sets are composed: two members or more, all with training cells alone."""
        known = (members < len(self.change)).all(dim=1)
        placed = self.composition.places(members).any(dim=1)
        return self.composition.composes(members) & known & ~placed

    def forward(self, members: Int[Tensor, "B K"]) -> Float[Tensor, "B H"]:
        """Return the changes of log rates on `genes`; sets must be composed ones."""
        sets, inverse = torch.unique(members, dim=0, return_inverse=True)
        present, own = (sets >= 0)[..., None, None], sets.clamp_min(0)
        stacked = torch.stack((self.change, self.variance), dim=1)[own]
        total, variance = (stacked * present).sum(dim=1)[..., self.genes].unbind(dim=1)
        shrunk = total**3 / (total**2 + variance).clamp_min(torch.finfo(total.dtype).tiny)
        return (0.5 * (self.composition.target(sets) + shrunk))[inverse]


def blank_composed(tensors: Mapping[str, Tensor]) -> ComposedResponders | None:
    """Return a module with the shapes of a saved one, to be filled; None if there is none."""
    if not tensors:
        return None
    own = {name.removeprefix(OWN): each for name, each in tensors.items() if name.startswith(OWN)}
    composition = blank(own, own["readout"].shape[1])
    assert composition is not None
    shapes = (torch.zeros_like(tensors[name]) for name in ("change", "variance"))
    return ComposedResponders(composition, *shapes)
