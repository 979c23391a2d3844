"""The commands that the documentation shows are commands that exist."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import Any

import pytest
import typer.main

from gpjepa.cli.main import build

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted([*(ROOT / "docs").rglob("*.md"), *ROOT.glob("*.md")])


def shown(page: Path) -> list[str]:
    """Return the gpjepa command lines in the code blocks of a page."""
    blocks = re.findall(r"```sh\n(.*?)```", page.read_text(), flags=re.DOTALL)
    lines = "\n".join(blocks).replace("\\\n", " ").splitlines()
    return [line.strip() for line in lines if line.strip().startswith("gpjepa ")]


def options(command: Any) -> set[str]:
    """Return the option names of a verb."""
    return {name for parameter in command.params for name in parameter.opts}


LINES = [(page, line) for page in PAGES for line in shown(page)]


@pytest.mark.parametrize(("page", "line"), LINES, ids=[line for _, line in LINES])
def test_verb_and_options_exist(page: Path, line: str) -> None:
    words = shlex.split(line, comments=True)[1:]
    command: Any = typer.main.get_command(build())
    while words and hasattr(command, "commands"):
        assert words[0] in command.commands, f"{page.name}: no verb {words[0]!r}"
        command = command.commands[words.pop(0)]
    used = {word.partition("=")[0] for word in words if word.startswith("-")}
    assert used - options(command) == set(), page.name
