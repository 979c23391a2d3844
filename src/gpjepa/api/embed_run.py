"""Latents of the cells of a file, or of several, written beside their counts."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gpjepa.api.controls import bound
from gpjepa.api.options import RunOptions
from gpjepa.api.run import read_data_record
from gpjepa.api.together import embedded_together
from gpjepa.core.errors import ConfigError
from gpjepa.core.files import refuse_existing
from gpjepa.data.anndata_io import write_anndata, write_beside
from gpjepa.data.backed import BackedData, opened
from gpjepa.data.several import all_sources
from gpjepa.inference.bundle import EncoderBundle, load_encoder
from gpjepa.training.processes import meet

if TYPE_CHECKING:
    import numpy as np
    from anndata import AnnData


def embed_file(
    run: Path, source: str | Sequence[str], out: Path, options: RunOptions
) -> dict[str, Any]:
    """Write a copy of a file with teacher embeddings in obsm["X_gpjepa"].

    Of several files, each with genes of its own, `out` is the directory of their copies. Counts
    that stay on disk are copied with their file and embedded some cells at a time. Raises
    `ConfigError` when `out` cannot be that directory.
    """
    files = all_sources(source)
    copies = [(str(files), out)] if isinstance(files, str) else _copies(files, out)
    refuse_existing(out, options.force)
    options.open_fabric()
    options.apply_threads()
    encoder = load_encoder(run)
    cells = sum(_embedded(run, encoder, file, copy, options) for file, copy in copies)
    return {"out": str(out), "cells": cells, "latent": encoder.teacher.latent}


def _copies(files: Sequence[str], out: Path) -> list[tuple[str, Path]]:
    """Return several files, each with the copy that is to be written."""
    if out.is_file() or (not out.is_dir() and out.suffix in (".h5ad", ".zarr")):
        raise ConfigError(
            f"output {str(out)!r} is the name of one file and {len(files)} were given; expected a "
            "directory for their copies; name one"
        )
    names = [Path(file).name for file in files]
    twice = [name for number, name in enumerate(names) if name in names[:number]]
    if twice:
        raise ConfigError(
            f"two files are named {twice[0]!r}; expected different names, which their copies in "
            f"{str(out)!r} keep; embed them one at a time"
        )
    return [(str(file), out / name) for file, name in zip(files, names, strict=True)]


def _embedded(
    run: Path, encoder: EncoderBundle, source: str, out: Path, options: RunOptions
) -> int:
    """Embed one file into its copy; return the number of its cells."""
    adata = opened(source, options.backed, options.announce)
    cells = bound(adata, encoder.panel, **_places(run, adata))
    latents = embedded_together(encoder.teacher, cells)
    if latents is not None:
        _write_latents(adata, latents, out)
    meet()
    return int(adata.n_obs)


def _write_latents(adata: AnnData | BackedData, latents: np.ndarray, out: Path) -> None:
    """Write a copy of the data with latents in obsm["X_gpjepa"]."""
    if isinstance(adata, BackedData):
        write_beside(adata.path, out, "obsm", {"X_gpjepa": latents})
    else:
        adata.obsm["X_gpjepa"] = latents
        write_anndata(adata, out)


def _places(run: Path, adata: AnnData | BackedData) -> dict[str, str | None]:
    """Return the layer and library column that the run was trained from, where `adata` has them."""
    if not (run / "data.json").exists():
        return {}
    roles = read_data_record(run).roles
    layer, library = roles.get("layer"), roles.get("library")
    return {
        "layer": layer if layer in adata.layers else None,
        "library": library if library in adata.obs else None,
    }
