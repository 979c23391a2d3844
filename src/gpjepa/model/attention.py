"""Self-attention among a handful of tokens."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn.functional import scaled_dot_product_attention

from gpjepa.model.kernels import available, blocks, side_by_side

ROWS = 64  # sequences of a block
FEW = 16  # tokens up to which the compiled loops are faster


def attention(
    qkv: Float[Tensor, "B T W3"], heads: int, present: Bool[Tensor, "B T"]
) -> Float[Tensor, "B T W"]:
    """Let each token look at those that are `present`; `qkv` are queries, keys and values."""
    rows, tokens, width = qkv.shape
    if tokens <= FEW and available(qkv):
        attended: Tensor = _Attention.apply(qkv, heads, present)
        return attended
    split = qkv.view(rows, tokens, 3, heads, -1)
    query, key, value = split.permute(2, 0, 3, 1, 4)
    seen = scaled_dot_product_attention(query, key, value, attn_mask=present[:, None, None, :])
    return seen.transpose(1, 2).reshape(rows, tokens, width // 3)


class _Attention(torch.autograd.Function):
    """Compiled; differentiable once."""

    @staticmethod
    def forward(ctx: Any, qkv: Tensor, heads: int, present: Tensor) -> Tensor:
        """Return the attended values."""
        from gpjepa.model.kernels import attention_rows

        rows, tokens, width = qkv.shape
        lanes = attention_rows.LANES
        share = qkv.new_empty((-(-rows // lanes), heads * tokens * tokens, lanes))
        out = qkv.new_empty((rows, tokens * width // 3))
        edges, scale = blocks(rows, size=ROWS), np.float32((width // 3 // heads) ** -0.5)
        read = (qkv.reshape(rows, -1).numpy(), present.float().numpy(), heads, scale)
        write = (share.numpy(), out.numpy())
        side_by_side(lambda i: attention_rows.attend(*read, *edges[i], *write), len(edges))
        ctx.save_for_backward(qkv, share)
        ctx.heads, ctx.scale = heads, scale
        return out.view(rows, tokens, -1)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None, None]:
        """Return the gradient in queries, keys and values."""
        from gpjepa.model.kernels import attention_rows

        qkv, share = ctx.saved_tensors
        (rows, tokens, _), edges = qkv.shape, blocks(len(qkv), size=ROWS)
        out = qkv.new_empty((rows, qkv[0].numel()))
        down = grad.reshape(rows, -1).contiguous().numpy()
        read = (qkv.reshape(rows, -1).numpy(), share.numpy(), down, tokens, ctx.heads, ctx.scale)
        side_by_side(lambda i: attention_rows.back(*read, *edges[i], out.numpy()), len(edges))
        return out.view_as(qkv), None, None
