"""The wheel holds everything that the package needs, and works where only it is installed."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "src" / "gpjepa"


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", folder],
        cwd=ROOT,
        check=True,
        capture_output=True,
    )
    (built,) = folder.glob("*.whl")
    return built


@pytest.mark.slow
def test_the_wheel_holds_every_file_of_the_package_and_no_test(wheel: Path) -> None:
    held = set(zipfile.ZipFile(wheel).namelist())
    needed = {
        f"gpjepa/{path.relative_to(PACKAGE)}"
        for path in PACKAGE.rglob("*")
        if path.is_file() and path.suffix != ".pyc"
    }
    assert needed - held == set()
    assert {"gpjepa/py.typed", "gpjepa/data/embedded/norman_k562.h5ad"} <= held
    assert [file for file in held if file.startswith(("tests", "docs"))] == []


@pytest.mark.slow
def test_the_installed_wheel_loads_its_data_away_from_the_sources(
    wheel: Path, tmp_path: Path
) -> None:
    place = tmp_path / "site"
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target", place]
    subprocess.run([*pip, wheel], check=True, capture_output=True)
    code = (
        "import gpjepa; print(gpjepa.__file__); "
        "print(gpjepa.datasets.load('norman-k562').n_obs, gpjepa.__version__)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(place)},
        capture_output=True,
        text=True,
        check=True,
    )
    where, what = done.stdout.splitlines()
    assert Path(where).is_relative_to(place)
    assert what.startswith("3375 ")
