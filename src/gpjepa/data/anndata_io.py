"""AnnData objects in and out of files, with errors that say what is wrong with the file."""

from __future__ import annotations

import shutil
import tempfile
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from gpjepa.core.errors import DataError, first_line
from gpjepa.core.files import clear, write_atomic
from gpjepa.data.count_file import refuse_missing_chunks

if TYPE_CHECKING:
    from anndata import AnnData
    from pandas import Index

_ZARR_MARKS = ("zarr.json", ".zgroup", ".zmetadata")


def open_anndata(source: AnnData | Path | str) -> AnnData:
    """Return `source` if it is an AnnData, else read the h5ad file or zarr directory it names.

    Raises `DataError` when there is no such file, when it is of another kind or damaged.
    """
    import anndata

    if isinstance(source, anndata.AnnData):
        return source
    if not isinstance(source, (str, Path)):
        raise DataError(
            f"data are of type {type(source).__name__!r}; expected an AnnData object or the path "
            "of an h5ad file or zarr directory; convert them with anndata.AnnData(counts, obs, var)"
        )
    path = Path(source)
    refuse_unreadable(path)
    return _read_zarr(path) if path.is_dir() else _read_h5ad(path)


def refuse_unreadable(path: Path) -> None:
    """Raise `DataError` unless `path` is there and looks like an h5ad file or zarr directory."""
    if not path.exists():
        raise DataError(
            f"file {str(path)!r} is not there; expected an h5ad file or a zarr directory; "
            "check the path"
        )
    if path.is_dir():
        if not is_store(path):
            raise DataError(
                f"directory {str(path)!r} is not a zarr store; expected an h5ad file or a "
                "directory written by write_zarr; give the path of one"
            )
        return
    import h5py

    if path.stat().st_size == 0 or not h5py.is_hdf5(path):
        raise DataError(
            f"file {str(path)!r} is not an h5ad file (no HDF5 signature); expected an AnnData "
            "written by write_h5ad; convert it first, for example with scanpy.read_10x_mtx or "
            "scanpy.read_csv"
        )
    try:
        with h5py.File(path, "r") as handle:
            missing, top = {"obs", "var"} - set(handle), ", ".join(sorted(handle)) or "empty"
    except (OSError, RuntimeError) as error:
        raise _unreadable(path, error) from error
    if missing:
        raise DataError(
            f"file {str(path)!r} is HDF5 but not h5ad (top level: {top}); expected obs and var; "
            "convert it first, for example with scanpy.read_10x_h5"
        )


def is_store(path: Path) -> bool:
    """Tell whether a directory is a zarr store."""
    return any((path / mark).exists() for mark in _ZARR_MARKS)


def _read_h5ad(path: Path) -> AnnData:
    import anndata

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return anndata.read_h5ad(path)
    except (OSError, KeyError, ValueError, TypeError, AttributeError, RuntimeError) as error:
        raise _unreadable(path, error) from error


def _unreadable(path: Path, error: Exception) -> DataError:
    return DataError(
        f"file {str(path)!r} cannot be read ({first_line(error)}); expected a whole h5ad "
        "file; it is truncated or damaged: copy or download it again"
    )


def _read_zarr(path: Path) -> AnnData:
    import anndata

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            for place, group in matrix_places(store_root(path)):
                for name in ("data", "indices") if is_csr(group) else ():
                    refuse_missing_chunks(path, f"{place}/{name}", group[name])
            return anndata.read_zarr(path)
    except DataError:
        raise
    except Exception as error:  # zarr 2 and 3 share no base class for their errors
        raise DataError(
            f"zarr store {str(path)!r} cannot be read ({first_line(error)}); expected an AnnData "
            "written by write_zarr; it is incomplete or damaged: copy it again"
        ) from error


def store_root(path: Path) -> Any:
    """Open an h5ad file or zarr directory for reading, as h5py or zarr have it."""
    if path.is_dir():
        import zarr

        return zarr.open_group(str(path), mode="r")
    import h5py

    return h5py.File(path, "r")


def matrix_places(root: Any) -> list[tuple[str, Any]]:
    """Return the places and groups (or arrays) of all matrices that may hold counts."""
    places = [("X", root["X"])] if "X" in root else []
    for name in members(root, "layers"):
        places.append((f"layers/{name}", root["layers"][name]))
    if "X" in members(root, "raw"):
        places.append(("raw/X", root["raw"]["X"]))
    return places


