"""Alone here; with two processes in tests/distributed."""

from __future__ import annotations

import numpy as np

from gpjepa.api import together
from gpjepa.api.controls import bound
from gpjepa.api.together import embedded_together, predicted_together
from gpjepa.core.ranks import Ranks
from gpjepa.inference.embed import embed_cells

LABELS = ["B", "A+B", "B", "A"]


def test_alone_populations_are_those_that_the_model_predicts(model) -> None:
    found = predicted_together(model, LABELS, 20, 3, None)
    expected = model.predict(LABELS, 20, seed=3)
    assert found is not None
    assert (found.cells.X != expected.X).nnz == 0
    assert found.cells.obs.equals(expected.obs)
    table = model.effects(LABELS, seed=3).drop_duplicates("perturbation")
    told = table[["perturbation", "novelty", "verdict"]].to_dict(orient="records")
    assert found.told == told


def test_shares_put_together_are_the_whole(model, monkeypatch) -> None:
    whole = predicted_together(model, LABELS, 20, 3, None)
    kept: list = []
    monkeypatch.setattr(together, "gathered", lambda part: kept.append(part) or [])
    for rank in range(4):
        shared = ("torchrun", Ranks(rank, 4))
        monkeypatch.setattr(together, "started_by", lambda shared=shared: shared)
        assert predicted_together(model, LABELS, 20, 3, None) is None
    assert [len(parts) for parts, _ in kept] == [1, 1, 1, 0]
    monkeypatch.setattr(together, "gathered", lambda part: kept)
    joined = predicted_together(model, LABELS, 20, 3, None)
    assert (joined.cells.X != whole.cells.X).nnz == 0
    assert joined.cells.obs.equals(whole.cells.obs)
    assert joined.told == whole.told


def test_embeddings_are_cut_at_whole_batches(model, adata, monkeypatch) -> None:
    cells = bound(adata, model.bundle.panel)
    monkeypatch.setattr(together, "BATCH", 64)
    teacher, kept = model.bundle.teacher, []
    alone = embedded_together(teacher, cells)
    assert np.array_equal(alone, embed_cells(teacher, cells))
    monkeypatch.setattr(together, "gathered", lambda part: kept.append(part) or [])
    for rank in range(3):
        shared = ("srun", Ranks(rank, 3))
        monkeypatch.setattr(together, "started_by", lambda shared=shared: shared)
        assert embedded_together(teacher, cells) is None
    assert sum(len(part) for part in kept) == len(alone)
    assert all(len(part) % 64 == 0 for part in kept[:-1])
    assert np.allclose(np.concatenate(kept), alone, atol=1e-5)
