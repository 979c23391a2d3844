"""Recipes for the full public files of Norman et al. 2019 that users may already have."""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from gpjepa.core.errors import DataError, VocabularyError
from gpjepa.data import perturbseq
from gpjepa.data.anndata_io import open_anndata
from gpjepa.data.counts import raw_counts
from gpjepa.data.labels import CONTROL, label_of, members_of, parse_label
from gpjepa.data.perturbseq import PerturbSeq
from gpjepa.data.roles import text_values

if TYPE_CHECKING:
    from anndata import AnnData

RENAMED = (("RHOXF2BB", "RHOXF2"),)  # a guide name that some copies kept for the gene


@dataclass(frozen=True)
class Recipe:
    """Where a public file is published and what it holds; nothing is fetched."""

    name: str
    title: str
    published_at: str
    file: str
    perturbation: str  # obs column
    control: str  # label of the control cells in that column
    obs: tuple[str, ...]  # columns that must be there
    var: tuple[str, ...]
    counts: str  # where the raw counts are
    checksum: str | None  # "md5:..." of the published file; None where it is not known


GEARS = Recipe(
    name="gears",
    title="Norman et al. 2019 as processed by GEARS: 91,205 cells x 5,045 genes",
    published_at="Harvard Dataverse, file 6154020 (counts: GEO GSE133344)",
    file="norman/perturb_processed.h5ad",
    perturbation="condition",
    control="ctrl",
    obs=("condition",),
    var=("gene_name",),
    counts="layers['counts']; X is log-normalised",
    checksum=None,
)
SCPERTURB = Recipe(
    name="scperturb",
    title="Norman et al. 2019 as harmonised by scPerturb",
    published_at="Zenodo, scPerturb records 7041849, 10044268, 13350497 (counts: GEO GSE133344)",
    file="NormanWeissman2019_filtered.h5ad",
    perturbation="perturbation",
    control="control",
    obs=("perturbation",),
    var=(),
    counts="X",
    checksum="md5:c870e6967d91c017d9da827bab183cd6",  # of record 10044268
)
RECIPES = (GEARS, SCPERTURB)


def verify(recipe: Recipe, path: Path | str) -> bool | None:
    """Tell whether a file is the published one, byte for byte; None where that is not known."""
    if recipe.checksum is None:
        return None
    algorithm, _, expected = recipe.checksum.partition(":")
    with Path(path).open("rb") as stream:
        return hashlib.file_digest(stream, algorithm).hexdigest() == expected


def read_gears(adata_or_path: AnnData | Path | str, announce: bool = True) -> PerturbSeq:
    """Read GEARS' `perturb_processed.h5ad` with gene symbols as names.

    Labels such as "AHR+ctrl" become "AHR". The library is the sum over the genes of the file,
    which leaves out four fifths of the genes measured. A repeated symbol keeps its first place;
    further ones are named by their Ensembl id.
    Raises `DataError` when the columns or the raw counts are missing.
    """
    adata = open_anndata(adata_or_path)
    _require(adata, GEARS)
    _require_counts(adata)
    symbols = [str(symbol) for symbol in np.asarray(adata.var["gene_name"], dtype=object)]
    names = _unique_symbols(symbols, [str(name) for name in adata.var_names])
    return _bind(adata, GEARS, ("+",), names, announce)


def read_scperturb(adata_or_path: AnnData | Path | str, announce: bool = True) -> PerturbSeq:
    """Read scPerturb's `NormanWeissman2019_filtered.h5ad`; "A_B" is the pair of A and B.

    The library is obs ncounts (older records: nCount_RNA) where it is there.
    Raises `DataError` when the perturbation column is missing or X holds no raw counts.
    """
    adata = open_anndata(adata_or_path)
    _require(adata, SCPERTURB)
    return _bind(adata, SCPERTURB, ("+", "_"), [str(name) for name in adata.var_names], announce)


