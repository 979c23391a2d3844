"""A linear layer on genes whose weights lie in memory gene by gene."""

from __future__ import annotations

from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn


class GeneLinear(nn.Module):
    """W x + b for x [B, G], as `nn.Linear` starts and saves it.

    Products of sparse rows read W [H, G] by gene, and write its gradient so; the parameter is
    its transpose, `table` [G, H], so that nothing is turned in a step.
    """

    def __init__(self, genes: int, hidden: int) -> None:
        super().__init__()
        made = nn.Linear(genes, hidden)
        self.table = nn.Parameter(made.weight.detach().t().contiguous())
        self.bias = made.bias

    @property
    def weight(self) -> Float[Tensor, "H G"]:
        """Return W, in the memory of `table`."""
        return self.table.t()

    def forward(self, x: Float[Tensor, "B G"]) -> Float[Tensor, "B H"]:
        """Return W x + b."""
        return torch.addmm(self.bias, x, self.table)

    def _save_to_state_dict(self, destination: Any, prefix: str, keep_vars: bool) -> None:
        super()._save_to_state_dict(destination, prefix, keep_vars)
        destination[f"{prefix}weight"] = destination.pop(f"{prefix}table").t()

    def _load_from_state_dict(self, state: dict[str, Tensor], prefix: str, *rest: Any) -> None:
        if f"{prefix}weight" in state:
            state[f"{prefix}table"] = state.pop(f"{prefix}weight").t()
        super()._load_from_state_dict(state, prefix, *rest)
