"""Embeddings of cells by the teacher."""

from __future__ import annotations

import numpy as np
import torch

from gpjepa.data.cells import Cells
from gpjepa.inference.cells import BATCH, CellTable
from gpjepa.model.encoder import CellEncoder


@torch.no_grad()
def embed_cells(teacher: CellEncoder, cells: Cells) -> np.ndarray:
    """Return one latent per cell, float32 [cells, D]; `cells` hold the modelled genes in order."""
    device = teacher.embed.weight.device
    table = CellTable(cells.counts, cells.library)
    found = np.zeros((len(table), teacher.latent), dtype=np.float32)
    for at in range(0, len(table), BATCH):
        found[at : at + BATCH] = teacher(*table.sparse(slice(at, at + BATCH), device)).cpu().numpy()
    return found
