from __future__ import annotations

import json
from typing import Any

from gpjepa.cli import doctor
from gpjepa.cli.diagnosis import Finding


def test_a_whole_installation_exits_with_0(command: Any, monkeypatch: Any) -> None:
    monkeypatch.setattr(doctor, "diagnose", lambda *_: (Finding("disk", True, "fine"),))
    done = command("doctor", "--json")
    assert done.code == 0
    assert json.loads(done.out) == {
        "ok": True,
        "checks": [{"check": "disk", "ok": True, "found": "fine", "do": ""}],
    }


def test_a_fault_exits_with_1_and_says_what_to_do(command: Any, monkeypatch: Any) -> None:
    found = (Finding("disk", True, "fine"), Finding("torch", False, "absent", "pip install torch"))
    monkeypatch.setattr(doctor, "diagnose", lambda *_: found)
    done = command("doctor")
    assert done.code == 1
    assert "torch  no   absent  pip install torch" in done.out
