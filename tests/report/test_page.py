from __future__ import annotations

import csv
import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from gpjepa.core.errors import OutputExistsError
from gpjepa.report import render
from gpjepa.report.numbers import MISSING, number

SECTIONS = ["scoreboard", "effects", "trust", "next", "populations", "latent", "training",
            "methods"]  # fmt: skip


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as stream:
        return list(csv.DictReader(stream))


def data_of(page: Any) -> dict[str, Any]:
    return json.loads("".join(page.by_id("data").children))


def test_the_sections_come_in_the_order_in_which_they_are_read(page: Any) -> None:
    (main,) = page.all("main")
    assert [node.attributes["id"] for node in main.children if getattr(node, "tag", "") ==
            "section"] == SECTIONS  # fmt: skip
    (nav,) = page.all("nav")
    assert [link.attributes["href"] for link in nav.all("a")] == [f"#{name}" for name in SECTIONS]


def test_nothing_in_the_page_can_make_a_request(html: str, page: Any) -> None:
    assert re.findall(r"(?:https?:)?//[a-z]", html.replace("http://www.w3.org/2000/svg", "")) == []
    assert [tag for tag in ("img", "iframe", "object", "embed", "audio", "video") if page.all(tag)
            ] == []  # fmt: skip
    assert [node.attributes.get("src") for node in page.all("script")] == [None, None]
    assert {node.attributes["href"] for node in page.all("link")} == {"data:,"}
    assert "@import" not in html
    assert "url(" not in html
    (policy,) = [node for node in page.all("meta") if node.attributes.get("http-equiv")]
    assert (policy.attributes["content"] or "").startswith("default-src 'none'")


def test_every_score_on_the_page_is_the_one_in_the_file(page: Any, run_folder: Path) -> None:
    expected = {
        (row["axis"], row["metric"], row["model"]): number(float(row["value"]))
        for row in rows_of(run_folder / "evaluation" / "metrics.csv")
        if row["perturbation"] == "all" and " − " not in row["model"]
    }
    shown = {}
    for table in page.all("table", "board"):
        for row in table.all("tr")[1:]:
            for cell in row.all("td", "score"):
                key = (table.attributes["data-axis"], row.attributes["data-metric"],
                       cell.attributes["data-model"])  # fmt: skip
                value = cell.all("span", "value")[0].text
                if value != MISSING:
                    shown[key] = value
    assert len(shown) == len(expected) > 100
    assert shown == expected


def test_every_perturbation_can_be_chosen_and_has_a_row_for_every_metric(page: Any) -> None:
    choices = [option.attributes["value"] for option in page.by_id("choice").all("option")]
    scoreboard = data_of(page)["scoreboard"]
    assert choices[0] == "all"
    assert sorted(choices) == sorted(scoreboard)
    rows = sum(len(table.all("tr")) - 1 for table in page.all("table", "board"))
    assert {len(painted) for painted in scoreboard.values()} == {rows}


def test_effects_in_the_data_are_those_in_the_file(page: Any, run_folder: Path) -> None:
    points = data_of(page)["points"]
    rows = rows_of(run_folder / "evaluation" / "effects.csv")
    for label in {row["perturbation"] for row in rows}:
        own = [row for row in rows if row["perturbation"] == label]
        shown = points[f"effect {label}"]
        assert shown["label"] == [row["gene"] for row in own]
        for column in ("observed", "predicted"):
            assert shown["columns"][column] == pytest.approx(
                [float(row[column]) for row in own], rel=1e-3
            )


def test_the_screen_is_embedded_whole(page: Any, run_folder: Path) -> None:
    rows = rows_of(run_folder / "evaluation" / "screen.csv")
    screen = data_of(page)["screen"]
    columns = dict(zip(screen["names"], screen["columns"], strict=True))
    assert columns["perturbation"] == [row["perturbation"] for row in rows]
    assert columns["novelty"] == pytest.approx([float(row["novelty"]) for row in rows], rel=1e-5)


def test_the_same_files_give_the_same_bytes(run_folder: Path, tmp_path: Path) -> None:
    moved = shutil.copytree(run_folder, tmp_path / "elsewhere" / run_folder.name)
    first = render(run_folder, tmp_path / "first.html").read_bytes()
    assert render(moved, tmp_path / "second.html").read_bytes() == first


def test_a_demo_sized_page_stays_under_a_megabyte(html: str) -> None:
    assert 100_000 < len(html.encode()) < 1_000_000


def test_a_name_cannot_break_out_of_the_page(
    fixtures: Any, make_run: Callable[..., Path], tmp_path: Path, parse: Callable[[str], Any]
) -> None:
    genes = (fixtures.HOSTILE, "NA", "nan", *fixtures.GENES[:6])
    singles = (fixtures.HOSTILE, "B</title>", "x" * 300)
    run = make_run(doubles=(), singles=singles, genes=genes, screen_rows=12)
    summary = run / "evaluation" / "summary.json"
    document = json.loads(summary.read_text()) | {"title": fixtures.HOSTILE, "notes": ["<i>"]}
    summary.write_text(json.dumps(document))
    html = render(run, tmp_path / "r.html").read_text()
    page = parse(html)
    assert html.count("</script>") == 2
    assert page.all("b") == [node for node in page.all("b") if "star" in
                             (node.attributes.get("class") or "")]  # fmt: skip
    assert not [node for node in page.walk() if "onmouseover" in node.attributes]
    assert page.all("h1")[0].text == fixtures.HOSTILE
    labels = data_of(page)["points"][f"effect {fixtures.HOSTILE}"]["label"]
    assert labels == list(genes)