def members(root: Any, name: str) -> list[str]:
    """Return what a group of a file holds; nothing where there is no such group."""
    group: Any = root.get(name)
    return sorted(group) if hasattr(group, "keys") else []


def is_csr(group: Any) -> bool:
    """Tell whether a matrix of a file is stored as CSR."""
    return str(dict(group.attrs).get("encoding-type")) == "csr_matrix"


def write_anndata(adata: AnnData, path: Path | str) -> Path:
    """Write `adata` whole or not at all: a zarr directory if `path` ends in .zarr, else h5ad."""
    target = Path(path)
    if target.suffix != ".zarr":
        return write_atomic(target, lambda temporary: adata.write_h5ad(temporary))
    return _written_store(target, lambda store: adata.write_zarr(store))


def write_root(path: Path | str, fill: Callable[[Any], None]) -> Path:
    """Let `fill` put AnnData into an open h5ad file or zarr v3 group; whole or not at all."""
    target = Path(path)
    marks = {"encoding-type": "anndata", "encoding-version": "0.1.0"}

    def file(temporary: Path) -> None:
        import h5py

        with h5py.File(temporary, "w") as root:
            root.attrs.update(marks)
            fill(root)

    def store(temporary: Path) -> None:
        import zarr

        root = zarr.open_group(str(temporary), mode="w", zarr_format=3)
        root.attrs.update(marks)
        fill(root)

    return _written_store(target, store) if target.suffix == ".zarr" else write_atomic(target, file)


def write_beside(source: Path, path: Path, group: str, entries: Mapping[str, Any]) -> Path:
    """Copy a file and put `entries` into one of its groups, whole or not at all.

    Nothing of the file is read into memory. Raises `DataError` where `path` is of another format.
    """
    store = source.is_dir()
    if store != (path.suffix == ".zarr"):
        kind = "a zarr directory" if store else "an h5ad file"
        raise DataError(
            f"{str(path)!r} is to be a copy of {str(source)!r}, whose counts stay on disk; "
            f"expected the name of {kind}; give one, or read the counts whole (--in-memory)"
        )

    def add(root: Any) -> None:
        from anndata.io import write_elem

        for name, value in entries.items():
            if group not in root:
                write_elem(root, group, {})
            write_elem(root[group], name, value)

    def copied_file(temporary: Path) -> None:
        import h5py

        shutil.copyfile(source, temporary)
        with h5py.File(temporary, "r+") as root:
            add(root)

    def copied_store(temporary: Path) -> None:
        import zarr

        shutil.copytree(source, temporary)
        add(zarr.open_group(str(temporary), mode="r+", use_consolidated=False))
        if store_root(source).metadata.consolidated_metadata is not None:
            zarr.consolidate_metadata(str(temporary))

    if store:
        return _written_store(path, copied_store)
    return write_atomic(path, copied_file)


def _written_store(target: Path, write: Callable[[Path], object]) -> Path:
    """Let `write` make a directory beside `target`, then move it into place."""
    target.parent.mkdir(parents=True, exist_ok=True)
    holder = Path(tempfile.mkdtemp(dir=target.parent, prefix="."))
    try:
        write(holder / target.name)
        clear(target)
        (holder / target.name).rename(target)
    finally:
        shutil.rmtree(holder, ignore_errors=True)
    return target


def unique_names(names: Index | NDArray[np.object_], kind: str) -> NDArray[np.object_]:
    """Return `names` as an object array of strings; `kind` ("cell", "gene") is for the message.

    Raises `DataError` when there are none or when one occurs twice.
    """
    array = np.array([str(name) for name in names], dtype=object)
    if len(array) == 0:
        raise DataError(
            f"the data have 0 {kind}s; expected at least one; check how the file was filtered"
        )
    distinct, counts = np.unique(array, return_counts=True)
    if len(distinct) < len(array):
        repeated = distinct[counts > 1]
        axis = "obs" if kind == "cell" else "var"
        raise DataError(
            f"{len(repeated)} {kind} name{'s occur' if len(repeated) > 1 else ' occurs'} more than "
            f"once (first: {repeated[0]!r}); expected unique names; call "
            f"adata.{axis}_names_make_unique() or merge the duplicates"
        )
    return array
