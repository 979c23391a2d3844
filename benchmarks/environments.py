"""Environments of their own for other people's programs, under .cache/benchmarks."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parent
CACHE = ROOT.parent / ".cache" / "benchmarks"
CONSTRAINTS = ROOT.parent / "constraints.txt"


def environment(name: str, constraints: Path = CONSTRAINTS) -> Path:
    """Return the python of the environment of benchmarks/NAME, made on first use.

    It holds NAME/requirements.txt and nothing that `constraints` does not pin; it is made anew
    when either file changes. Needs a package index and a few minutes.
    """
    requirements = ROOT / name / "requirements.txt"
    text = requirements.read_bytes() + constraints.read_bytes()
    stamp = hashlib.sha256(text).hexdigest()
    place = CACHE / name
    python, made = place / "bin" / "python", place / "made"
    if made.is_file() and made.read_text() == stamp:
        return python
    print(f"making {place} with {requirements}", file=sys.stderr)
    venv.create(place, with_pip=True, clear=True)
    files = ["--requirement", str(requirements), "--constraint", str(constraints)]
    command = [str(python), "-m", "pip", "install", "--quiet", "--no-input", *files]
    subprocess.run(command, check=True, stdout=sys.stderr)
    made.write_text(stamp)
    return python


def plain_environment(threads: int) -> dict[str, str]:
    """Return environment variables that keep every numerical library to `threads` threads."""
    names = ("OMP", "OPENBLAS", "MKL", "NUMBA", "POLARS", "NUMEXPR")
    limits = {
        f"{name}_{'MAX' if name == 'POLARS' else 'NUM'}_THREADS": str(threads) for name in names
    }
    return {**os.environ, **limits}
