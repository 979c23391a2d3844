"""Where a result comes from: versions, platform, time, seed and commit."""

from __future__ import annotations

import platform
import shlex
import subprocess
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any


def package_version(name: str) -> str | None:
    """Return the version of an installed package; None when it is not installed."""
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def without_places(command: str) -> str:
    """Return a command line whose absolute paths are cut to their last part.

    What is kept with a result must not tell whose machine it was made on.
    """
    return shlex.join(_last_part(word) for word in shlex.split(command))


def _last_part(word: str) -> str:
    option, equals, value = word.partition("=") if word.startswith("-") else ("", "", word)
    if value.startswith(("/", "~")):
        value = Path(value).name
    return f"{option}{equals}{value}"


def git_commit(package: Path) -> str | None:
    """Return the commit of the source tree that holds `package`; None outside of one."""
    root = package.resolve().parent.parent
    if not ((root / ".git").exists() and (root / "pyproject.toml").is_file()):
        return None
    try:
        done = subprocess.run(
            ["git", "-C", str(root), "rev-parse", "HEAD"],
            capture_output=True,
            text=True,
            timeout=5,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()


def provenance(command: str | None, seed: int) -> dict[str, Any]:
    """Return what is needed to say how a result was made, as a JSON document.

    Holds no user name, host name or absolute path. `started` is UTC in ISO 8601.
    """
    packages = ("gpjepa", "torch", "numpy", "anndata")
    return {
        "command": None if command is None else without_places(command),
        "seed": int(seed),
        "started": datetime.now(UTC).isoformat(timespec="seconds"),
        "python": platform.python_version(),
        "platform": f"{platform.system()} {platform.machine()}",
        "versions": {name: package_version(name) for name in packages},
        "commit": git_commit(Path(__file__).parent.parent),
    }
