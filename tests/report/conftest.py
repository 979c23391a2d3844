"""A made-up run directory, and the page that is made of it."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Callable, Iterator
from html.parser import HTMLParser
from pathlib import Path
from types import ModuleType

import pytest

VOID = {"meta", "link", "br", "input", "wbr", "hr", "img"}


def load_fixtures() -> ModuleType:
    """Import the fixture generator that lies beside this file."""
    spec = importlib.util.spec_from_file_location(
        "run_directory", Path(__file__).with_name("run_directory.py")
    )
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


class Node:
    """An element with its attributes, children and text."""

    def __init__(self, tag: str, attributes: dict[str, str | None]) -> None:
        self.tag, self.attributes = tag, attributes
        self.children: list[Node | str] = []

    @property
    def text(self) -> str:
        parts = (child if isinstance(child, str) else child.text for child in self.children)
        return " ".join("".join(parts).split())

    def walk(self) -> Iterator[Node]:
        for child in self.children:
            if isinstance(child, Node):
                yield child
                yield from child.walk()

    def all(self, tag: str, css: str | None = None) -> list[Node]:
        return [
            node
            for node in self.walk()
            if node.tag == tag
            and (css is None or css in (node.attributes.get("class") or "").split())
        ]

    def by_id(self, name: str) -> Node:
        (found,) = [node for node in self.walk() if node.attributes.get("id") == name]
        return found


class _Parser(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.root = Node("root", {})
        self.open = [self.root]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        node = Node(tag, dict(attrs))
        self.open[-1].children.append(node)
        if tag not in VOID:
            self.open.append(node)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.open[-1].children.append(Node(tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open[-1].tag == tag, f"</{tag}> closes <{self.open[-1].tag}>"
        self.open.pop()

    def handle_data(self, data: str) -> None:
        self.open[-1].children.append(data)


def parse_page(text: str) -> Node:
    """Parse a page strictly: every element is closed in order."""
    parser = _Parser()
    parser.feed(text)
    parser.close()
    assert parser.open == [parser.root]
    return parser.root


@pytest.fixture(scope="session")
def fixtures() -> ModuleType:
    return load_fixtures()


@pytest.fixture
def make_run(fixtures: ModuleType, tmp_path: Path) -> Callable[..., Path]:
    """Return a function that writes a run directory of a given shape."""

    def make(**shape: object) -> Path:
        return Path(fixtures.write_run(tmp_path / "run", fixtures.Shape(**shape)))

    return make


@pytest.fixture(scope="session")
def run_folder(fixtures: ModuleType, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a run directory as the demo leaves it; tests must not change it."""
    return Path(fixtures.write_run(tmp_path_factory.mktemp("report") / "demo-run"))


@pytest.fixture(scope="session")
def html(run_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> str:
    from gpjepa.report import render

    out = render(run_folder, tmp_path_factory.mktemp("page") / "report.html")
    return out.read_text(encoding="utf-8")


@pytest.fixture(scope="session")
def page(html: str) -> Node:
    return parse_page(html)


@pytest.fixture(scope="session")
def parse() -> Callable[[str], Node]:
    return parse_page
