"""The perturbation embedding e_θ: sets of perturbed genes to condition tokens."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn


@dataclass(frozen=True)
class ConditionSpec:
    """What a condition is made of.

    `features` [M, F] are prior features of the M perturbations the model can name (zero rows
    where there are none); the first `measured` of them have training cells. `levels` counts the
    levels of each categorical covariate. `modality` says how each one is perturbed; None where
    all are in the same way.
    """

    features: Float[Tensor, "M F"]
    measured: int
    levels: tuple[int, ...] = ()
    dose: bool = False
    modality: Int[Tensor, " M"] | None = None


@dataclass(frozen=True)
class Condition:
    """Conditions of B cells: member indices with −1 as padding, covariate levels, dose."""

    members: Int[Tensor, "B K"]
    covariates: Int[Tensor, "B C"]
    dose: Float[Tensor, " B"] | None = None

    def rows(self, index: Int[Tensor, " N"]) -> Condition:
        """Return the conditions of the cells at `index`."""
        dose = None if self.dose is None else self.dose[index]
        return Condition(self.members[index], self.covariates[index], dose)

    def to(self, device: torch.device) -> Condition:
        """Return the conditions on another device."""
        dose = None if self.dose is None else self.dose.to(device)
        return Condition(self.members.to(device), self.covariates.to(device), dose)


class ConditionEncoder(nn.Module):
    """Embed each member as shared + projected features + modality + its own learned residual.

    A perturbation without training cells has no residual: what is left is the shared part and
    the features, scaled by `feature_trust`. `novel_scale` says how far the predictor
    trusts the shift of such a member; both are chosen on validation perturbations.
    """

    features: Tensor
    modality: Tensor
    feature_trust: Tensor
    novel_scale: Tensor

    def __init__(self, spec: ConditionSpec, width: int) -> None:
        super().__init__()
        size = spec.features.shape[1]
        self.register_buffer("features", spec.features.clone())
        self.measured = spec.measured
        self.register_buffer("feature_trust", torch.tensor(1.0))
        self.register_buffer("novel_scale", torch.tensor(1.0))
        self.shared = nn.Parameter(torch.randn(width) * 0.5)
        self.project = nn.Linear(size, width, bias=False) if size else None
        self.residual = nn.Parameter(torch.randn(max(spec.measured, 1), width) * 0.5)
        self.covariates = nn.ModuleList([nn.Embedding(levels, width) for levels in spec.levels])
        self.dose = nn.Linear(1, width) if spec.dose else None
        self.ways = self._ways(spec.modality, width)
        self.out = nn.Sequential(nn.Linear(width, width), nn.GELU(), nn.Linear(width, width))
        if self.project is not None:
            nn.init.normal_(self.project.weight, std=0.05)

    def _ways(self, modality: Int[Tensor, " M"] | None, width: int) -> nn.Embedding | None:
        """Return the embedding of how a member is perturbed, if members differ in that."""
        if modality is None:
            return None
        self.register_buffer("modality", modality.clone(), persistent=False)
        ways = nn.Embedding(int(modality.max()) + 1, width)
        nn.init.normal_(ways.weight, std=0.5)
        return ways

    def member_tokens(
        self, members: Int[Tensor, " N"], hidden: Bool[Tensor, " M"] | None = None
    ) -> Float[Tensor, "N W"]:
        """Embed members one by one; `hidden` marks those whose residual is dropped."""
        own = measured = members < self.measured
        row = members.clamp_max(self.residual.shape[0] - 1)
        if hidden is not None:
            own = own & ~hidden[row]
        token = self.shared + self.residual.index_select(0, row) * own.unsqueeze(1)
        if self.project is not None:
            trust = torch.where(measured, 1.0, self.feature_trust).unsqueeze(1)
            token = token + trust * self.project(self.features[members])
        if self.ways is not None:
            token = token + self.ways(self.modality[members])
        return self.out(token)

    def trust(self, members: Int[Tensor, "B K"]) -> Float[Tensor, "B K"]:
        """Return 1 for measured members, `novel_scale` for others, 0 for padding."""
        scale = torch.where(
            members < self.measured, torch.ones_like(self.novel_scale), self.novel_scale
        )
        return scale * (members >= 0)

    def context_tokens(self, condition: Condition) -> Float[Tensor, "B C W"]:
        """Embed batch, cell type and dose, one token each; there may be none."""
        tokens = [
            embedding(condition.covariates[:, column])
            for column, embedding in enumerate(self.covariates)
        ]
        if self.dose is not None and condition.dose is not None:
            tokens.append(self.dose(torch.log1p(condition.dose).unsqueeze(1)))
        if not tokens:
            rows, width = condition.members.shape[0], self.shared.shape[0]
            return self.shared.new_zeros((rows, 0, width))
        return torch.stack(tokens, dim=1)
