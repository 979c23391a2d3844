from __future__ import annotations

from pathlib import Path
from typing import Any

from gpjepa.cli import diagnosis
from gpjepa.cli.diagnosis import diagnose


def by_name(findings: Any) -> dict[str, diagnosis.Finding]:
    return {finding.name: finding for finding in findings}


def test_this_installation_is_found_whole() -> None:
    findings = by_name(diagnose("auto", None))
    assert [finding for finding in findings.values() if not finding.ok] == []
    assert {"python", "torch", "anndata", "device", "disk", "embedded data"} <= set(findings)
    assert "cell-eval2" not in findings


def test_a_missing_and_an_old_package_are_named_with_the_remedy(monkeypatch: Any) -> None:
    real = diagnosis.package_version
    versions = {"torch": "2.4.9+cpu", "scipy": None, "anndata": "0.12.0"}
    monkeypatch.setattr(
        diagnosis,
        "package_version",
        lambda name: versions[name] if name in versions else real(name),
    )
    findings = by_name(diagnose("auto", None))
    assert not findings["torch"].ok
    assert findings["torch"].do == "pip install --upgrade 'torch>=2.5'"
    assert (findings["scipy"].ok, findings["scipy"].found) == (False, "not installed")
    assert findings["anndata"].ok


def test_asking_for_an_absent_gpu_is_a_finding(monkeypatch: Any) -> None:
    import torch

    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert not by_name(diagnose("cuda", None))["device"].ok
    assert by_name(diagnose("auto", None))["device"].ok


def test_more_threads_than_cores_is_a_finding() -> None:
    assert not by_name(diagnose("auto", 100_000))["threads"].ok


def test_a_damaged_embedded_file_is_named(monkeypatch: Any) -> None:
    from gpjepa.core.errors import DataError
    from gpjepa.data import resources

    real = resources.checked

    def checked(file: str) -> Path:
        if file == "hallmark.gmt.gz":
            raise DataError("damaged")
        return real(file)

    monkeypatch.setattr(resources, "checked", checked)
    finding = by_name(diagnose("auto", None))["embedded data"]
    assert (finding.ok, finding.found) == (False, "damaged: hallmark.gmt.gz")


def test_a_folder_that_cannot_be_written_is_a_finding(monkeypatch: Any) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(diagnosis.tempfile, "TemporaryFile", refuse)
    finding = by_name(diagnose("auto", None))["disk"]
    assert (finding.ok, finding.found) == (False, "no write here: No space left on device")


def test_versions_compare_as_numbers() -> None:
    assert diagnosis._numbers("2.13.0+cpu") > diagnosis._numbers("2.5")
