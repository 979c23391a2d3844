"""The README's table of speed is what the command prints from the kept results."""

from __future__ import annotations

from pathlib import Path

from benchmarks.speed_table import LOADERS, PEERS, SCVI, document, markdown, rows

README = Path(__file__).resolve().parents[2] / "README.md"


def test_the_readme_shows_exactly_what_the_command_prints() -> None:
    assert markdown() in README.read_text(encoding="utf-8")


def test_every_measured_program_is_in_it() -> None:
    found = list(rows())
    assert len(found) == len(SCVI) + 2 * len(PEERS) + len(LOADERS)
    assert {name for name, _, _ in PEERS} == set(document("peers")["peers"])
    assert {name for name, _ in SCVI} == set(document("scvi")["speed"]["1 threads"])


def test_ratios_are_those_of_the_documents() -> None:
    for (name, _), (_, _, ours, theirs) in zip(SCVI, rows(), strict=False):
        told = document("scvi")["speed"]["1 threads"][name]["cpu"]["ratio"]
        assert abs(ours / theirs - told) < 0.02 * told
