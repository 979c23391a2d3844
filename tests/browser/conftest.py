"""Chromium, driven by playwright, on a page made of a made-up run."""

from __future__ import annotations

import importlib.util
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

ARGUMENTS = ["--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu"]


def load_fixtures() -> ModuleType:
    """Import the fixture generator of the report's tests."""
    path = Path(__file__).parent.parent / "report" / "conftest.py"
    spec = importlib.util.spec_from_file_location("report_conftest", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.load_fixtures()


@pytest.fixture(scope="session")
def fixtures() -> ModuleType:
    return load_fixtures()


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    from playwright.sync_api import sync_playwright

    chromium = shutil.which("chromium")
    if chromium is None:
        pytest.fail("chromium is not installed; run `make chromium`")
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=chromium, args=ARGUMENTS)
        yield started
        started.close()


@pytest.fixture(scope="session")
def report_of(
    fixtures: ModuleType, tmp_path_factory: pytest.TempPathFactory
) -> Callable[..., Path]:
    """Return a function that renders the report of a run of a given shape, once per shape."""
    from gpjepa.report import render

    made: dict[str, Path] = {}

    def make(**shape: Any) -> Path:
        key = repr(sorted(shape.items()))
        if key not in made:
            folder = tmp_path_factory.mktemp("browser")
            run = fixtures.write_run(folder / "run", fixtures.Shape(**shape))
            made[key] = render(run, folder / "report.html")
        return made[key]

    return make


@pytest.fixture
def open_report(browser: Any, report_of: Callable[..., Path]) -> Iterator[Callable[..., Any]]:
    """Return a function that opens a report; the test fails on any complaint or request."""
    contexts, complaints, requests = [], [], []

    def open_page(width: int = 1280, scheme: str = "light", **shape: Any) -> Any:
        path = report_of(**shape)
        context = browser.new_context(
            viewport={"width": width, "height": 900}, color_scheme=scheme, accept_downloads=True
        )
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda message: complaints.append(f"{message.type}: {message.text}"))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("request", lambda request: requests.append(request.url))
        page.goto(path.as_uri())
        requests.remove(path.as_uri())
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert complaints == []
    assert [url for url in requests if not url.startswith(("data:", "blob:"))] == []
