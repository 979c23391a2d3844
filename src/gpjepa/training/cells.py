"""Training cells as arrays that a stage can draw batches from."""

from __future__ import annotations

from typing import cast

import numpy as np
import torch
from scipy.sparse import csr_matrix
from torch import nn

from gpjepa.core.random import numpy_stream
from gpjepa.core.threads import single_threaded
from gpjepa.data.disk_counts import DiskCounts, add_columns, chunks, in_memory
from gpjepa.inference.cells import CellTable
from gpjepa.model.encoder import CellEncoder, ResidualBlock
from gpjepa.model.gpjepa import GeneMoments

BLOCKS = 20  # co-expression blocks of genes
START_SCALE = 4.0  # deviation of the first unit over training cells at the start of Stage A
START_NOISE = 0.1  # of the random part of the encoder's parameters at that start
MOST_CELLS = 5000  # that the axes are fitted on
MOST_BLOCK_CELLS = 20_000  # that blocks are fitted on, of cells on disk


def log_expression(table: CellTable, target: float) -> csr_matrix:
    """Return log1p(target · counts / library), sparse."""
    counts = in_memory(table.counts)
    scaled = counts.multiply((target / np.maximum(table.library, 1.0))[:, None]).tocsr()
    scaled.data = np.log1p(scaled.data).astype(np.float32)
    return scaled


def gene_moments(table: CellTable, has_rest: bool) -> GeneMoments:
    """Measure the moments of the modelled genes on training cells."""
    target = float(np.median(table.library))
    mean, square, total = (np.zeros(table.counts.shape[1], np.float32) for _ in range(3))
    share = 1.0 / max(len(table), 1)
    for start, part in chunks(table.counts):
        rows = slice(start, start + part.shape[0])
        expression = log_expression(CellTable(part, table.library[rows]), target)
        add_columns(mean, expression * share)
        add_columns(square, expression.multiply(expression).tocsr() * share)
        add_columns(total, part)
    deviation = np.sqrt(np.maximum(square - mean**2, 0.0))
    total += 0.5
    if has_rest:
        total = np.append(total, max(float(table.library.sum()) - total.sum(), 1.0))
    rate = torch.from_numpy((total / total.sum()).astype(np.float32))
    return GeneMoments(
        torch.from_numpy(mean.astype(np.float32)),
        torch.from_numpy(deviation.astype(np.float32)),
        rate,
        target,
        has_rest,
    )


def coexpression_blocks(table: CellTable, target: float, seed: int) -> np.ndarray:
    """Group genes into blocks by their loadings in training cells; returns a block per gene.

    Of more than `MOST_BLOCK_CELLS` cells on disk as many are drawn.
    """
    from sklearn.cluster import KMeans
    from sklearn.decomposition import TruncatedSVD

    if isinstance(table.counts, DiskCounts) and len(table) > MOST_BLOCK_CELLS:
        drawn = numpy_stream(seed, "block cells").permutation(len(table))[:MOST_BLOCK_CELLS]
        table = table.take(np.sort(drawn))
    expression = log_expression(table, target)
    cells, genes = expression.shape
    components = min(20, genes - 1, cells - 1)
    blocks = min(BLOCKS, genes)
    if components < 2:
        return np.zeros(genes, dtype=np.int64)
    with single_threaded():
        svd = TruncatedSVD(components, random_state=seed).fit(expression)
        loadings = svd.components_.T * svd.singular_values_
        loadings /= np.linalg.norm(loadings, axis=1, keepdims=True) + 1e-8
        grouping = KMeans(blocks, n_init=1, random_state=seed).fit(loadings)
    return grouping.labels_.astype(np.int64)


@torch.no_grad()
def start_from_coexpression(encoder: CellEncoder, table: CellTable, seed: int) -> None:
    """Start the encoder at the leading co-expression axes of training cells.

    Half of the hidden units read one principal axis each, scaled as the data are, and the first
    ones are passed on to the latent; all else starts small and random. Stage A then improves on
    what genes do together instead of on noise, which few cells cannot teach.
    """
    cells, genes = table.counts.shape
    units = encoder.embed.weight.shape[0]
    count = min(units // 2, genes - 1, cells - 1)
    if count < 1:
        return
    axes = _leading_axes(encoder, table, count, seed)
    encoder.embed.weight.mul_(START_NOISE)
    encoder.embed.weight[:count] = torch.from_numpy(axes)
    encoder.embed.bias.zero_()
    for block in encoder.blocks:
        _last(cast(ResidualBlock, block).body).weight.mul_(START_NOISE)
    read = _last(encoder.out).weight
    read.mul_(START_NOISE)
    direct = min(count, read.shape[0])
    read[:direct, :direct] += torch.eye(direct, device=read.device)


def _last(layers: nn.Sequential) -> nn.Linear:
    return cast(nn.Linear, layers[-1])


def _leading_axes(encoder: CellEncoder, table: CellTable, count: int, seed: int) -> np.ndarray:
    """Return the principal axes [count, G] of what the encoder sees, the first of deviation 4."""
    from sklearn.decomposition import TruncatedSVD

    scale = encoder.scaling.scale.cpu().numpy()
    chosen = numpy_stream(seed, "axes").permutation(len(table))[:MOST_CELLS]
    few = table.take(np.sort(chosen))
    expression = log_expression(few, float(encoder.scaling.target)).multiply(scale[None, :])
    centre = (encoder.scaling.mean * encoder.scaling.scale).cpu().numpy()
    centred = expression.toarray().astype(np.float32) - centre
    with single_threaded():  # the sums of a product change with the number of threads
        axes = TruncatedSVD(count, random_state=seed).fit(centred)
    deviation = max(float(axes.singular_values_[0]) / np.sqrt(len(few)), 1e-6)
    return (axes.components_ * (START_SCALE / deviation)).astype(np.float32)
