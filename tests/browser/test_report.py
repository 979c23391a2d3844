"""The report in a real browser: nothing is requested, nothing complains, everything works."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.browser
Open = Callable[..., Any]


def first_column(page: Any) -> list[str]:
    return page.locator("#screen tbody tr td:first-child").all_inner_texts()


def sizes(page: Any) -> list[float]:
    cells = page.locator("#screen tbody tr td:nth-child(2)").all_inner_texts()
    return [float(text) for text in cells]


@pytest.mark.parametrize("width", [400, 768, 1280])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_page_never_scrolls_sideways(open_report: Open, width: int, scheme: str) -> None:
    page = open_report(width, scheme)
    page.check("#show-extra")
    page.check("#show-errors")
    page.evaluate("for (const node of document.querySelectorAll('details')) node.open = true")
    assert page.evaluate("document.documentElement.scrollWidth") == width
    wide = page.evaluate(
        """() => [...document.querySelectorAll("body *")].filter((node) =>
             !node.closest(".scroll, nav, .hidden, .skip, pre") &&
             node.getBoundingClientRect().right > innerWidth + 1).map((node) => node.outerHTML)"""
    )
    assert wide == []


def test_hostile_and_long_names_neither_run_nor_widen_the_page(
    open_report: Open, fixtures: Any
) -> None:
    long = "LONGGENE" * 30
    page = open_report(
        400,
        doubles=(f"{long}+KLF1",),
        singles=(fixtures.HOSTILE,),
        genes=(fixtures.HOSTILE, long, *fixtures.GENES[:5]),
        screen_rows=30,
    )
    page.on("dialog", lambda dialog: pytest.fail("a name was run as a script"))
    assert page.evaluate("document.documentElement.scrollWidth") == 400
    page.select_option("#choice", fixtures.HOSTILE)
    picture = page.locator(".panel svg[data-points]").last
    picture.scroll_into_view_if_needed()
    picture.focus()
    picture.press("ArrowRight")
    assert page.locator("#tip b").count() == 0
    page.fill("#screen-search", "onmouseover")
    assert page.locator("#screen tbody tr").count() > 5
    assert page.locator("#screen tbody b").count() == 0


def test_the_screen_sorts_by_value_both_ways(open_report: Open) -> None:
    page = open_report()
    header = page.locator("#screen th", has_text="predicted effect")
    header.locator("button").click()
    assert header.get_attribute("aria-sort") == "descending"
    falling = sizes(page)
    assert falling == sorted(falling, reverse=True)
    header.locator("button").click()
    assert header.get_attribute("aria-sort") == "ascending"
    rising = sizes(page)
    assert rising == sorted(rising)
    assert rising[0] < falling[0]


def test_the_screen_is_searched_filtered_and_paged(open_report: Open) -> None:
    page = open_report()
    before = first_column(page)
    page.click("#screen-next")
    assert page.inner_text("#screen-status") == "26–50 of 140"
    assert set(first_column(page)).isdisjoint(before)
    page.fill("#screen-search", "map2k3")
    assert page.inner_text("#screen-status").startswith("1–")
    found = page.locator("#screen tbody tr").all_inner_texts()
    assert found
    assert all("MAP2K3" in row for row in found)
    page.select_option("#screen-verdict", "do not trust")
    rows = page.locator("#screen tbody tr").all_inner_texts()
    assert all("do not trust" in row for row in rows)
    page.fill("#screen-search", "no such gene")
    assert "nothing matches" in page.inner_text("#screen-status")


def test_the_rows_that_were_chosen_are_downloaded_as_csv(open_report: Open) -> None:
    page = open_report()
    page.fill("#screen-search", "klf1+plk4")
    with page.expect_download() as waiting:
        page.click("#screen-download")
    text = Path(waiting.value.path()).read_text()
    rows = list(csv.DictReader(io.StringIO(text)))
    assert [row["perturbation"] for row in rows] == ["KLF1+PLK4"]
    shown = page.locator("#screen tbody tr td:nth-child(2)").inner_text()
    assert f"{float(rows[0]['predicted_effect_size']):.3f}" == shown.strip()


def test_five_thousand_rows_stay_quick(open_report: Open) -> None:
    page = open_report(screen_rows=5000, latent_points=30_000)
    assert page.inner_text("#screen-status") == "1–25 of 5,000"
    for action in (
        "document.querySelector('#screen th button').click()",
        "document.getElementById('latent-colour').dispatchEvent(new Event('change'))",
    ):
        spent = page.evaluate(f"() => {{ const t = performance.now(); {action}; "
                              "return performance.now() - t; }")  # fmt: skip
        assert spent < 1500


def test_the_scoreboard_shows_a_perturbation_and_the_mean_again(open_report: Open) -> None:
    page = open_report()
    before = page.inner_text("#scoreboard")
    page.select_option("#choice", "FOXO4")
    row = page.locator('tr[data-metric="pearson_delta"]')
    assert row.locator('[data-model="additive"] .value').inner_text() == "–"
    assert page.inner_text("#scoreboard") != before
    page.select_option("#choice", "all")
    assert page.inner_text("#scoreboard") == before


def test_variants_and_explanations_open_on_demand(open_report: Open) -> None:
    page = open_report()
    extra = page.locator('tr[data-metric="r2_delta"]')
    assert not extra.is_visible()
    page.check("#show-extra")
    assert extra.is_visible()
    term = page.locator('tr[data-metric="slope"] details')
    term.locator("summary").click()
    assert term.locator("p").is_visible()


def test_error_bars_and_the_additive_series_are_switched(open_report: Open) -> None:
    page = open_report()
    bars, additive = page.locator("svg .errors").first, page.locator("svg .dot.additive").first
    assert (bars.is_visible(), additive.is_visible()) == (False, True)
    page.check("#show-errors")
    page.uncheck("#show-additive")
    assert (bars.is_visible(), additive.is_visible()) == (True, False)


def test_points_are_named_by_pointer_and_by_keyboard(open_report: Open) -> None:
    page = open_report()
    picture = page.locator("#effects svg[data-points]").first
    picture.scroll_into_view_if_needed()
    points = page.evaluate("name => DATA.points[name]", picture.get_attribute("data-points"))
    box = picture.bounding_box()
    unit = box["width"] / 280
    page.mouse.move(box["x"] + points["x"][0] * unit, box["y"] + points["y"][0] * unit)
    named = page.inner_text("#tip strong")
    assert named in points["label"]
    page.mouse.move(2, 2)
    assert not page.locator("#tip").is_visible()
    picture.focus()
    picture.press("ArrowRight")
    assert page.inner_text("#tip strong") == points["label"][0]
    picture.press("ArrowRight")
    assert page.inner_text("#tip strong") == points["label"][1]
    picture.press("Escape")
    assert not page.locator("#tip").is_visible()


def test_trust_is_reached_from_the_top_and_read_with_the_keyboard(open_report: Open) -> None:
    page = open_report()
    page.click('nav a[href="#trust"]')
    assert page.locator("#trust-title").is_visible()
    assert page.locator("#trust figure svg").count() == 7
    picture = page.locator('svg[data-points="trust width"]')
    picture.scroll_into_view_if_needed()
    picture.focus()
    picture.press("ArrowRight")
    first = page.evaluate("DATA.points['trust width'].label[0]")
    assert page.inner_text("#tip strong") == first
    assert "verdict" in page.inner_text("#tip")


def test_panels_on_trust_are_drawn_inside_their_own_axes(open_report: Open) -> None:
    page = open_report(400)
    outside = page.evaluate(
        """() => [...document.querySelectorAll("#trust svg")].filter((picture) => {
             const { width, height } = picture.viewBox.baseVal;
             const marks = [...picture.querySelectorAll("path, rect, text:not([transform])")];
             return marks.some((mark) => {
               const box = mark.getBBox();
               return box.x < -1 || box.y < -1 || box.x + box.width > width + 1 ||
                 (mark.tagName !== "text" && box.y + box.height > height + 1);
             });
           }).map((picture) => picture.getAttribute("aria-label"))"""
    )
    assert outside == []


def test_a_run_that_recorded_no_uncertainty_says_so(open_report: Open) -> None:
    page = open_report(uncertainty=False)
    assert page.locator("#trust figure svg").count() == 0
    assert page.locator("#trust figure .empty:visible").count() == 7


def test_one_condition_of_the_populations_is_shown_at_a_time(open_report: Open) -> None:
    page = open_report()
    assert page.locator(".condition:visible h3").all_inner_texts() == ["KLF1+MAP2K6"]
    page.select_option("#condition", label="SGK1")
    assert page.locator(".condition:visible h3").all_inner_texts() == ["SGK1"]


def test_the_latent_map_is_drawn_and_repainted(open_report: Open) -> None:
    page = open_report()
    drawn = "document.getElementById('latent-map').toDataURL()"
    everything = page.evaluate(drawn)
    assert len(everything) > 5000
    page.select_option("#latent-highlight", index=1)
    highlighted = page.evaluate(drawn)
    assert highlighted != everything
    page.locator("#latent-legend input").last.uncheck()
    assert page.evaluate(drawn) != highlighted
    page.select_option("#latent-highlight", "")
    page.select_option("#latent-colour", "label")
    assert page.locator("#latent-legend .key").count() == 9
    page.emulate_media(color_scheme="dark")
    page.wait_for_timeout(50)
    assert page.evaluate(drawn) != everything


def test_colours_keep_their_contrast_in_both_schemes(open_report: Open) -> None:
    script = """() => {
      const luminance = (css) => {
        const part = css.match(/[\\d.]+/g).slice(0, 3).map((value) => {
          const c = value / 255;
          return c <= 0.03928 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4;
        });
        return 0.2126 * part[0] + 0.7152 * part[1] + 0.0722 * part[2];
      };
      const ratio = (a, b) => {
        const [x, y] = [luminance(a), luminance(b)].sort((p, q) => q - p);
        return (x + 0.05) / (y + 0.05);
      };
      const probe = document.body.appendChild(document.createElement("i"));
      const read = (name) => {
        probe.style.color = `var(${name})`;
        return getComputedStyle(probe).color;
      };
      const text = [["--ink", "--paper"], ["--soft", "--surface"], ["--soft", "--wash"],
        ["--accent", "--surface"], ["--good", "--good-wash"], ["--fair", "--fair-wash"],
        ["--poor", "--poor-wash"], ["--model", "--surface"]];
      const marks = [["--observed", "--surface"], ["--additive", "--surface"],
        ["--control", "--surface"]];
      return [text.map(([a, b]) => ratio(read(a), read(b))),
        marks.map(([a, b]) => ratio(read(a), read(b)))];
    }"""
    for scheme in ("light", "dark"):
        text, marks = open_report(scheme=scheme).evaluate(script)
        assert min(text) >= 4.5, scheme
        assert min(marks) >= 3.0, scheme


def test_every_control_can_be_reached_with_the_keyboard(open_report: Open) -> None:
    page = open_report()
    reached = set()
    for _ in range(120):
        page.keyboard.press("Tab")
        reached.add(page.evaluate("document.activeElement.id"))
    wanted = {"choice", "show-extra", "show-additive", "show-errors", "screen-search",
              "screen-verdict", "screen-download", "screen-next", "condition"}  # fmt: skip
    assert wanted <= reached


def test_an_empty_run_opens_without_complaint(open_report: Open) -> None:
    page = open_report(doubles=(), singles=(), screen_rows=0, latent_points=0)
    assert page.locator("section .empty").count() >= 4


def test_the_page_prints_without_its_controls(open_report: Open) -> None:
    page = open_report(800)
    page.emulate_media(media="print")
    assert not page.locator("nav").is_visible()
    assert not page.locator("#screen-download").is_visible()
    assert page.locator("#effects svg").first.is_visible()
    assert len(page.pdf()) > 50_000


def test_the_means_of_a_plan_are_named_under_the_pointer(open_report: Open) -> None:
    page = open_report()
    figure = page.locator("#next figure.plan svg[data-points]")
    figure.scroll_into_view_if_needed()
    figure.focus()
    figure.press("ArrowRight")
    assert "control cells" in page.locator("#tip").inner_text()
    assert page.locator("#next table.plan tbody tr").count() == 10
    assert page.locator("#next .curve.planner").count() == 3
