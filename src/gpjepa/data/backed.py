"""An AnnData file whose counts stay on disk: names and columns in memory, matrices not."""

from __future__ import annotations

import sys
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gpjepa.core.errors import DataError, first_line
from gpjepa.data.anndata_io import (
    is_csr,
    matrix_places,
    members,
    open_anndata,
    refuse_unreadable,
    store_root,
)
from gpjepa.data.count_file import CountFile
from gpjepa.data.disk_counts import DiskCounts

if TYPE_CHECKING:
    from anndata import AnnData
    from pandas import DataFrame, Index

IN_MEMORY = 2**30  # bytes of CSR matrices beyond which counts stay on disk unless told otherwise
_ENTRY = 8  # bytes of a count and its column in memory


@dataclass(frozen=True, eq=False)
class RawBacked:
    """The matrix that a file keeps under raw, with its genes."""

    X: DiskCounts
    var_names: Index


@dataclass(frozen=True, eq=False)
class BackedData:
    """What `gpjepa.data` reads of an AnnData, under the same names; matrices are on disk.

    Matrices that are not CSR are left out: their names are in `others`.
    """

    path: Path
    obs: DataFrame
    var: DataFrame
    X: DiskCounts | None
    layers: dict[str, DiskCounts]
    raw: RawBacked | None
    uns: dict[str, Any]
    others: tuple[str, ...]

    @property
    def obs_names(self) -> Index:
        """Return the names of the cells."""
        return self.obs.index

    @property
    def var_names(self) -> Index:
        """Return the names of the genes."""
        return self.var.index

    @property
    def n_obs(self) -> int:
        """Return the number of cells."""
        return len(self.obs)

    @property
    def n_vars(self) -> int:
        """Return the number of genes."""
        return len(self.var)


def opened(
    source: AnnData | Path | str, backed: bool | None = None, announce: bool = False
) -> AnnData | BackedData:
    """Open data in memory, or with counts on disk where asked to or where they are large.

    Without a choice (`backed` None) counts of more than `IN_MEMORY` bytes stay on disk, which is
    said on stderr if `announce` is on. Raises `DataError` when that cannot be.
    """
    if not isinstance(source, (str, Path)):
        if backed:
            raise DataError(
                "backed=True was given with an AnnData object, whose counts are in memory; "
                "expected the path of an h5ad file or zarr directory; pass the path"
            )
        return open_anndata(source)
    if backed is False:
        return open_anndata(source)
    path = Path(source)
    refuse_unreadable(path)
    size = 0 if backed else matrix_bytes(path)
    if not backed and size <= IN_MEMORY:
        return open_anndata(source)
    data = open_backed(path)
    if data.X is None and not data.layers and data.raw is None:
        if not backed:
            return open_anndata(source)
        raise DataError(
            f"file {str(path)!r} has no CSR matrix ({', '.join(data.others) or 'no matrix'}); "
            "expected counts stored as CSR to read from disk; write them with "
            "scipy.sparse.csr_matrix(adata.X), or read them into memory (--in-memory)"
        )
    if announce and not backed:
        print(
            f"counts stay on disk: {path} ({size / 2**30:.1f} GB in memory; the limit is "
            f"{IN_MEMORY / 2**30:.0f} GB; --in-memory reads them whole)",
            file=sys.stderr,
        )
    return data


def open_backed(path: Path) -> BackedData:
    """Open an h5ad file or zarr directory; raise `DataError` when it is damaged."""
    from anndata.io import read_elem

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            root = store_root(path)
            obs, var = read_elem(root["obs"]), read_elem(root["var"])
            simulated = "simulated" in members(root, "uns")
            uns = {"simulated": read_elem(root["uns"]["simulated"])} if simulated else {}
            raw_var = read_elem(root["raw"]["var"]) if members(root, "raw") else None
        except Exception as error:  # h5py and zarr share no base class for their errors
            raise DataError(
                f"file {str(path)!r} cannot be read ({first_line(error)}); "
                "expected a whole AnnData file; it is truncated or damaged: copy or download it "
                "again"
            ) from error
    found, others = {}, []
    for place, group in matrix_places(root):
        if is_csr(group):
            found[place] = DiskCounts(_file(path, place, group))
        else:
            others.append(place)
    layers = {p.removeprefix("layers/"): m for p, m in found.items() if p.startswith("layers/")}
    raw = None
    if raw_var is not None and "raw/X" in found:
        raw = RawBacked(found["raw/X"], raw_var.index)
    data = BackedData(path, obs, var, found.get("X"), layers, raw, uns, tuple(others))
    for place, matrix in found.items():
        width = len(raw_var) if place == "raw/X" and raw_var is not None else data.n_vars
        if matrix.shape != (data.n_obs, width):
            raise DataError(
                f"counts at {place!r} of {str(path)!r} are {matrix.shape[0]} × {matrix.shape[1]}; "
                f"expected {data.n_obs} cells × {width} genes as obs and var have; the file is "
                "damaged: write it again"
            )
    return data


def matrix_bytes(path: Path) -> int:
    """Return the bytes that the sparse matrices of a file would take in memory; damaged ones 0."""
    try:
        groups = [group for _, group in matrix_places(store_root(path)) if is_csr(group)]
        return sum(_ENTRY * int(group["data"].shape[0]) for group in groups)
    except Exception:  # reading it says what is wrong with it
        return 0


def _file(path: Path, place: str, group: Any) -> CountFile:
    try:
        return CountFile(path, place, group)
    except DataError:
        raise
    except Exception as error:
        raise DataError(
            f"counts at {place!r} of {str(path)!r} cannot be opened ({error}); expected a CSR "
            "matrix as write_h5ad and write_zarr store it; the file is damaged: write it again"
        ) from error
