from __future__ import annotations

import sys
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

import pytest

from gpjepa.cli.options import Common, Roles, read_config
from gpjepa.core.errors import ConfigError


@pytest.mark.parametrize(
    ("terminal", "quiet", "progress"),
    [(True, False, True), (True, True, False), (False, False, False)],
)
def test_progress_is_drawn_on_a_terminal_only_and_never_when_quiet(
    monkeypatch: Any, terminal: bool, quiet: bool, progress: bool
) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: terminal, raising=False)
    assert Common(quiet=quiet).run_options().progress is progress


def test_roles_are_named_as_in_the_library() -> None:
    roles = Roles(perturbation="p", dose="d")
    assert asdict(roles.role_options()) == asdict(roles)
    assert len(fields(Roles)) == 8


def test_no_file_and_no_setting_is_the_default_configuration() -> None:
    from gpjepa import Config

    assert read_config(None, None) == Config()


def test_a_file_that_is_not_toml_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "c.toml"
    file.write_text("fit = [")
    with pytest.raises(ConfigError, match="cannot be read"):
        read_config(file, [])
