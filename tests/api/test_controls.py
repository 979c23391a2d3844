from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from gpjepa.api import controls as module
from gpjepa.api.controls import bound, from_anndata, kept_controls, load_controls, save_controls
from gpjepa.core.errors import CheckpointError, DataError, VocabularyError
from gpjepa.data.perturbseq import read
from gpjepa.data.vocabulary import Vocabulary
from gpjepa.inference.bundle import GenePanel


@pytest.fixture(scope="module")
def cells(tiny):
    adata = tiny.make_cells(batches=2, cell_types=2)
    return adata[adata.obs["perturbation"] == "ctrl"].copy()


@pytest.fixture(scope="module")
def controls(tiny, cells):
    everyone = read(tiny.make_cells(batches=2, cell_types=2), announce=False)
    return kept_controls(everyone.subset(everyone.is_control), seed=0)


@pytest.fixture
def panel(cells) -> GenePanel:
    return GenePanel(tuple(cells.var_names), True, 100.0)


PLAIN = Vocabulary(("A",), 1)


def test_each_context_keeps_its_own_number_of_controls(controls, tiny, monkeypatch) -> None:
    assert len(controls) == 60
    monkeypatch.setattr(module, "PER_CONTEXT", 10)
    everyone = read(tiny.make_cells(batches=2, cell_types=2), announce=False)
    few = kept_controls(everyone.subset(everyone.is_control), seed=0)
    kinds, counts = np.unique(few.levels["cell_type"].astype(str), return_counts=True)
    assert dict(zip(kinds, counts, strict=True)) == {"type0": 10, "type1": 10}
    other = kept_controls(everyone.subset(everyone.is_control), seed=1)
    assert set(few.names) != set(other.names)


def test_a_context_is_a_cell_type_or_batch(controls) -> None:
    assert set(controls.within("type1").levels["cell_type"]) == {"type1"}
    assert set(controls.within("batch0").levels["batch"]) == {"batch0"}
    assert controls.within(None) is controls
    with pytest.raises(VocabularyError, match="'typ1' is not known .4 names; closest: 'type1'"):
        controls.within("typ1")


def test_saved_controls_come_back_the_same(controls, panel, tmp_path: Path) -> None:
    save_controls(controls, panel, tmp_path / "controls.h5ad")
    found = load_controls(tmp_path / "controls.h5ad", panel, PLAIN)
    assert (found.table.counts != controls.table.counts).nnz == 0
    assert np.array_equal(found.table.library, controls.table.library)
    assert found.names.tolist() == controls.names.tolist()
    for name in ("batch", "cell_type"):
        assert found.levels[name].tolist() == controls.levels[name].tolist()


def test_missing_and_damaged_controls_are_named(controls, panel, tmp_path: Path) -> None:
    path = tmp_path / "controls.h5ad"
    with pytest.raises(CheckpointError, match="controls.h5ad is missing from run"):
        load_controls(path, panel, PLAIN)
    save_controls(controls, panel, path)
    whole = path.read_bytes()
    for damage in (b"", b"not hdf5", whole[: len(whole) // 2]):
        path.write_bytes(damage)
        with pytest.raises(CheckpointError, match="controls.h5ad in run .* cannot be used"):
            load_controls(path, panel, PLAIN)
    save_controls(controls, GenePanel(tuple("x" + g for g in panel.names), True, 1.0), path)
    with pytest.raises(CheckpointError, match="genes are missing"):
        load_controls(path, panel, PLAIN)


def test_libraries_are_of_the_models_kind(cells, panel) -> None:
    with_rest = bound(cells, panel)
    assert np.array_equal(with_rest.library, cells.obs["total_counts"])
    without = bound(cells, GenePanel(panel.names[:5], False, 100.0))
    assert np.array_equal(without.library, np.asarray(cells[:, :5].X.sum(axis=1)).ravel())
    assert not without.has_rest
    bare = cells.copy()
    del bare.obs["total_counts"]
    with pytest.raises(DataError, match="no totals beyond their genes"):
        bound(bare, panel)


def test_a_named_layer_and_library_are_used(cells, panel) -> None:
    odd = cells.copy()
    odd.layers["mine"] = odd.X * 2
    odd.obs["sums"] = odd.obs["total_counts"] * 3
    found = bound(odd, panel, "mine", "sums")
    assert np.array_equal(found.counts.toarray(), 2 * cells.X.toarray())
    assert np.array_equal(found.library, 3 * cells.obs["total_counts"])


def test_covariates_are_the_trained_levels(cells, panel) -> None:
    vocabulary = Vocabulary(("A",), 1, covariates={"batch": ("batch0", "batch1")})
    given = from_anndata(cells, panel, vocabulary)
    expected = [int(text[-1]) for text in cells.obs["batch"]]
    assert given.covariates(vocabulary)[:, 0].tolist() == expected
    assert given.covariates(PLAIN).shape == (60, 0)
