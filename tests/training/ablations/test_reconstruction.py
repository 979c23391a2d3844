from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.sparse import csr_matrix

from gpjepa.core.config import Config
from gpjepa.core.random import torch_stream
from gpjepa.inference.cells import CellTable
from gpjepa.model.distributions import NegativeBinomial
from gpjepa.model.gpjepa import build_encoder
from gpjepa.training.ablations.reconstruction import StageReconstruction, held_out_misfit
from gpjepa.training.cells import gene_moments
from gpjepa.training.pipeline import run_stage_a

CPU = torch.device("cpu")
CONFIG = Config(
    encoder={"latent": 4, "hidden": 16, "layers": 1},
    pretrain={
        "objective": "reconstruction",
        "start": "random",
        "epochs": 1,
        "min_steps": 300,
        "max_steps": 300,
        "batch_size": 64,
        "learning_rate": 3e-3,
    },
)


@pytest.fixture
def table() -> CellTable:
    """Cells whose genes rise and fall together in two programmes."""
    rng = np.random.default_rng(0)
    high = rng.random(400) < 0.5
    rate = np.where(high[:, None] == (np.arange(12) < 6)[None], 4.0, 0.5)
    counts = rng.poisson(rate)
    return CellTable(csr_matrix(counts.astype(np.float32)), counts.sum(axis=1).astype(float))


def make_stage(table: CellTable, extra: float = 0.0) -> StageReconstruction:
    torch.manual_seed(0)
    table = CellTable(table.counts, table.library + extra)
    encoder = build_encoder(gene_moments(table, extra > 0), CONFIG)
    return StageReconstruction(encoder, table, np.zeros(12, dtype=np.int64), CONFIG, 0)


def test_only_held_out_genes_count(table) -> None:
    rng = torch_stream(0, "test")
    counts = torch.poisson(torch.full((5, 12), 2.0), generator=rng)
    mean, dispersion = torch.rand((5, 12), generator=rng) + 0.5, torch.full((12,), 3.0)
    held = torch.rand((5, 12), generator=rng) < 0.5
    found = held_out_misfit(counts, mean, dispersion, held)
    one_by_one = torch.stack(
        [
            NegativeBinomial(mean[:, [g]], dispersion[[g]]).log_likelihood(counts[:, [g]])
            for g in range(12)
        ],
        dim=1,
    )
    expected = -(one_by_one * held).sum(dim=1).mean()
    assert float(found) == pytest.approx(float(expected), rel=1e-5)
    changed = torch.where(held, counts, counts + 7.0)
    assert torch.equal(held_out_misfit(changed, mean, dispersion, held), found)


def test_there_is_neither_teacher_nor_latent_prediction(table) -> None:
    stage = make_stage(table)
    terms = stage(stage.batch(0, CPU), 0, 5, torch_stream(0, "test"))
    weighted = {term.name for term in terms.terms if term.weight}
    assert weighted == {"reconstruction"}
    terms.total().backward()
    assert all(parameter.grad is not None for parameter in stage.parameters())
    assert not any("teacher" in name for name, _ in stage.named_modules())


def test_the_rest_of_the_transcriptome_is_a_class_where_libraries_count_it(table) -> None:
    assert not make_stage(table).decoder.has_rest
    assert make_stage(table, extra=50.0).decoder.has_rest


def test_held_out_genes_are_predicted_from_the_visible_ones(table, session) -> None:
    encoder = build_encoder(gene_moments(table, False), CONFIG)
    target = float(np.median(table.library))
    stage, progress = run_stage_a(encoder, table, target, CONFIG, session)
    assert isinstance(stage, StageReconstruction)
    rows = [row for row in progress.history if row["term"] == "reconstruction"]
    assert rows[-1]["value"] < 0.9 * rows[0]["value"]
    counts, library = table.dense(np.arange(len(table)), CPU)
    with torch.no_grad():
        latent = stage.embedder()(counts, library).double().numpy()
    high = counts[:, :6].sum(dim=1).numpy() > counts[:, 6:].sum(dim=1).numpy()
    axis = latent[high].mean(axis=0) - latent[~high].mean(axis=0)
    between = (latent @ axis > np.median(latent @ axis)) == high
    assert between.mean() > 0.9
