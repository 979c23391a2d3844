from pathlib import Path

import numpy as np
import pytest
from anndata import read_h5ad

from gpjepa.core.errors import OutputExistsError, VocabularyError
from gpjepa.data import datasets

CELLS = ("norman-k562", "norman-singles", "papalexi-thp1", "kang-pbmc")


def test_the_promised_names_are_there() -> None:
    promised = {
        "norman-k562",
        "norman-effects",
        "norman-distances",
        "norman-singles",
        "papalexi-thp1",
        "kang-pbmc",
        "norman-interaction-classes",
        "k562-baseline",
        "thp1-baseline",
        "gene-sets",
    }
    assert set(datasets.names()) == promised


@pytest.mark.parametrize("name", datasets.names())
def test_shape_and_licence_are_as_described(name: str) -> None:
    info = datasets.describe(name)
    table = datasets.load(name)
    assert table.shape == (info.n_obs, info.n_vars)
    assert table.obs_names.is_unique
    assert table.var_names.is_unique
    assert table.uns["licence"] == info.licence
    for text in (info.title, info.source, info.licence, info.what_it_is, info.what_it_is_not):
        assert len(text) > 3


@pytest.mark.parametrize("name", CELLS)
def test_cells_hold_whole_counts_within_the_cells_total(name: str) -> None:
    cells = datasets.load(name)
    counts = cells.X
    assert counts.has_sorted_indices
    assert (counts.data == np.round(counts.data)).all()
    assert counts.data.min() >= 0
    column = "total_umi" if name == "norman-singles" else "total_counts"
    assert (np.asarray(counts.sum(axis=1)).ravel() <= cells.obs[column].to_numpy()).all()


def mean_share(name: str, gene: str, label: str) -> float:
    """Share of a gene in the counts of all cells with a label."""
    cells = datasets.load(name)
    chosen = np.asarray(cells.obs["condition"], dtype=object) == label
    counts = np.asarray(cells[chosen, [gene]].X.sum())
    return float(counts / cells.obs["total_counts"][chosen].sum())


def test_klf1_raises_hbz_in_k562() -> None:
    assert mean_share("norman-k562", "HBZ", "KLF1") > 2 * mean_share(
        "norman-k562", "HBZ", "control"
    )


def test_losing_interferon_signalling_lowers_psmb9_in_thp1() -> None:
    control = mean_share("papalexi-thp1", "PSMB9", "non-targeting")
    for target in ("STAT1", "JAK2", "IFNGR1", "IFNGR2"):
        assert mean_share("papalexi-thp1", "PSMB9", target) < 0.7 * control


def test_interferon_raises_isg15_in_pbmc() -> None:
    assert mean_share("kang-pbmc", "ISG15", "stimulated") > 5 * mean_share(
        "kang-pbmc", "ISG15", "control"
    )


def test_an_unknown_name_is_refused_with_the_nearest_ones() -> None:
    with pytest.raises(VocabularyError, match=r"'norman-k652' is not known.*'norman-k562'"):
        datasets.load("norman-k652")
    with pytest.raises(VocabularyError, match="gpjepa data list"):
        datasets.describe("x")


def test_export_writes_the_same_data_and_never_overwrites_unasked(tmp_path: Path) -> None:
    path = datasets.export("norman-k562", tmp_path / "new" / "k.h5ad")
    again, first = read_h5ad(path), datasets.load("norman-k562")
    assert (again.X != first.X).nnz == 0
    assert list(again.obs["condition"]) == list(first.obs["condition"])
    assert again.uns["source"] == first.uns["source"]
    with pytest.raises(OutputExistsError, match="exists already"):
        datasets.export("norman-k562", path)
    assert datasets.export("norman-distances", path, force=True) == path
    assert read_h5ad(path).obsp["distances"].shape == (237, 237)
