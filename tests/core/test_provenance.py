from __future__ import annotations

import getpass
import json
import platform
import subprocess
from datetime import UTC, datetime
from pathlib import Path

import pytest

from gpjepa.core.provenance import git_commit, package_version, provenance, without_places


def test_provenance_is_a_json_document_with_versions_and_seed() -> None:
    record = json.loads(json.dumps(provenance("gpjepa train", 7)))
    assert record["seed"] == 7
    assert record["python"] == platform.python_version()
    assert set(record["versions"]) == {"gpjepa", "torch", "numpy", "anndata"}
    assert all(record["versions"].values())


def test_the_time_is_now_and_in_utc() -> None:
    started = datetime.fromisoformat(provenance(None, 0)["started"])
    assert abs((datetime.now(UTC) - started).total_seconds()) < 60


def test_no_user_host_or_absolute_path_is_kept() -> None:
    record = provenance("gpjepa train /secret/place/cells.h5ad --out=/secret/run -p A+B", 0)
    text = json.dumps(record)
    assert "secret" not in text
    assert platform.node() not in text
    assert getpass.getuser() not in text.split('"')
    assert record["command"] == "gpjepa train cells.h5ad --out=run -p A+B"


@pytest.mark.parametrize("command", ["gpjepa demo --out demo-run", "gpjepa predict run -p A+B"])
def test_commands_without_absolute_paths_stay_as_they_are(command: str) -> None:
    assert without_places(command) == command


def test_a_missing_package_has_no_version() -> None:
    assert package_version("no-such-package-at-all") is None


def test_the_commit_is_that_of_the_source_tree(tmp_path: Path) -> None:
    package = tmp_path / "src" / "gpjepa"
    package.mkdir(parents=True)
    (tmp_path / "pyproject.toml").touch()
    assert git_commit(package) is None
    git = ["git", "-C", str(tmp_path), "-c", "user.name=x", "-c", "user.email=x@example.org"]
    for arguments in (["init", "-q"], ["add", "."], ["commit", "-q", "-m", "first"]):
        subprocess.run([*git, *arguments], check=True)
    head = subprocess.run(
        [*git, "rev-parse", "HEAD"], check=True, capture_output=True, text=True
    ).stdout.strip()
    assert git_commit(package) == head


def test_a_repository_that_only_holds_the_installation_is_not_ours(tmp_path: Path) -> None:
    package = tmp_path / "lib" / "site-packages" / "gpjepa"
    package.mkdir(parents=True)
    (tmp_path / ".git").mkdir()
    (tmp_path / "pyproject.toml").touch()
    assert git_commit(package) is None
