from __future__ import annotations

from itertools import pairwise

import numpy as np

from gpjepa.report import svg
from gpjepa.report.scales import Scale

X, Y = np.array([1.0, np.nan, 3.25]), np.array([4.0, 5.0, 6.0])


def test_points_that_are_not_finite_are_left_out() -> None:
    assert svg.dots(X, Y, "dot") == '<path class="dot" d="M1 4h0M3.2 6h0"/>'
    assert svg.dots(np.array([np.nan]), np.array([1.0]), "dot") == ""


def test_a_line_is_interrupted_at_a_gap() -> None:
    line = svg.line(np.array([0, 1, np.nan, 3, 4.0]), np.zeros(5), "curve")
    assert line == '<path class="curve" d="M0 0L1 0M3 0L4 0"/>'


def test_a_histogram_starts_and_ends_on_its_base() -> None:
    outline = svg.steps(np.array([0, 10, 20.0]), np.array([5, 7.0]), 9.0, "steps")
    assert outline == '<path class="steps" d="M0 9V5H10V7H20V9"/>'


def test_a_band_goes_there_and_back_and_needs_two_points() -> None:
    area = svg.band(np.array([0, 10.0]), np.array([1, 2.0]), np.array([5, 6.0]), "band")
    assert area == '<path class="band" d="M0 1L10 2L10 6L0 5Z"/>'
    assert svg.band(X[:2], Y[:2], Y[:2], "band") == ""


def test_a_box_has_the_size_between_its_corners() -> None:
    box = svg.box(1, 2, 4.5, 10, "part")
    assert box == '<rect class="part" x="1" y="2" width="3.5" height="8"/>'


def test_rows_have_an_axis_below_and_none_beside_them() -> None:
    drawn = svg.axis_across(Scale(0, 1, 100, 300), 10, 90, "share")
    assert drawn.count('class="grid"') == drawn.count('class="tick"') >= 3
    assert drawn.count('class="axis"') == 1
    assert 'text-anchor="end"' not in drawn


def test_an_error_bar_needs_both_ends() -> None:
    bars = svg.segments(X, Y, X + 1, Y, "errors")
    assert bars.count("M") == 2


def test_text_and_descriptions_are_escaped() -> None:
    assert "&lt;b&gt;" in svg.text(0, 0, "<b>", "name")
    picture = svg.figure(10, 10, [], '"><script>', 'a"b')
    assert "<script>" not in picture
    assert 'data-points="a&#34;b"' in picture


def test_tick_labels_on_an_upright_axis_do_not_touch() -> None:
    drawn = svg.axes(Scale(0, 1, 0, 100), Scale(0, 1, 60, 0, "sqrt"), "x", "y")
    heights = [float(part.split('"')[0]) for part in drawn.split('x="-5" y="')[1:]]
    assert len(heights) >= 3
    assert min(first - second for first, second in pairwise(heights)) >= svg.TICK_ROOM
