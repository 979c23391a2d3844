from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np

from gpjepa.report.figures import readme_figure


def pixels(path: Path) -> np.ndarray:
    from matplotlib.image import imread

    return imread(path)[..., :3]


def share_of(image: np.ndarray, colour: tuple[int, int, int]) -> float:
    return float((np.abs(image * 255 - np.array(colour)).max(axis=-1) < 12).mean())


def test_the_picture_is_1600_wide_and_every_panel_is_drawn(
    run_folder: Path, tmp_path: Path
) -> None:
    image = pixels(readme_figure(run_folder, tmp_path / "picture.png"))
    assert image.shape[1] == 1600
    for panel in np.array_split(image, 3, axis=1):
        assert share_of(panel, (0xC1, 0x4A, 0x00)) > 0.0005


def test_the_picture_is_the_same_for_the_same_run(run_folder: Path, tmp_path: Path) -> None:
    first = readme_figure(run_folder, tmp_path / "first.png").read_bytes()
    assert readme_figure(run_folder, tmp_path / "second.png").read_bytes() == first


def test_a_run_with_nothing_held_out_gives_a_picture_that_says_so(
    make_run: Callable[..., Path], tmp_path: Path
) -> None:
    run = make_run(doubles=(), singles=())
    image = pixels(readme_figure(run, tmp_path / "picture.png"))
    assert share_of(image, (0xC1, 0x4A, 0x00)) == 0
    assert image.min() < 0.6


def test_singles_are_drawn_where_there_is_no_combination(
    make_run: Callable[..., Path], tmp_path: Path
) -> None:
    run = make_run(doubles=(), singles=("FOXO4", "HK2"))
    image = pixels(readme_figure(run, tmp_path / "picture.png"))
    assert share_of(image, (0xC1, 0x4A, 0x00)) > 0.0005


def test_matplotlib_is_loaded_only_when_a_picture_is_drawn() -> None:
    code = "import sys, gpjepa.report.figures; print('matplotlib' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"
