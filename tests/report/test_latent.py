from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np

from gpjepa.report.latent import STEPS, latent_document
from gpjepa.report.run import read_run


def test_both_axes_share_a_unit_so_that_distances_are_true(run_folder: Path) -> None:
    run = read_run(run_folder)
    drawn = latent_document(run)
    points = np.column_stack([drawn["x"], drawn["y"]])
    real = run.latent[["x", "y"]].to_numpy()
    assert points.max() == STEPS
    assert points.min() == 0
    ratio = np.linalg.norm(points[:50] - points[50:100], axis=1) / np.linalg.norm(
        real[:50] - real[50:100], axis=1
    )
    np.testing.assert_allclose(ratio, ratio[0], rtol=0.02)


def test_codes_give_back_kinds_and_perturbations(run_folder: Path) -> None:
    run = read_run(run_folder)
    drawn = latent_document(run)
    assert [drawn["kinds"][code] for code in drawn["kind"]] == list(run.latent["kind"])
    assert [drawn["labels"][code] for code in drawn["label"]] == list(run.latent["perturbation"])


def test_points_that_are_not_finite_are_left_out(make_run: Callable[..., Path]) -> None:
    run = make_run()
    (run / "evaluation" / "latent.csv").write_text(
        "x,y,kind,perturbation\n1,1,control,control\nnan,1,observed,A\n1,2,odd,B\n"
    )
    drawn = latent_document(read_run(run))
    assert (drawn["x"], drawn["y"]) == ([0, 0], [0, STEPS])
    assert drawn["kinds"] == ["control", "observed", "predicted", "odd"]
    assert drawn["labels"] == ["B", "control"]


def test_an_empty_map_is_possible(make_run: Callable[..., Path]) -> None:
    drawn = latent_document(read_run(make_run(latent_points=0)))
    assert (drawn["x"], drawn["labels"]) == ([], [])