def _require(adata: AnnData, recipe: Recipe) -> None:
    """Refuse a file that lacks columns of the recipe."""
    for axis, table, needed in (("obs", adata.obs, recipe.obs), ("var", adata.var, recipe.var)):
        absent = [column for column in needed if column not in table.columns]
        if absent:
            found = ", ".join(str(column) for column in table.columns) or "no columns"
            raise DataError(
                f"{axis} has no column {absent[0]!r} (it has: {found}); expected the columns of "
                f"{recipe.file} ({recipe.published_at}); read another file with gpjepa.read"
            )
    labels = set(text_values(adata.obs, recipe.perturbation))
    if recipe.control not in labels:
        raise DataError(
            f"no control cells: obs {recipe.perturbation!r} never says {recipe.control!r}; "
            f"expected the labels of {recipe.file}; read another file with gpjepa.read"
        )


def _require_counts(adata: AnnData) -> None:
    """Refuse a copy of GEARS' file that holds only log-normalised values."""
    matrices = type(adata)(
        X=adata.X, obs=adata.obs[[]], var=adata.var[[]], layers=adata.layers
    )  # without .raw, whose genes have other names
    try:
        raw_counts(matrices)
    except DataError as error:
        there = "damaged" if "counts" in adata.layers else "absent"
        raise DataError(
            f"layers['counts'] is {there} and no other matrix holds raw counts ({error}); "
            f"expected raw counts as in the copy of {GEARS.file} at {GEARS.published_at}; use a "
            f"copy that has layers['counts'], or scPerturb's {SCPERTURB.file}, whose X is raw"
        ) from error


def _unique_symbols(symbols: Sequence[str], identifiers: Sequence[str]) -> list[str]:
    """Return the symbols, a repeated one replaced by its identifier."""
    seen: set[str] = set()
    names = []
    for symbol, identifier in zip(symbols, identifiers, strict=True):
        names.append(identifier if symbol in seen else symbol)
        seen.add(symbol)
    return names


def _canonical(text: str, separators: Sequence[str]) -> str:
    """Return the canonical label of a text whose separators are known, guide names replaced."""
    renamed = dict(RENAMED)
    joined = text
    for separator in separators:
        joined = joined.replace(separator, "+")
    try:
        members = members_of(parse_label(joined))
        return label_of(renamed.get(member, member) for member in members)
    except VocabularyError as error:
        raise DataError(str(error)) from error


def _bind(
    adata: AnnData,
    recipe: Recipe,
    separators: Sequence[str],
    names: Sequence[str],
    announce: bool,
) -> PerturbSeq:
    """Read the cells of a recipe's file under canonical labels and gene names."""
    import pandas as pd

    texts = text_values(adata.obs, recipe.perturbation)
    labels = {text: _canonical(text, separators) for text in set(texts) if text is not None}
    obs = adata.obs.copy()
    obs[recipe.perturbation] = pd.Categorical([labels.get(text) for text in texts])
    view = type(adata)(
        X=adata.X, obs=obs, var=adata.var.set_axis(pd.Index(names), axis=0), layers=adata.layers
    )
    totals = [column for column in ("ncounts", "nCount_RNA") if column in obs.columns]
    if announce:
        print(f"recipe: {recipe.title}", file=sys.stderr)
        replaced = sum(name != symbol for name, symbol in zip(names, _shown(adata), strict=True))
        if replaced:
            print(f"note: {replaced} repeated symbols are named by their id", file=sys.stderr)
    return perturbseq.read(
        view,
        perturbation=recipe.perturbation,
        control=CONTROL,
        library=totals[0] if totals and recipe is SCPERTURB else None,
        announce=announce,
    )


def _shown(adata: AnnData) -> list[str]:
    """Return the gene names as the file shows them: symbols where it has them."""
    column = adata.var["gene_name"] if "gene_name" in adata.var.columns else adata.var_names
    return [str(name) for name in column]
