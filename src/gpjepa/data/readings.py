"""What is odd about how labels and names of a file are read, so that it can be said."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping

from gpjepa.data.labels import members_of, symbol_of

_ENSEMBL = re.compile(r"ENS[A-Z]*G\d{6,}(\.\d+)?")
_OTHER_JOINS = re.compile(r"[_\-/:& ]+")
_GENE = re.compile(r"[A-Za-z][\w.\-/:@]*")  # what a gene or guide may be named


def reading_remarks(canonical: Mapping[str, str]) -> list[str]:
    """Return remarks on texts that may stand for another set of perturbations than was read.

    `canonical` maps the texts of a perturbation column to their labels. Told are texts that were
    read as one perturbation although their parts are perturbations themselves or are joined by
    "_", and texts that were read as several of which none was ever perturbed alone and one is no
    name of a gene.
    """
    alone = {label for label in canonical.values() if len(members_of(label)) == 1}
    whole = [text for text, label in canonical.items() if label == text and label in alone]
    joined = [text for text in whole if _parts_known(text, alone)]
    kept = [text for text in whole if "_" in text and text not in joined]
    split = [text for text, label in canonical.items() if _torn(label, alone)]
    remarks = []
    if joined:
        remarks.append(
            f"{_counted(joined)} read as one perturbation, although the parts are perturbations "
            "too; if it is a combination, join its members by '+'"
        )
    if kept:
        remarks.append(
            f"{_counted(kept)} read as one perturbation: '_' joins members only where each of "
            "them has cells of its own; else join them by '+'"
        )
    if split:
        members = " and ".join(map(repr, members_of(canonical[split[0]])))
        remarks.append(
            f"{_counted(split)} read as several perturbations, none of which was measured alone "
            f"({members}); if it is one, rename it without '+', ';', '|' and ','"
        )
    return remarks


def name_notes(perturbed: Iterable[str], genes: Collection[str]) -> list[str]:
    """Return why perturbed genes are not found among the names of the genes, where they may be.

    What is not found keeps its own transcript among the genes that effects are judged on.
    """
    symbols = sorted({symbol_of(member) for member in perturbed})
    names = {str(gene) for gene in genes}
    if symbols and not names.intersection(symbols):
        ids = [name for name in map(str, genes) if _ENSEMBL.fullmatch(name)]
        if 2 * len(ids) > len(names):
            return [
                f"genes are named by Ensembl ids (first: {ids[0]!r}), perturbations are not "
                f"(first: {symbols[0]!r}): none is known as one of the genes, so that effects on "
                "itself are scored; name the genes by symbol"
            ]
    folded = {name.casefold(): name for name in names}
    other = [name for name in symbols if name not in names and name.casefold() in folded]
    if not other:
        return []
    return [
        f"perturbed genes that genes are named like in another case: {len(other)} (first: "
        f"{other[0]!r}, {folded[other[0].casefold()]!r}); spell both alike"
    ]


def _parts_known(text: str, alone: Collection[str]) -> bool:
    parts = _OTHER_JOINS.split(text)
    return len(parts) > 1 and all(part in alone for part in parts)


def _torn(label: str, alone: Collection[str]) -> bool:
    members = members_of(label)
    return (
        len(members) > 1
        and not any(name in alone for name in members)
        and not all(_GENE.fullmatch(name) for name in members)
    )


def _counted(texts: list[str]) -> str:
    if len(texts) == 1:
        return f"label {texts[0]!r} is"
    return f"{len(texts)} labels (first: {texts[0]!r}) are"
