"""A block of self-attention among a handful of tokens."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn.functional import scaled_dot_product_attention

from gpjepa.model.kernels import available, blocks, side_by_side

FEW = 16  # tokens up to which the compiled block is faster


def attention(
    qkv: Float[Tensor, "B T W3"], heads: int, present: Bool[Tensor, "B T"], looking: int
) -> Float[Tensor, "B R W"]:
    """Let the first `looking` tokens look at those `present`; `qkv` are queries, keys, values."""
    rows, tokens, width = qkv.shape
    split = qkv.view(rows, tokens, 3, heads, width // 3 // heads)
    query, key, value = split.permute(2, 0, 3, 1, 4)
    mask = present[:, None, None, :]
    seen = scaled_dot_product_attention(query[:, :, :looking], key, value, attn_mask=mask)
    return seen.transpose(1, 2).reshape(rows, looking, width // 3)


class AttentionBlock(nn.Module):
    """Pre-norm self-attention over cell and condition tokens together, then an MLP."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.norm = nn.LayerNorm(width)
        self.qkv = nn.Linear(width, 3 * width)
        self.merge = nn.Linear(width, width)
        self.mlp = nn.Sequential(
            nn.LayerNorm(width), nn.Linear(width, 2 * width), nn.GELU(), nn.Linear(2 * width, width)
        )

    def forward(
        self,
        tokens: Float[Tensor, "B T W"],
        present: Bool[Tensor, "B T"],
        looking: int | None = None,
    ) -> Float[Tensor, "B R W"]:
        """Let every token, or the first `looking`, look at those that are `present`."""
        looking = tokens.shape[1] if looking is None else looking
        few, own = len(tokens) > 0 and tokens.shape[1] <= FEW, self._own()
        if few and available(tokens, *own):
            sizes = (looking, self.heads, self.norm.eps)
            made: Tensor = _Block.apply(tokens, present, *sizes, *own)
            return made
        seen = attention(self.qkv(self.norm(tokens)), self.heads, present, looking)
        tokens = tokens[:, :looking] + self.merge(seen)
        return tokens + self.mlp(tokens)

    def _own(self) -> tuple[Tensor, ...]:
        """Return the parameters in their order, without a search for them."""
        mlp = self.mlp
        layers: tuple[Any, ...] = (self.norm, self.qkv, self.merge, mlp[0], mlp[1], mlp[3])
        return tuple(part for layer in layers for part in (layer.weight, layer.bias))


class _Block(torch.autograd.Function):
    """The block compiled, its parameters in one row; differentiable once."""

    @staticmethod
    def forward(
        ctx: Any,
        tokens: Tensor,
        present: Tensor,
        looking: int,
        heads: int,
        epsilon: float,
        *own: Tensor,
    ) -> Tensor:
        """Return the block's output."""
        from gpjepa.model.kernels import block_rows

        (rows, count, width), pack = tokens.shape, torch.cat([part.flatten() for part in own])
        hidden, lanes = 2 * width, block_rows.LANES
        edges = blocks(rows, size=lanes)
        kept_for = len(edges) if any(ctx.needs_input_grad) else 0
        kept = torch.empty((kept_for, block_rows.kept_by(width, hidden, count, looking)))
        share = torch.empty((kept_for, heads, looking, count, lanes))
        out = torch.empty((rows, looking * width))
        sizes = (hidden, heads, np.float32((width // heads) ** -0.5), np.float32(epsilon))
        flat = tokens.detach().reshape(rows, -1).contiguous()
        read = (flat.numpy(), present.float().numpy(), pack.numpy(), *sizes)
        write = (kept.numpy(), share.numpy())

        def work(number: int) -> None:
            if kept_for:
                room = tuple(part[number] for part in write)
            else:
                room = tuple(np.empty(part.shape[1:], np.float32) for part in write)
            block_rows.forward(*read, *edges[number], *room, out.numpy())

        side_by_side(work, len(edges))
        ctx.save_for_backward(pack, kept, share)
        ctx.sizes, ctx.edges = (hidden, *sizes[2:]), edges
        ctx.shapes, ctx.flat = [part.shape for part in own], flat.shape
        return out.view(rows, looking, width)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        """Return the gradients in the tokens and in the parameters."""
        from gpjepa.model.kernels import block_rows

        (pack, kept, share), edges = ctx.saved_tensors, ctx.edges
        down = grad.reshape(len(grad), -1).contiguous()
        out = torch.empty(ctx.flat)
        slopes = torch.empty((len(edges), len(pack)))
        read, held = (down.numpy(), pack.numpy(), *ctx.sizes), (kept.numpy(), share.numpy())

        def work(number: int) -> None:
            own = (part[number] for part in (*held, slopes.numpy()))
            block_rows.back(*read, *edges[number], *own, out.numpy())

        side_by_side(work, len(edges))
        shapes = ctx.shapes
        cut = slopes.sum(dim=0).split([shape.numel() for shape in shapes])
        by_own = (part.view(shape) for part, shape in zip(cut, shapes, strict=True))
        whole = out.view(len(grad), -1, grad.shape[2])
        return whole, None, None, None, None, *by_own
