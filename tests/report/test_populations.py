from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from gpjepa.report.populations import (
    MAX_BARS,
    conditions,
    count_edges,
    variance_scatter,
    zero_scatter,
)
from gpjepa.report.run import read_run


def test_every_condition_shows_its_genes_with_their_means(run_folder: Path) -> None:
    run = read_run(run_folder)
    found = conditions(run)
    assert [one.perturbation for one in found] == list(dict.fromkeys(
        run.effects["perturbation"]))  # fmt: skip
    assert {len(one.histograms) for one in found} == {4}
    table = run.histograms
    own = table[(table["perturbation"] == found[0].perturbation) & (table["kind"] == "observed")]
    own = own[own["gene"] == found[0].histograms[0].gene]
    mean = float((own["count"] * own["fraction"]).sum())
    assert f"observed {mean:.{3 if mean < 10 else 1}f}" in found[0].histograms[0].means


def test_wide_ranges_are_gathered_into_few_bars_and_no_cell_is_lost(
    make_run: Callable[..., Path],
) -> None:
    run = make_run(doubles=(), singles=("A",))
    rows = [["A", "G", kind, count, 1 / 500] for kind in ("observed", "control")
            for count in range(500)]  # fmt: skip
    pd.DataFrame(rows, columns=["perturbation", "gene", "kind", "count", "fraction"]).to_csv(
        run / "evaluation" / "histograms.csv", index=False
    )
    (histogram,) = conditions(read_run(run))[0].histograms
    outline = histogram.picture.split('class="steps observed" d="')[1].split('"')[0]
    assert 15 <= outline.count("H") <= MAX_BARS
    assert histogram.means == "control 249.5, observed 249.5"


@pytest.mark.parametrize("top", [0, 1, MAX_BARS - 1, MAX_BARS, 200, 5000])
def test_every_count_falls_into_one_bar_and_small_counts_keep_their_own(top: int) -> None:
    edges = count_edges(top)
    assert len(edges) - 1 <= MAX_BARS
    assert np.histogram(np.arange(top + 1), bins=edges)[0].sum() == top + 1
    assert edges[:2].tolist() == [0, 1]
    assert (edges == np.round(edges)).all()
    assert (np.diff(edges) >= 1).all()


def test_a_gene_without_any_count_can_be_drawn(make_run: Callable[..., Path]) -> None:
    run = make_run(doubles=(), singles=("A",))
    (run / "evaluation" / "histograms.csv").write_text(
        "perturbation,gene,kind,count,fraction\nA,G,observed,0,1\nA,G,predicted,,\n"
    )
    (histogram,) = conditions(read_run(run))[0].histograms
    assert histogram.means == "observed 0"


def test_equal_moments_lie_on_the_diagonal(make_run: Callable[..., Path]) -> None:
    run = make_run(doubles=("A+B",), singles=())
    path = run / "evaluation" / "populations.csv"
    table = pd.read_csv(path)
    for moment in ("variance", "zero"):
        table[f"predicted_{moment}"] = table[f"observed_{moment}"]
    table.to_csv(path, index=False)
    loaded = read_run(run)
    for drawn in (variance_scatter(loaded), zero_scatter(loaded)):
        np.testing.assert_allclose(drawn.points.x - 50, 290 - drawn.points.y, atol=1e-6)
        assert drawn.shown == drawn.total == 39


def test_genes_without_variance_are_left_out_of_a_logarithmic_axis(
    make_run: Callable[..., Path],
) -> None:
    run = make_run(doubles=("A+B",), singles=())
    path = run / "evaluation" / "populations.csv"
    table = pd.read_csv(path)
    table.loc[:4, "predicted_variance"] = 0.0
    table.loc[0, ["observed_zero", "predicted_zero"]] = [1.0, 0.0]
    table.to_csv(path, index=False)
    loaded = read_run(run)
    assert variance_scatter(loaded).total == 34
    assert zero_scatter(loaded).total == 39
    assert "nan" not in zero_scatter(loaded).picture


def test_no_rows_give_an_empty_scatter(make_run: Callable[..., Path]) -> None:
    loaded = read_run(make_run(doubles=(), singles=()))
    assert (variance_scatter(loaded).total, zero_scatter(loaded).total) == (0, 0)
    assert conditions(loaded) == []
