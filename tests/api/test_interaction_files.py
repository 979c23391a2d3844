from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas
import pytest

from gpjepa.api import interaction_files as module
from gpjepa.api.interaction_files import gene_table, genes_each, pairs_path, records, write


def test_the_list_lies_beside_the_genes() -> None:
    assert pairs_path(Path("a/gi.csv")) == Path("a/gi.pairs.csv")
    assert pairs_path(Path("gi")) == Path("gi.pairs.csv")


def test_few_pairs_have_all_genes_and_many_the_strongest_of_them() -> None:
    assert genes_each(250, 948, None) == 948
    assert genes_each(4950, 948, None) == 50
    assert genes_each(1_000_000, 948, None) == 20
    assert genes_each(4950, 948, 3) == 3
    assert genes_each(1, 5, 30) == 5


def test_a_record_tells_size_doubt_and_the_genes_beyond_it(start, ranked) -> None:
    told = records(start, ranked, frozenset({"A+B"}))
    assert [row["rank"] for row in told] == [1, 2, 3, 4, 5]
    assert {row["perturbation"] for row in told if row["measured"]} == {"A+B"}
    for row, interaction in zip(told, ranked.combined.interaction, strict=True):
        assert row["strength"] == pytest.approx(row["interaction_size"] / row["half_width"])
        assert row["genes_beyond"] == (np.abs(interaction) > ranked.wide[row["rank"] - 1]).sum()
    assert {row["measured"] for row in records(start, ranked, None)} == {None}


def test_the_genes_of_a_pair_are_those_that_interact_most_in_order(start, ranked) -> None:
    table = gene_table(start, ranked, None, slice(0, 2), 6)
    assert table.perturbation.tolist() == [
        label for label in ranked.combined.labels[:2] for _ in range(6)
    ]
    first = table[table["rank"] == 1]
    size = np.abs(ranked.combined.interaction[0])
    assert first.interaction.abs().tolist() == pytest.approx(sorted(size, reverse=True)[:6])
    strongest = np.argsort(-size, kind="stable")[:6]
    assert (first.high - first.low).to_numpy() == pytest.approx(2 * ranked.wide[0][strongest])
    shown = records(start, ranked, None)[0]["top_genes"].split(";")
    assert [part.split(" ")[0] for part in shown] == first.gene.tolist()[:5]
    place = {name: row for row, name in enumerate(start.bundle.panel.names)}
    column = {at: row for row, at in enumerate(ranked.genes.tolist())}
    for gene, effect in zip(first.gene, first.effect, strict=True):
        assert effect == ranked.combined.effect[0][column[place[gene]]]


def test_blocks_make_the_file_that_one_piece_makes(start, ranked, tmp_path, monkeypatch) -> None:
    told = records(start, ranked, None)
    write(tmp_path / "one.csv", start, ranked, None, told, 6)
    monkeypatch.setattr(module, "BLOCK", 2)
    write(tmp_path / "two.csv", start, ranked, None, told, 6)
    assert (tmp_path / "one.csv").read_text() == (tmp_path / "two.csv").read_text()
    pairs = pandas.read_csv(tmp_path / "one.pairs.csv")
    assert pairs.perturbation.tolist() == list(ranked.combined.labels)
