from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from gpjepa.report.page import page as page_of
from gpjepa.report.run import read_run
from gpjepa.report.trust import trust

KEYS = ["coverage", "effect PIT", "risk", "width", "population PIT", "spread", "responders"]


def test_every_panel_says_what_to_look_for_and_what_a_bad_one_shows(page: Any) -> None:
    figures = page.all("figure", "trust")
    assert [figure.attributes["data-panel"] for figure in figures] == KEYS
    for figure in figures:
        (reading,) = figure.all("p", "reading")
        assert len(reading.text) > 120
        assert "A bad one:" in reading.text
        assert len(figure.all("svg")) == 1
        assert len(figure.all("svg")[0].attributes["aria-label"] or "") > 40


def test_points_of_a_panel_are_in_the_data_of_the_page(page: Any) -> None:
    import json

    points = json.loads("".join(page.by_id("data").children))["points"]
    named = [svg.attributes["data-points"] for svg in page.by_id("trust").all("svg")
             if "data-points" in svg.attributes]  # fmt: skip
    assert named == ["trust width", "trust responders"]
    assert all(points[name]["label"] for name in named)


def test_verdicts_sources_and_head_are_on_the_page(page: Any) -> None:
    words = page.by_id("trust").text
    assert "use the model" in words
    assert "training mean" in words
    assert "asked for: auto" in page.by_id("methods").text


def test_a_run_without_any_of_it_still_has_the_section(make_run: Callable[..., Path]) -> None:
    section = trust(read_run(make_run(uncertainty=False)))
    assert all(panel.reason for panel in section.panels)


def test_a_model_that_was_never_replaced_is_told_in_a_sentence(
    make_run: Callable[..., Path], parse: Callable[[str], Any]
) -> None:
    run = read_run(make_run(singles=()))
    assert trust(run).only_model
    words = parse(page_of(run)).by_id("trust").text
    assert "No prediction was replaced" in words
    assert "What the predictions come from" not in words
