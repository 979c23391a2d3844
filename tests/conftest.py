"""What all tests share."""

from __future__ import annotations

import pytest


@pytest.fixture(autouse=True)
def plain_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Figures need no screen, and no setting of the developer's changes what is printed."""
    monkeypatch.setenv("MPLBACKEND", "Agg")
    for name in ("GPJEPA_DEBUG", "NO_COLOR", "FORCE_COLOR"):
        monkeypatch.delenv(name, raising=False)
