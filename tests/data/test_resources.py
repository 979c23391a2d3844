import shutil
from pathlib import Path

import pytest

from gpjepa.core.errors import DataError
from gpjepa.data.resources import FOLDER, checked, lines, manifest


def test_every_embedded_file_is_in_the_manifest_and_fits_its_checksum() -> None:
    listed = {file for entry in manifest().values() for file in entry["files"]}
    present = {path.name for path in FOLDER.iterdir()} - {"manifest.json", "SOURCES.md"}
    assert listed == present
    for file in sorted(listed):
        assert checked(file).is_file()


def test_a_damaged_or_missing_file_is_refused(tmp_path: Path) -> None:
    shutil.copy(FOLDER / "hallmark.gmt.gz", tmp_path)
    with (tmp_path / "hallmark.gmt.gz").open("ab") as stream:
        stream.write(b"x")
    with pytest.raises(DataError, match="the installation is damaged: install gpjepa again"):
        checked("hallmark.gmt.gz", tmp_path)
    with pytest.raises(DataError, match="has SHA-256 no file"):
        checked("reactome.gmt.gz", tmp_path)


def test_compressed_and_plain_text_read_alike() -> None:
    assert lines("hallmark.gmt.gz")[0].startswith("HALLMARK_")
    assert lines("perturbed_gene_symbols.tsv")[0] == "label\thgnc_2022"


def test_sources_name_the_licence_of_every_data_set() -> None:
    text = (FOLDER / "SOURCES.md").read_text(encoding="utf-8")
    for name, entry in manifest().items():
        section = text.split(f"## {name}\n")[1].split("\n## ")[0]
        assert f"- licence: {entry['licence']}" in section
        assert f"- accession: {entry['accession']}" in section
        for file in entry["files"]:
            assert f"`{file}`" in section
