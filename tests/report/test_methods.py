from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from gpjepa.report import methods
from gpjepa.report.run import read_run


def test_every_setting_is_shown_in_its_section(run_folder: Path) -> None:
    sections = {facts.title: dict(facts.rows) for facts in methods.settings(read_run(run_folder))}
    assert sections["encoder"] == {"latent": "32", "hidden": "128", "layers": "2"}
    assert sections["fit"]["encoder"] == "finetune"


def test_the_split_names_its_parts_and_groups(run_folder: Path) -> None:
    rows = dict(methods.split_facts(read_run(run_folder)).rows)
    assert rows["validation"] == "SGK1+TBX3"
    assert rows["groups.FOXO4"] == "unseen_single"
    assert rows["test"].startswith("KLF1+MAP2K6, KLF1+TGFBR2")


def test_versions_seed_and_data_are_shown(run_folder: Path) -> None:
    run = read_run(run_folder)
    rows = dict(methods.provenance_facts(run).rows)
    assert rows["versions.torch"] == "2.13.0"
    assert rows["commit"] == "none"
    assert rows["data name"] == "norman_k562.h5ad"
    assert methods.version(run) == "0.1.0"
    assert methods.command(run) == "gpjepa demo --out demo-run --seed 0"


@pytest.mark.parametrize(
    ("document", "command", "version"),
    [({}, None, ""), ({"command": ["gpjepa", "demo"]}, "gpjepa demo", ""),
     ({"command": None, "version": "2.0"}, None, "2.0")],
)  # fmt: skip
def test_a_sparse_record_is_shown_as_it_is(
    document: dict[str, object], command: str | None, version: str, make_run: Callable[..., Path]
) -> None:
    run = make_run()
    (run / "provenance.json").write_text(json.dumps(document))
    loaded = read_run(run)
    assert (methods.command(loaded), methods.version(loaded)) == (command, version)


def test_long_lists_are_cut_and_say_so() -> None:
    text = methods.word([str(index) for index in range(100)])
    assert text.endswith("59 … and 40 more")
    assert [methods.word(value) for value in (True, None, [], {}, 0.5, "x")] == [
        "yes", "none", "none", "none", "0.5", "x"]  # fmt: skip


def test_every_metric_of_the_tables_is_defined(run_folder: Path) -> None:
    run = read_run(run_folder)
    defined = [name for _, terms in methods.definitions(run) for name, _ in terms]
    assert sorted(defined) == sorted(set(run.metrics["metric"]))
