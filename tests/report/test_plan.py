from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from gpjepa.report import render
from gpjepa.report.plan import plan_views
from gpjepa.report.run import read_run


def with_document(run: Path, **parts: Any) -> Path:
    path = run / "plans" / "goal-0.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | parts))
    return run


def test_the_sets_of_a_plan_are_in_the_section_on_what_to_try_next(page: Any, run_folder) -> None:
    table = json.loads((run_folder / "plans" / "goal-0.json").read_text())["table"]
    (shown,) = page.by_id("next").all("table", "plan")
    rows = shown.all("tr")[1:]
    assert [row.all("th")[0].text for row in rows] == [row["set"] for row in table[:10]]
    assert rows[0].all("td")[1].text == f"{table[0]['closed']:.0%}"
    assert "7 more in the plan's own table" in page.by_id("next").text


def test_sets_that_are_as_good_as_the_first_are_marked(
    make_run: Callable[..., Path], parse, tmp_path
) -> None:
    run = make_run()
    section = parse(render(run, tmp_path / "a.html").read_text()).by_id("next")
    rows = section.all("table", "plan")[0].all("tr")[1:]
    assert ["≈" in row.all("td")[0].text for row in rows[:4]] == [False, True, True, False]
    assert "≈ as good as the first" in section.text
    table = json.loads((run / "plans" / "goal-0.json").read_text())["table"]
    with_document(run, table=[{**row, "as_good": row["rank"] == 1} for row in table])
    assert "≈" not in parse(render(run, tmp_path / "b.html").read_text()).by_id("next").text


def test_it_says_what_the_sum_of_members_would_have_chosen(make_run: Callable[..., Path]) -> None:
    run = make_run()
    (view,) = plan_views(read_run(run))
    assert "predicted to close" in view.lead
    assert "alone would have chosen KLF1+TGFBR2" in view.lead
    best = view.rows[0].label
    (same,) = plan_views(read_run(with_document(run, additive={"set": best})))
    assert same.lead.endswith("would have chosen the same.")


def test_planners_are_compared_where_they_were(make_run: Callable[..., Path], parse, tmp_path):
    run = make_run()
    page = parse(render(run, tmp_path / "a.html").read_text())
    (contest,) = page.by_id("next").all("table", "contest")
    assert [row.all("td")[0].text for row in contest.all("tr")[1:]] == [
        "cross-entropy", "random", "greedy"]  # fmt: skip
    alone = with_document(run, comparison=[])
    page = parse(render(alone, tmp_path / "b.html").read_text())
    assert page.by_id("next").all("table", "contest") == []


def test_experiments_to_make_next_are_listed_where_they_were_chosen(
    make_run: Callable[..., Path], parse, tmp_path
) -> None:
    run = make_run()
    row = {"perturbation": "KLF1+SET", "purpose": "goal", "deviation": 0.25, "told": 0.125,
           "energy": 0.5, "verdict": "use the model"}  # fmt: skip
    with_document(run, next=[row, {**row, "purpose": "model", "energy": None}])
    section = parse(render(run, tmp_path / "a.html").read_text()).by_id("next").text
    assert "What to measure next" in section
    assert "the way to the goal" in section
    assert "12.5%" in section
    with_document(run, next=[])
    section = parse(render(run, tmp_path / "b.html").read_text()).by_id("next").text
    assert "What to measure next" not in section


def test_a_goal_without_an_end_has_no_distance_to_close(
    make_run: Callable[..., Path], parse, tmp_path
):
    run = make_run()
    table = json.loads((run / "plans" / "goal-0.json").read_text())["table"]
    open_ended = [row | {"closed": None} for row in table]
    page = parse(render(with_document(run, table=open_ended), tmp_path / "a.html").read_text())
    (shown,) = page.by_id("next").all("table", "plan")
    assert "distance closed" not in shown.text
    assert {len(row.children) for row in shown.all("tr")} == {7}


def test_names_of_plans_cannot_break_out(make_run: Callable[..., Path], fixtures, parse, tmp_path):
    bad = fixtures.HOSTILE
    run = make_run()
    table = json.loads((run / "plans" / "goal-0.json").read_text())["table"]
    table[0] |= {"set": bad, "verdict": bad, "nearest": bad}
    changed = with_document(
        run, table=table, planner=bad, notes=[bad], goal={"name": bad, "kind": bad},
        traces={bad: [[1, 2.0], [4, 1.0]]}, additive={"set": bad},
        comparison=[{"planner": bad, "set": bad, "energy": 1, "evaluations": 2}],
    )  # fmt: skip
    text = render(changed, tmp_path / "r.html").read_text()
    page = parse(text)
    assert text.count("</script>") == 2
    assert not [node for node in page.walk() if "onmouseover" in node.attributes]


def test_a_run_without_plans_shows_the_screen_alone(make_run: Callable[..., Path], parse, tmp_path):
    page = parse(render(make_run(plans=0), tmp_path / "r.html").read_text())
    assert page.by_id("next").all("table", "plan") == []
    assert "All unmeasured combinations" not in page.by_id("next").text
