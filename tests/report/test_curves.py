from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from gpjepa.report.curves import is_monitor, stages
from gpjepa.report.run import read_run

HEADER = "stage,epoch,step,set,term,value,weighted\n"


def history(run: Path, *rows: str) -> Path:
    (run / "history.csv").write_text(HEADER + "".join(f"{row}\n" for row in rows))
    return run


def test_terms_scores_and_monitors_stand_apart_and_the_total_comes_first(run_folder: Path) -> None:
    first, second = stages(read_run(run_folder))
    assert first.title.startswith("Stage A")
    assert [curve.term for curve in first.terms] == ["total", "predict", "vicreg"]
    assert [curve.term for curve in second.scores] == ["score", "slope"]
    assert [curve.term for curve in second.monitors] == [
        "encoder min std", "effective rank", "active units"]  # fmt: skip
    assert first.scores == ()


def test_a_term_is_drawn_as_it_enters_the_objective(make_run: Callable[..., Path]) -> None:
    run = history(make_run(), "fit,1,10,train,nb,400,40", "fit,2,20,train,nb,300,30")
    (curve,) = stages(read_run(run))[0].terms
    assert (curve.last, curve.note) == ("train 30.0", "")


def test_a_term_without_weights_on_validation_is_drawn_as_measured(
    make_run: Callable[..., Path],
) -> None:
    run = history(make_run(), "fit,1,10,train,nb,400,40", "fit,1,10,validation,nb,420,0")
    (curve,) = stages(read_run(run))[0].terms
    assert (curve.last, curve.note) == ("train 400.0, validation 420.0", "not weighted")


def test_steps_of_an_epoch_are_averaged(make_run: Callable[..., Path]) -> None:
    run = history(make_run(), "fit,1,10,train,nb,1,1", "fit,1,11,train,nb,3,3")
    assert stages(read_run(run))[0].terms[0].last == "train 2.000"


@pytest.mark.parametrize("value", ["0", "-1"])
def test_a_term_that_is_not_positive_gets_a_linear_axis(
    value: str, make_run: Callable[..., Path]
) -> None:
    run = history(make_run(), "fit,1,10,train,kl,1,1", f"fit,2,20,train,kl,{value},{value}")
    assert stages(read_run(run))[0].terms[0].note == "linear axis"


def test_a_term_without_a_number_says_so(make_run: Callable[..., Path]) -> None:
    run = history(make_run(), "fit,1,10,train,kl,nan,nan")
    (curve,) = stages(read_run(run))[0].terms
    assert (curve.last, curve.picture) == ("no values", "")


def test_monitors_are_known_by_their_names() -> None:
    assert is_monitor("monitor/active_units")
    assert not is_monitor("monitors")
