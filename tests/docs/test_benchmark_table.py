"""The README's table of benchmarks is what the command prints from the kept results."""

from __future__ import annotations

from pathlib import Path

import pytest

from gpjepa.benchmark.table import markdown
from gpjepa.benchmark.tasks import TASKS
from gpjepa.core.files import read_json

ROOT = Path(__file__).resolve().parents[2]
RESULTS = ROOT / "docs" / "benchmarks.json"


@pytest.fixture(scope="module")
def table() -> str:
    return markdown(read_json(RESULTS)["benchmarks"])


def test_the_readme_shows_exactly_what_the_command_prints(table: str) -> None:
    assert table in (ROOT / "README.md").read_text(encoding="utf-8")


def test_every_benchmark_is_in_the_table_and_simulated_ones_say_so(table: str) -> None:
    first = [line.split("|")[1].strip() for line in table.splitlines() if line.startswith("| ")]
    for task in TASKS:
        assert any(cell.startswith(task.name) for cell in first), task.name
    assert "semi-synthetic (simulated)" in first
