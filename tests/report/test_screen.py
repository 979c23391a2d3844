from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from gpjepa.report.run import read_run
from gpjepa.report.screen import screen_document, verdicts


def screen_of(run: Path, text: str) -> dict[str, object]:
    (run / "evaluation" / "screen.csv").write_text(text)
    return screen_document(read_run(run))


def test_columns_have_a_fixed_order_and_more_columns_follow(make_run: Callable[..., Path]) -> None:
    table = screen_of(
        make_run(),
        "nearest,verdict,perturbation,additive_effect_size,predicted_effect_size,top_genes\n"
        "A,use the sum,A+B,2.0,1.234567891,HBZ +1.2\n",
    )
    assert table["names"] == [
        "perturbation", "predicted_effect_size", "additive_effect_size", "verdict", "top_genes",
        "nearest"]  # fmt: skip
    assert table["numeric"] == [False, True, True, False, False, False]
    assert table["columns"][1] == [1.23457]  # type: ignore[index]


def test_a_size_that_is_not_known_is_null(make_run: Callable[..., Path]) -> None:
    table = screen_of(
        make_run(),
        "perturbation,predicted_effect_size,additive_effect_size,verdict\n"
        "A+B,1,,use the sum\nA+C,nan,2,use the sum\n",
    )
    assert table["columns"][1:3] == [[1, None], [None, 2]]  # type: ignore[index]


def test_verdicts_are_counted_the_known_ones_first(make_run: Callable[..., Path]) -> None:
    run = make_run()
    screen_of(
        run,
        "perturbation,predicted_effect_size,additive_effect_size,verdict\n"
        "A+B,1,1,hold\nA+C,1,1,do not trust\nA+D,1,1,use the model\nA+E,1,1,do not trust\n",
    )
    found = verdicts(read_run(run))
    assert [(one.name, one.css, one.count) for one in found] == [
        ("use the model", "good", 1),
        ("do not trust", "poor", 2),
        ("hold", "other", 1),
    ]
