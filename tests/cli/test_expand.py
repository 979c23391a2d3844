from __future__ import annotations

import inspect
from dataclasses import dataclass
from typing import Annotated

import typer

from gpjepa.cli.expand import expand
from gpjepa.cli.options import Common


@dataclass(frozen=True)
class Group:
    depth: Annotated[int, typer.Option(min=1)] = 3
    loud: Annotated[bool, typer.Option("--loud")] = False


def verb(name: Annotated[str, typer.Argument()], group: Group, times: int = 2) -> None:
    """Say something."""
    seen.append((name, group, times))


seen: list[tuple[str, Group, int]] = []


def test_fields_take_the_place_of_their_group() -> None:
    parameters = inspect.signature(expand(verb)).parameters
    assert list(parameters) == ["name", "depth", "loud", "times"]
    assert (parameters["depth"].default, parameters["times"].default) == (3, 2)


def test_the_group_is_rebuilt_for_the_verb() -> None:
    seen.clear()
    expand(verb)(name="x", depth=5, loud=True, times=1)
    assert seen == [("x", Group(depth=5, loud=True), 1)]


def test_the_verb_keeps_its_name_and_help() -> None:
    assert (expand(verb).__name__, expand(verb).__doc__) == ("verb", "Say something.")


def test_a_command_line_fills_the_group() -> None:
    seen.clear()
    app = typer.Typer()
    app.command()(expand(verb))
    app(["y", "--loud", "--depth", "4"], standalone_mode=False)
    assert seen == [("y", Group(depth=4, loud=True), 2)]


def test_the_common_options_have_the_names_of_the_contract() -> None:
    def bare(common: Common) -> None:
        """Do nothing."""

    names = list(inspect.signature(expand(bare)).parameters)
    assert names == ["json", "seed", "device", "threads", "quiet", "force"]
