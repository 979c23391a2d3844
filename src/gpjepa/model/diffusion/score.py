"""The network under both learned heads: residual latents as tokens, z_b and z_p as conditions."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Generator, Tensor, nn
from torch.nn.functional import scaled_dot_product_attention

from gpjepa.core.errors import ConfigError
from gpjepa.model.predictor import Prediction

WAVES = 8  # sines and cosines of the embedding of a scalar
LEAST_SCALE = 1e-3
LEAST_NORM = 1e-4
SCALARS = 7  # numbers that say where the residual lies along the shift


@dataclass(frozen=True)
class Circumstances:
    """What the network is told, in units of the residual: [B, D] each.

    `state` is z_b standardised, `shift` the whole shift and `pair` its second-order part, both
    divided by the residual's scale, `spread` the predictor's log-variance. `known` [B, 1] is 0
    where all of it is withheld.
    """

    state: Float[Tensor, "B D"]
    shift: Float[Tensor, "B D"]
    pair: Float[Tensor, "B D"]
    spread: Float[Tensor, "B D"]
    known: Float[Tensor, "B 1"]

    def withheld(self, known: Float[Tensor, "B 1"]) -> Circumstances:
        """Return the same with the rows of known = 0 blanked out."""
        return Circumstances(
            self.state * known, self.shift * known, self.pair * known, self.spread * known, known
        )


class Frame(nn.Module):
    """The coordinates of the heads: r = (z − mean of the prediction) / scale.

    The scale is the root mean square of the residuals of the training cells per dimension, so
    that r has unit second moment. It and the moments of z_b are measured once, and saved.
    """

    scale: Tensor
    centre: Tensor
    width: Tensor

    def __init__(self, latent: int) -> None:
        super().__init__()
        self.register_buffer("scale", torch.ones(latent))
        self.register_buffer("centre", torch.zeros(latent))
        self.register_buffer("width", torch.ones(latent))

    @torch.no_grad()
    def measure(self, prediction: Prediction, latent: Float[Tensor, "B D"]) -> None:
        """Take scale and moments from training cells."""
        state = prediction.start
        residual = (latent - prediction.mean).square().mean(dim=0).sqrt()
        self.scale.copy_(residual.clamp_min(LEAST_SCALE))
        self.centre.copy_(state.mean(dim=0))
        self.width.copy_(state.std(dim=0).clamp_min(LEAST_SCALE))

    def residual(
        self, prediction: Prediction, latent: Float[Tensor, "B D"]
    ) -> Float[Tensor, "B D"]:
        """Return r."""
        return (latent - prediction.mean) / self.scale

    def latent(
        self, prediction: Prediction, residual: Float[Tensor, "B D"]
    ) -> Float[Tensor, "B D"]:
        """Return z of r."""
        return prediction.mean + self.scale * residual

    def circumstances(self, prediction: Prediction) -> Circumstances:
        """Return what the network is told of a prediction."""
        pair = prediction.second_order / self.scale
        return Circumstances(
            (prediction.start - self.centre) / self.width,
            prediction.first_order / self.scale + pair,
            pair,
            prediction.log_variance,
            torch.ones_like(pair[:, :1]),
        )


class ModulatedBlock(nn.Module):
    """Joint self-attention and an MLP, both scaled, shifted and gated by an embedding (AdaLN-Zero).

    Source: Peebles and Xie 2023.
    """

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.norms = nn.ModuleList([nn.LayerNorm(width, elementwise_affine=False) for _ in "ab"])
        self.qkv = nn.Linear(width, 3 * width)
        self.merge = nn.Linear(width, width)
        self.mlp = nn.Sequential(
            nn.Linear(width, 2 * width), nn.GELU(), nn.Linear(2 * width, width)
        )
        self.modulation = nn.Linear(width, 6 * width)
        nn.init.zeros_(self.modulation.weight)
        nn.init.zeros_(self.modulation.bias)

    def forward(
        self, tokens: Float[Tensor, "B T W"], embedding: Float[Tensor, "B W"]
    ) -> Float[Tensor, "B T W"]:
        """Let every token look at all, under the embedding."""
        rows, count, width = tokens.shape
        parts = self.modulation(embedding).unsqueeze(1).chunk(6, dim=2)
        scale, shift, gate, mlp_scale, mlp_shift, mlp_gate = parts
        seen = self.norms[0](tokens) * (1.0 + scale) + shift
        split = self.qkv(seen).view(rows, count, 3, self.heads, -1)
        query, key, value = split.permute(2, 0, 3, 1, 4)
        mixed = scaled_dot_product_attention(query, key, value).transpose(1, 2)
        tokens = tokens + gate * self.merge(mixed.reshape(rows, count, width))
        seen = self.norms[1](tokens) * (1.0 + mlp_scale) + mlp_shift
        return tokens + mlp_gate * self.mlp(seen)


class ResidualNetwork(nn.Module):
    """A vector for each noisy residual: a free one plus coefficients along the shifts.

    The residual is split into tokens; z_b, the shift, its second-order part and the log-variance
    are condition tokens in joint self-attention. Where the residual lies along the shift enters
    as numbers, and the output along the shift is a coefficient, so that what holds of one
    direction holds of directions never seen.
    """

    def __init__(self, latent: int, width: int, tokens: int, layers: int, heads: int) -> None:
        super().__init__()
        _require_shape(width, tokens, layers, heads)
        self.tokens = tokens
        self.split = nn.Linear(latent, tokens * width)
        self.position = nn.Parameter(torch.randn(tokens, width) * 0.1)
        self.conditions = nn.ModuleList([nn.Linear(latent, width) for _ in range(4)])
        self.role = nn.Parameter(torch.randn(4, width) * 0.1)
        self.embed = nn.Sequential(
            nn.Linear(2 * WAVES + SCALARS + 1, width), nn.SiLU(), nn.Linear(width, width), nn.SiLU()
        )
        self.blocks = nn.ModuleList([ModulatedBlock(width, heads) for _ in range(layers)])
        self.norm = nn.LayerNorm(width)
        self.free = nn.Linear(tokens * width, latent)
        self.along = nn.Linear(tokens * width + width, 2)
        for layer in (self.free, self.along):
            nn.init.zeros_(layer.weight)
            nn.init.zeros_(layer.bias)
        self.register_buffer("waves", torch.exp(torch.linspace(-1.0, 3.0, WAVES)))

    waves: Tensor

    def forward(
        self,
        scaled: Float[Tensor, "B D"],
        gain: Float[Tensor, "B 1"],
        noise: Float[Tensor, "B 1"],
        told: Circumstances,
    ) -> Float[Tensor, "B D"]:
        """Return the output for residuals scaled to unit size by `gain`, at a noise in about ±2."""
        rows = scaled.shape[0]
        shift, length = _direction(told.shift)
        pair, pair_length = _direction(told.pair)
        angles = noise * self.waves
        numbers = _numbers(scaled, gain, shift, length, pair, pair_length)
        embedding = self.embed(
            torch.cat((torch.sin(angles), torch.cos(angles), numbers, told.known), dim=1)
        )
        given = (told.state, told.shift / (1.0 + length), told.pair / (1.0 + pair_length))
        conditions = torch.stack(
            [layer(x) for layer, x in zip(self.conditions, (*given, told.spread), strict=True)], 1
        )
        own = self.split(scaled).view(rows, self.tokens, -1) + self.position
        x = torch.cat((own, conditions + self.role), dim=1)
        for block in self.blocks:
            x = block(x, embedding)
        read = self.norm(x[:, : self.tokens]).flatten(1)
        along = self.along(torch.cat((read, embedding), dim=1))
        return self.free(read) + along[:, :1] * shift + along[:, 1:] * pair


def _direction(vector: Float[Tensor, "B D"]) -> tuple[Float[Tensor, "B D"], Float[Tensor, "B 1"]]:
    """Return the unit vector, zero for a vanishing one, and the length."""
    length = vector.norm(dim=1, keepdim=True)
    return torch.where(length > LEAST_NORM, vector / length.clamp_min(LEAST_NORM), 0.0), length


def _numbers(
    scaled: Tensor, gain: Tensor, shift: Tensor, length: Tensor, pair: Tensor, pair_length: Tensor
) -> Float[Tensor, "B 7"]:
    """Return where the scaled residual lies along the shift and its second-order part."""
    position = (scaled * shift).sum(dim=1, keepdim=True)
    beside = (scaled * pair).sum(dim=1, keepdim=True)
    reach, own = gain * length, torch.log1p(length)
    return torch.cat(
        (
            position,
            torch.tanh(position * reach),
            own,
            reach,
            beside,
            torch.log1p(pair_length),
            gain * pair_length,
        ),
        dim=1,
    )


class Denoiser(nn.Module):
    """E[r | r + σ ε] by a network between preconditioning factors; residuals of unit size.

    c_skip = 1 / (1 + σ²), c_out = σ / √(1 + σ²), c_in = 1 / √(1 + σ²), so that the network has
    unit inputs and targets at every level; c_noise = 4 / (1 + σ) − 2, the time of the straight
    path from noise to data, which resolves the levels around 1 where modes part.
    Source: Karras et al. 2022, table 1 with σ_data = 1, but for c_noise.
    """

    def __init__(self, network: ResidualNetwork) -> None:
        super().__init__()
        self.network = network

    def forward(
        self, noisy: Float[Tensor, "B D"], level: Float[Tensor, "B 1"], told: Circumstances
    ) -> Float[Tensor, "B D"]:
        """Return the denoised residuals at noise levels σ > 0."""
        gain = torch.rsqrt(1.0 + level.square())
        found = self.network(gain * noisy, gain, 4.0 / (1.0 + level) - 2.0, told)
        return gain.square() * noisy + level * gain * found

    def guided(
        self,
        noisy: Float[Tensor, "B D"],
        level: Float[Tensor, "B 1"],
        told: Circumstances,
        weight: float,
    ) -> Float[Tensor, "B D"]:
        """Move away from what is denoised without conditions: classifier-free guidance.

        Weight 1 is no guidance and costs one evaluation of the network in place of two.
        Source: Ho and Salimans 2022.
        """
        found = self(noisy, level, told)
        if weight == 1.0:
            return found
        blank = told.withheld(torch.zeros_like(told.known))
        unconditional = self(noisy, level, blank)
        return unconditional + weight * (found - unconditional)


def withhold(told: Circumstances, share: float, generator: Generator) -> Circumstances:
    """Withhold the conditions of a share of the rows, as guidance needs in training."""
    draw = torch.rand(told.known.shape, generator=generator, device=told.known.device)
    return told.withheld((draw >= share).float())


def spread_evenly(rows: int, generator: Generator) -> Float[Tensor, "B 1"]:
    """Return numbers within (0, 1), one in each of `rows` equal strips, in random order.

    Noise levels drawn so vary less from batch to batch than independent ones.
    """
    device = generator.device
    strip = torch.randperm(rows, generator=generator, device=device)
    jitter = torch.rand(rows, generator=generator, device=device)
    return ((strip + jitter) / rows).clamp(1e-6, 1.0 - 1e-6).unsqueeze(1)


def normal_quantile(share: Tensor) -> Tensor:
    """Return Φ⁻¹."""
    return math.sqrt(2.0) * torch.erfinv(2.0 * share - 1.0)


def _require_shape(width: int, tokens: int, layers: int, heads: int) -> None:
    if tokens < 4 or layers < 1 or heads < 1 or width < 1 or width % heads:
        raise ConfigError(
            f"the head's network has width {width}, {tokens} tokens, {layers} layers and {heads} "
            "heads; expected at least 4 tokens, 1 layer and a width that heads divide; change them"
        )
