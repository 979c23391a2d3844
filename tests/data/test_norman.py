import hashlib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from anndata import AnnData
from scipy.sparse import csr_matrix

from gpjepa.core.errors import DataError
from gpjepa.data.norman import GEARS, RECIPES, SCPERTURB, read_gears, read_scperturb, verify

GENES = ["KLF1", "SET", "HBZ", "HBZ"]
IDS = ["ENSG01", "ENSG02", "ENSG03", "ENSG04"]


def counts(cells: int) -> np.ndarray:
    """Counts in which every cell has some."""
    return np.random.default_rng(1).poisson(2.0, (cells, len(GENES))).astype(np.float32) + 1


def gears(labels: list[str], layer: bool = True) -> AnnData:
    """A file in the schema of GEARS' perturb_processed.h5ad."""
    raw = counts(len(labels))
    logged = np.log1p(1e4 * raw / raw.sum(axis=1, keepdims=True))
    obs = pd.DataFrame(
        {
            "condition": pd.Categorical(labels),
            "cell_type": "A549",
            "dose_val": "1+1",
            "control": [int(label == "ctrl") for label in labels],
            "condition_name": [f"A549_{label}_1+1" for label in labels],
        },
        index=[f"AAAC{row}-1" for row in range(len(labels))],
    )
    var = pd.DataFrame({"gene_name": GENES}, index=IDS)
    layers = {"counts": csr_matrix(raw)} if layer else {}
    return AnnData(csr_matrix(logged.astype(np.float32)), obs=obs, var=var, layers=layers)


def scperturb(labels: list[str], genes: list[str]) -> AnnData:
    """A file in the schema of scPerturb's NormanWeissman2019_filtered.h5ad."""
    raw = counts(len(labels))[:, : len(genes)]
    obs = pd.DataFrame(
        {
            "guide_id": "x__y",
            "gemgroup": [1 + row % 2 for row in range(len(labels))],
            "perturbation": pd.Categorical(labels),
            "nperts": [0 if label == "control" else label.count("_") + 1 for label in labels],
            "ngenes": (raw > 0).sum(axis=1),
            "ncounts": raw.sum(axis=1),
            "organism": "human",
        },
        index=[f"AAAC{row}-1" for row in range(len(labels))],
    )
    var = pd.DataFrame({"ncells": 5, "ensembl_id": IDS[: len(genes)]}, index=genes)
    return AnnData(csr_matrix(raw), obs=obs, var=var)


LABELS = ["ctrl", "KLF1+ctrl", "ctrl+SET", "SET+KLF1", "RHOXF2BB+SET", "KLF1+SET"]


def test_gears_labels_counts_and_symbols_are_read() -> None:
    table = gears(LABELS)
    data = read_gears(table, announce=False)
    assert list(data.labels) == ["control", "KLF1", "SET", "KLF1+SET", "RHOXF2+SET", "KLF1+SET"]
    assert list(data.genes) == ["KLF1", "SET", "HBZ", "ENSG04"]
    np.testing.assert_array_equal(data.counts.toarray(), table.layers["counts"].toarray())
    np.testing.assert_allclose(data.library, table.layers["counts"].toarray().sum(axis=1))
    assert data.roles.layer == "counts"


def test_gears_file_is_left_as_it_was() -> None:
    table = gears(LABELS)
    read_gears(table, announce=False)
    assert list(table.obs["condition"]) == LABELS
    assert list(table.var_names) == IDS


def test_gears_file_without_counts_is_refused_naming_the_fix() -> None:
    with pytest.raises(DataError, match=r"layers\['counts'\] is absent.*use a copy that has"):
        read_gears(gears(LABELS, layer=False), announce=False)


def test_gears_file_with_counts_in_x_is_read() -> None:
    table = gears(LABELS, layer=False)
    table.X = gears(LABELS).layers["counts"]
    assert read_gears(table, announce=False).roles.layer == "X"


def test_repeated_symbols_are_announced(capsys: pytest.CaptureFixture[str]) -> None:
    read_gears(gears(LABELS))
    assert "1 repeated symbols are named by their id" in capsys.readouterr().err


def test_scperturb_pairs_are_split_even_where_a_single_is_missing(tmp_path: Path) -> None:
    labels = ["control", "KLF1", "KLF1_SET", "SET_KLF1", "control"]
    path = tmp_path / "NormanWeissman2019_filtered.h5ad"
    scperturb(labels, GENES[:3]).write_h5ad(path)
    data = read_scperturb(path, announce=False)
    assert list(data.labels) == ["control", "KLF1", "KLF1+SET", "KLF1+SET", "control"]
    assert list(data.genes) == GENES[:3]
    assert not data.has_rest
    assert list(data.batch) == ["1", "2", "1", "2", "1"]


def test_scperturb_library_is_the_cells_total_on_a_panel() -> None:
    table = scperturb(["control", "KLF1", "SET"], GENES[:3])[:, :2].copy()
    data = read_scperturb(table, announce=False)
    assert data.has_rest
    np.testing.assert_allclose(data.library, table.obs["ncounts"])


def test_missing_labels_are_refused_not_dropped() -> None:
    table = scperturb(["control", "KLF1", "SET"], GENES[:3])
    table.obs["perturbation"] = pd.Categorical(["control", "KLF1", None])
    with pytest.raises(DataError, match="1 missing value"):
        read_scperturb(table, announce=False)


def test_another_schema_is_refused_with_the_columns_it_has() -> None:
    with pytest.raises(DataError, match=r"obs has no column 'condition'.*guide_id"):
        read_gears(scperturb(["control", "KLF1"], GENES[:3]))
    with pytest.raises(DataError, match="obs has no column 'perturbation'"):
        read_scperturb(gears(LABELS))
    with pytest.raises(DataError, match="never says 'ctrl'"):
        read_gears(gears(["KLF1+ctrl", "SET+ctrl"]))
    with pytest.raises(DataError, match="empty member"):
        read_gears(gears(["ctrl", "KLF1+"]))


def test_recipes_say_where_the_files_are_and_a_checksum_is_compared(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_bytes(b"cells")
    assert verify(GEARS, path) is None
    assert verify(SCPERTURB, path) is False
    own = replace(SCPERTURB, checksum="md5:" + hashlib.md5(b"cells").hexdigest())
    assert verify(own, path) is True
    for recipe in RECIPES:
        assert "GSE133344" in recipe.published_at
        assert recipe.perturbation in recipe.obs
