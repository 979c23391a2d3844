from __future__ import annotations

from pathlib import Path

import anndata
import numpy as np
import pytest

from gpjepa.api.embed_run import embed_file
from gpjepa.core.errors import ConfigError, OutputExistsError


@pytest.fixture
def lanes(source: Path, tmp_path: Path) -> Path:
    """Return a directory of two files; the second has more genes, in another order."""
    cells = anndata.read_h5ad(source)
    folder = tmp_path / "lanes"
    folder.mkdir()
    cells[:200].copy().write_h5ad(folder / "one.h5ad")
    extra = cells[200:, ::-1].copy()
    extra = anndata.concat(
        [
            extra,
            anndata.AnnData(
                np.ones((extra.n_obs, 1), np.float32),
                obs=extra.obs[[]],
                var=extra.var.iloc[:1].rename(index=lambda _: "more"),
            ),
        ],
        axis=1,
        merge="first",
    )
    extra.obs = cells.obs.iloc[200:].copy()
    extra.write_h5ad(folder / "two.h5ad")
    return folder


def test_files_are_embedded_one_by_one_into_a_directory(
    run: Path, source: Path, lanes: Path, options, tmp_path: Path
) -> None:
    out = tmp_path / "with-latents"
    found = embed_file(run, str(lanes / "*.h5ad"), out, options)
    assert (found["cells"], found["out"]) == (388, str(out))
    embed_file(run, str(source), tmp_path / "whole.h5ad", options)
    whole = anndata.read_h5ad(tmp_path / "whole.h5ad").obsm["X_gpjepa"]
    parts = [anndata.read_h5ad(out / name) for name in ("one.h5ad", "two.h5ad")]
    np.testing.assert_allclose(
        np.concatenate([part.obsm["X_gpjepa"] for part in parts]), whole, atol=1e-5
    )
    assert [part.n_vars for part in parts] == [24, 25]
    with pytest.raises(OutputExistsError):
        embed_file(run, str(lanes), out, options)


def test_one_file_of_a_pattern_is_written_as_one_file(
    run: Path, lanes: Path, options, tmp_path: Path
) -> None:
    embed_file(run, str(lanes / "o*.h5ad"), tmp_path / "e.h5ad", options)
    assert anndata.read_h5ad(tmp_path / "e.h5ad").obsm["X_gpjepa"].shape == (200, 8)


def test_the_name_of_a_file_is_no_directory(run: Path, lanes: Path, options, tmp_path) -> None:
    with pytest.raises(ConfigError, match="name of one file and 2 were given"):
        embed_file(run, str(lanes), tmp_path / "e.h5ad", options)
    assert not (tmp_path / "e.h5ad").exists()


def test_files_of_one_name_would_overwrite_each_other(run: Path, options, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"two files are named 'x\.h5ad'"):
        embed_file(run, ["a/x.h5ad", "b/x.h5ad"], tmp_path / "out", options)
