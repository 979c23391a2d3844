from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import anndata
import numpy as np

SMALL = ("--set", "cells.control=40", "--set", "cells.perturbed=5", "--set", "free.genes=30")
FREE = ("--preset", "free", "--set", "free.perturbed=4", "--set", "free.pairs=2", *SMALL)


def test_the_file_holds_counts_and_says_that_they_are_simulated(
    command: Any, tmp_path: Path
) -> None:
    done = command("simulate", "--out", tmp_path / "s.h5ad", *FREE, "--json")
    assert done.code == 0, done.err
    summary = json.loads(done.out)
    adata = anndata.read_h5ad(tmp_path / "s.h5ad")
    assert (summary["cells"], summary["genes"]) == adata.shape == (40 + 6 * 5, 30)
    assert summary["perturbations"] == 6
    assert bool(adata.uns["simulated"])
    assert np.array_equal(adata.X.data, np.rint(adata.X.data))


def test_the_seed_decides_the_cells(command: Any, tmp_path: Path) -> None:
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        command("simulate", "--out", tmp_path / f"{name}.h5ad", "--seed", seed, *FREE)
    a, b, c = (anndata.read_h5ad(tmp_path / f"{name}.h5ad").X.toarray() for name in "abc")
    assert np.array_equal(a, b)
    assert not np.array_equal(a, c)


def test_an_unknown_setting_is_refused_and_nothing_written(command: Any, tmp_path: Path) -> None:
    done = command("simulate", "--out", tmp_path / "s.h5ad", "--set", "cells.controls=5")
    assert done.code == 2
    assert "cells.controls" in done.err
    assert list(tmp_path.iterdir()) == []
