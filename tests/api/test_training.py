from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from gpjepa.api.model import GPJEPA
from gpjepa.api.training import gated_genes
from gpjepa.core.errors import CheckpointError, DataError
from gpjepa.data.perturbseq import read
from gpjepa.inference.bundle import load_encoder, save_encoder
from gpjepa.training.prepare import prepare


def fresh(tiny, screen, split, **changes) -> GPJEPA:
    return GPJEPA(screen, tiny.make_config(**changes), split, device="cpu")


def weights(encoder) -> dict[str, torch.Tensor]:
    return {name: value.clone() for name, value in encoder.state_dict().items()}


def same(one, other) -> bool:
    return all(
        np.array_equal(one[name], other[name], equal_nan=one[name].is_floating_point())
        for name in one
    )


def test_unlabelled_cells_take_part_in_pretraining(tiny, data, split) -> None:
    alone, beside, twice = (fresh(tiny, data, split) for _ in range(3))
    extra = tiny.make_cells(seed=5)
    del extra.obs["perturbation"]
    alone.pretrain()
    beside.pretrain(extra)
    twice.pretrain([extra, extra])
    first, second, third = (weights(m.encoder_bundle().encoder) for m in (alone, beside, twice))
    assert not same(first, second)
    assert not same(second, third)


def test_unlabelled_cells_need_the_genes_of_the_panel(tiny, data, split) -> None:
    extra = tiny.make_cells(seed=5)[:, :20].copy()
    with pytest.raises(DataError, match="4 of 24 genes are missing"):
        fresh(tiny, data, split).pretrain(extra)


def test_an_encoder_of_another_run_is_where_fitting_starts(tiny, data, split, tmp_path) -> None:
    first = fresh(tiny, data, split)
    first.pretrain()
    save_encoder(tmp_path / "encoder", first.encoder_bundle())
    second = fresh(tiny, data, split)
    second.use_encoder(load_encoder(tmp_path / "encoder"))
    first.fit()
    second.fit()
    ours, theirs = (weights(m.bundle.model) for m in (first, second))
    assert same(ours, theirs)
    assert same(weights(first.bundle.teacher), weights(second.bundle.teacher))


def test_an_encoder_of_other_genes_settings_or_libraries_is_refused(tiny, data, split) -> None:
    encoder = fresh(tiny, data, split).encoder_bundle()
    narrow = fresh(tiny, data, split, data={"genes": 12})
    with pytest.raises(CheckpointError, match="trained on 24 genes, these data model 12 .differ"):
        narrow.use_encoder(encoder)
    larger = fresh(tiny, data, split, encoder={"latent": 10})
    with pytest.raises(CheckpointError, match="the encoder has settings latent=8"):
        larger.use_encoder(encoder)
    bare = read(tiny.make_cells(totals=False), announce=False)
    with pytest.raises(CheckpointError, match="differ in whether libraries count the rest"):
        fresh(tiny, bare, split).use_encoder(encoder)


def test_before_pretraining_the_teacher_is_the_encoder(tiny, data, split) -> None:
    found = fresh(tiny, data, split).encoder_bundle()
    assert found.teacher is found.encoder


def test_effects_are_judged_on_expressed_genes_that_nobody_perturbed(tiny, data, split) -> None:
    prepared = prepare(data, split, tiny.make_config(), None)
    gated = gated_genes(prepared)
    assert gated.sum() == 18
    names = np.array(prepared.genes)
    assert not set(names[gated]) & set("ABCDEF")
    table = prepared.controls.table
    silent = table.counts.toarray()
    silent[:, 20] = 0
    quiet = replace(
        prepared,
        controls=replace(
            prepared.controls, table=replace(table, counts=type(table.counts)(silent))
        ),
    )
    assert gated_genes(quiet).sum() == 17
    nothing = replace(
        quiet,
        controls=replace(
            prepared.controls,
            table=replace(table, counts=type(table.counts)(np.zeros_like(silent))),
        ),
    )
    assert gated_genes(nothing).all()
