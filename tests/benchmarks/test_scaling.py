"""Exponents are those of the law that made the costs, and what exceeds the reach is named."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from benchmarks.scaling import grown, main, over_reach

SIZES = (100, 200, 400, 800)


def test_a_power_law_gives_its_exponent_without_error() -> None:
    found = grown(SIZES, [3e-4 * size**1.2 for size in SIZES])
    assert (found["exponent"], found["se"], found["last"]) == (1.2, 0.0, 1.2)


def test_a_fixed_cost_hides_growth_from_the_exponent_less_from_the_last_slope() -> None:
    found = grown(SIZES, [300.0 + size for size in SIZES])
    assert found["exponent"] < found["last"] < 1.0
    assert found["se"] > 0.01


def test_what_grows_faster_than_linear_is_named() -> None:
    steps = {
        "read": grown(SIZES, SIZES),
        "check": grown(SIZES, [size**1.1 for size in SIZES]),
        "late": {"exponent": 0.9, "se": 0.1, "last": 1.3},
    }
    assert over_reach({"cells": {"steps": steps}}) == ["check with cells"]


@pytest.mark.parametrize("kind", ["png", "svg"])
def test_a_document_is_drawn_again(
    kind: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    step = {**grown(SIZES, SIZES), "seconds": list(SIZES)}
    document = {
        "data": {"cells": 100, "genes": 50, "perturbations": 5},
        "cpu_seconds": {"cells": {"sizes": list(SIZES), "steps": {"read": step}}},
    }
    (tmp_path / "found.json").write_text(json.dumps(document))
    figure = tmp_path / f"figure.{kind}"
    assert main(["--from", str(tmp_path / "found.json"), "--plot", str(figure)]) == 0
    assert json.loads(capsys.readouterr().out) == {**document, "above_reach": []}
    begins = {"png": b"\x89PNG", "svg": b"<?xml"}[kind]
    assert figure.read_bytes().startswith(begins)
