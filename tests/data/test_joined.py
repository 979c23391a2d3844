from __future__ import annotations

from pathlib import Path

import anndata
import numpy as np
import pandas
import pytest
from scipy import sparse

import gpjepa
from gpjepa.core.errors import DataError
from gpjepa.data.disk_counts import DiskCounts
from gpjepa.data.joined import open_joined


def made(genes: str, cells: int, seed: int, prefix: str = "cell", **columns: object):
    rng = np.random.default_rng(seed)
    counts = sparse.csr_matrix(rng.poisson(2.0, (cells, len(genes))).astype(np.float32))
    obs = pandas.DataFrame(
        {"perturbation": pandas.Categorical(["control", "A"] * (cells // 2)), **columns},
        index=[f"{prefix}{row}" for row in range(cells)],
    )
    return anndata.AnnData(counts, obs=obs, var=pandas.DataFrame(index=list(genes)))


def test_genes_are_matched_by_name_and_cells_told_apart(
    capsys: pytest.CaptureFixture[str],
) -> None:
    first, second = made("ABCDE", 6, 0), made("EXCA", 4, 1)
    data = gpjepa.read([first, second])
    assert data.genes.tolist() == ["A", "C", "E"]
    assert data.cells.tolist()[0] == "cell0-1"
    assert data.cells.tolist()[6:] == [f"cell{row}-2" for row in range(4)]
    frames = [adata.to_df()[["A", "C", "E"]].to_numpy() for adata in (first, second)]
    np.testing.assert_array_equal(data.counts.toarray(), np.concatenate(frames))
    np.testing.assert_array_equal(data.library, np.concatenate(frames).sum(axis=1))
    told = capsys.readouterr().err
    assert "2 files joined on the 3 genes" in told
    assert "data set 1: 2 of 5 genes are left out" in told
    assert "8 cells share a name" in told


def test_a_covariate_may_differ_between_the_files_only() -> None:
    data = gpjepa.read(
        [made("AB", 4, 0, "x", batch="one"), made("AB", 4, 1, "y", batch="two")], announce=False
    )
    assert data.batch is not None
    assert data.batch.tolist() == ["one"] * 4 + ["two"] * 4
    assert data.cells.tolist()[:2] == ["x0", "x1"]


@pytest.mark.parametrize("kinds", [("h5ad", "h5ad"), ("zarr", "h5ad")])
def test_from_disk_it_is_what_it_is_in_memory(tmp_path: Path, kinds: tuple[str, str]) -> None:
    paths = []
    for number, kind in enumerate(kinds):
        adata = made(("ABCDE", "ECAX")[number], 10, number)
        paths.append(tmp_path / f"{number}.{kind}")
        adata.write_zarr(paths[-1]) if kind == "zarr" else adata.write_h5ad(paths[-1])
    disk, memory = (gpjepa.read(paths, backed=x, announce=False) for x in (True, False))
    assert isinstance(disk.counts, DiskCounts)
    assert disk.fingerprint() == memory.fingerprint()
    np.testing.assert_array_equal(disk.library, memory.library)
    rows = np.array([15, 2, 9, 10, 2])
    np.testing.assert_array_equal(disk.counts[rows].toarray(), memory.counts[rows].toarray())


def test_files_without_a_common_gene_are_refused() -> None:
    with pytest.raises(DataError, match="2 files have no gene in common.*one nomenclature"):
        gpjepa.read([made("AB", 4, 0), made("CD", 4, 1)], announce=False)


def test_no_file_is_refused() -> None:
    with pytest.raises(DataError, match="0 files were given"):
        open_joined([])


def test_a_file_in_a_list_is_the_file() -> None:
    adata = made("AB", 4, 0)
    one, same = gpjepa.read(adata, announce=False), gpjepa.read([adata], announce=False)
    assert one.fingerprint() == same.fingerprint()