def test_simulated_data_carry_a_badge(
    make_run: Callable[..., Path], tmp_path: Path, page: Any, parse: Callable[[str], Any]
) -> None:
    assert page.all("strong", "badge") == []
    simulated = parse(render(make_run(simulated=True), tmp_path / "r.html").read_text())
    assert [badge.text for badge in simulated.all("strong", "badge")] == ["Simulated data"]


def test_empty_sections_say_why_they_are_empty(
    make_run: Callable[..., Path], tmp_path: Path, parse: Callable[[str], Any]
) -> None:
    run = make_run(doubles=(), singles=(), screen_rows=0, latent_points=0)
    (run / "history.csv").write_text("stage,epoch,step,set,term,value,weighted\n")
    page = parse(render(run, tmp_path / "r.html").read_text())
    for name in ("effects", "next", "populations", "latent", "training"):
        assert page.by_id(name).all("p", "empty"), name
    assert "nothing was held out" in page.by_id("effects").text
    assert page.by_id("scoreboard").all("td", "score")


def test_one_perturbation_and_no_optional_column_is_enough(
    make_run: Callable[..., Path], tmp_path: Path, parse: Callable[[str], Any]
) -> None:
    import pandas as pd

    run = make_run(doubles=(), singles=("FOXO4",))
    optional = {
        "effects.csv": ["group", "observed_se", "low", "high", "additive", "training_mean"],
        "metrics.csv": ["low", "high", "floor", "ceiling", "skill", "n"],
        "screen.csv": ["novelty", "top_genes"],
    }
    for name, columns in optional.items():
        path = run / "evaluation" / name
        pd.read_csv(path).drop(columns=columns).to_csv(path, index=False)
    page = parse(render(run, tmp_path / "r.html").read_text())
    assert len(page.by_id("effects").all("figure")) == 1
    assert not [node for node in page.walk() if node.attributes.get("id") == "show-additive"]
    assert "novelty" not in data_of(page)["screen"]["names"]


def test_large_runs_stay_light(make_run: Callable[..., Path], tmp_path: Path) -> None:
    run = make_run(
        doubles=tuple(f"GENE{index}+KLF1" for index in range(30)),
        genes=tuple(f"G{index}" for index in range(300)),
        screen_rows=5000,
        latent_points=30_000,
    )
    out = render(run, tmp_path / "r.html")
    assert out.stat().st_size < 6_000_000


def test_an_existing_page_is_only_replaced_when_forced(run_folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "r.html"
    out.write_text("mine")
    with pytest.raises(OutputExistsError, match="exists already"):
        render(run_folder, out)
    assert out.read_text() == "mine"
    assert render(run_folder, out, force=True) == out
    assert out.read_text().startswith("<!doctype html>")


def test_every_control_has_a_label_and_every_figure_a_description(page: Any) -> None:
    labelled = {node.attributes.get("for") for node in page.all("label")}
    inside = [node for label in page.all("label") for node in label.all("input")]
    for node in [*page.all("select"), *page.all("input")]:
        assert node in inside or node.attributes["id"] in labelled
    for node in [*page.all("svg"), *page.all("canvas")]:
        assert node.attributes["role"] == "img"
        assert len(node.attributes["aria-label"] or "") > 10


def test_identifiers_are_unique(page: Any) -> None:
    found = [node.attributes["id"] for node in page.walk() if "id" in node.attributes]
    assert len(found) == len(set(found))


def test_what_was_held_out_is_counted_in_perturbations_and_cells(page: Any) -> None:
    facts = {node.all("dt")[0].text: node.all("dd")[0].text
             for node in page.all("dl", "facts")[0].all("div")}  # fmt: skip
    assert facts["Held out"] == "8 perturbations, 800 cells"
    assert facts["Size"] == "3,375 cells × 500 genes"
    assert facts["Seed"] == "0"


def test_a_run_that_held_nothing_out_says_that_it_shows_fit(
    make_run: Callable[..., Path], tmp_path: Path, parse: Callable[[str], Any]
) -> None:
    run = make_run()
    effects = run / "evaluation" / "effects.csv"
    text = effects.read_text()
    for group in ("combo_seen2", "unseen_single"):
        text = text.replace(group, "trained on")
    effects.write_text(text)
    split = json.loads((run / "split.json").read_text()) | {"test": []}
    (run / "split.json").write_text(json.dumps(split))
    page = parse(render(run, tmp_path / "r.html").read_text())
    assert "fit, not prediction" in page.by_id("effects").text
    assert "0 perturbations" in page.all("dl", "facts")[0].text


def test_losses_are_shown_as_losses(page: Any, run_folder: Path) -> None:
    rows = json.loads((run_folder / "evaluation" / "summary.json").read_text())["headline"]
    lost = sum(row["won"] is False for row in rows)
    assert lost > 0
    verdict = page.all("section", "verdict")[0]
    told = [item.text for item in verdict.all("li")]
    assert sum("does not beat" in words for words in told) == lost
    assert f"{len(rows) - lost} of {len(rows)}" in verdict.text
