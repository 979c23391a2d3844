"""Embedded reference knowledge: gene sets, symbols, baselines, interaction classes."""

from __future__ import annotations

from collections.abc import Iterator

import pandas as pd

from gpjepa.core.errors import VocabularyError, unknown
from gpjepa.core.files import read_json
from gpjepa.data.resources import checked, lines

COLLECTIONS = ("go", "reactome", "hallmark")


def _gmt_file(collection: str) -> str:
    """Return the file that holds a collection of gene sets."""
    match collection:
        case "go":
            return "go_human_5_500.gmt.gz"
        case "reactome" | "hallmark":
            return f"{collection}.gmt.gz"
        case _:
            raise VocabularyError(
                unknown(
                    "gene-set collection", collection, COLLECTIONS, "choose among these collections"
                )
            )


def read_collection(collection: str) -> Iterator[tuple[str, str, frozenset[str]]]:
    """Yield name, title and genes of each set of a collection, in file order."""
    for line in lines(_gmt_file(collection)):
        name, title, *genes = line.split("\t")
        yield name, title, frozenset(gene for gene in genes if gene)


def gene_sets(*names: str) -> dict[str, frozenset[str]]:
    """Return the human gene sets of the named collections (all when none is named).

    Collections are "go" (12,038 terms, keyed by GO accession), "reactome" (1,448 pathways,
    keyed by title) and "hallmark" (50 sets).
    Raises `VocabularyError` for another collection.
    """
    return {
        name: genes
        for collection in names or COLLECTIONS
        for name, _, genes in read_collection(collection)
    }


def aliases() -> dict[str, str]:
    """Return today's symbol of each gene label that Norman et al. wrote differently."""
    rows = (line.split("\t") for line in lines("perturbed_gene_symbols.tsv")[1:])
    return {label: symbol for label, symbol in rows if label != symbol}


def baseline(name: str) -> pd.DataFrame:
    """Return expression of unperturbed cells, genes as index; `name` is "k562" or "thp1".

    Columns: relative_expression (share of a cell's counts, sums to about 1) and
    expression_size (NB size θ, variance = μ + μ²/θ).
    Raises `VocabularyError` for another name.
    """
    known = ("k562", "thp1")
    if name not in known:
        raise VocabularyError(unknown("baseline", name, known, "choose one of these cell lines"))
    path = checked(f"{name}_baseline.tsv.gz")
    return pd.read_csv(path, sep="\t", index_col="symbol", keep_default_na=False, na_values=[])


def interaction_classes() -> dict[str, str]:
    """Return the genetic-interaction class that Norman et al. gave to each of 88 pairs.

    Keys are labels sorted A+B. Source: Norman et al. 2019, Science 365:786.
    """
    groups = read_json(checked("norman_interaction_classes.json"))
    return {label: name for name, labels in groups.items() for label in labels}
