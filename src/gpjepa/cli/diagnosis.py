"""Checks of an installation: each says what was found and what to do."""

from __future__ import annotations

import os
import re
import sys
import tempfile
from dataclasses import dataclass
from importlib.metadata import requires
from pathlib import Path

from gpjepa.core.provenance import package_version


@dataclass(frozen=True)
class Finding:
    """One check: what was found, whether it will do, and what to do when it will not."""

    name: str
    ok: bool
    found: str
    do: str = ""  # empty where nothing is wrong


def _finding(name: str, ok: bool, found: str, remedy: str) -> Finding:
    return Finding(name, ok, found, "" if ok else remedy)


def diagnose(device: str, threads: int | None) -> tuple[Finding, ...]:
    """Return the findings on versions, threads, device, disk and embedded data, in that order."""
    return (
        _python(),
        *_packages(),
        _threads(threads),
        _device(device),
        _disk(Path.cwd()),
        _embedded_data(),
    )


def _python() -> Finding:
    found = ".".join(str(part) for part in sys.version_info[:3])
    return _finding("python", sys.version_info >= (3, 11), found, "install Python 3.11 or newer")


def _packages() -> list[Finding]:
    """Look up each package that gpjepa always needs; extras are left out."""
    findings = [Finding("gpjepa", True, package_version("gpjepa") or "not installed")]
    for line in requires("gpjepa") or []:
        if "extra ==" in line:
            continue
        name, wanted = _split_requirement(line)
        found = package_version(name)
        if found is None:
            findings.append(Finding(name, False, "not installed", f"pip install '{line}'"))
        elif _numbers(found) < _numbers(wanted):
            findings.append(Finding(name, False, found, f"pip install --upgrade '{line}'"))
        else:
            findings.append(Finding(name, True, found))
    return findings


def _split_requirement(line: str) -> tuple[str, str]:
    """Return the name and the least version of a requirement; "0" when it names none."""
    match = re.match(r"\s*([A-Za-z0-9._-]+)\s*(?:>=\s*([0-9.]+))?", line)
    assert match is not None, f"metadata hold no requirement in {line!r}"
    return match[1], match[2] or "0"


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", version.partition("+")[0])[:3])


def _threads(wanted: int | None) -> Finding:
    import torch

    cores = os.cpu_count() or 1
    used = wanted or torch.get_num_threads()
    advice = f"pass --threads {cores} at most: more threads than cores slow training down"
    return _finding("threads", used <= cores, f"{used} of {cores} cores", advice)


def _device(device: str) -> Finding:
    import torch

    if not torch.cuda.is_available():
        advice = "install a CUDA build of torch, or use --device cpu"
        return _finding("device", device != "cuda", "cpu (no CUDA device)", advice)
    if device == "cpu":
        return Finding("device", True, "cpu")
    return Finding("device", True, f"cuda ({torch.cuda.get_device_name()})")


def _disk(folder: Path) -> Finding:
    try:
        with tempfile.TemporaryFile(dir=folder) as stream:
            stream.write(b"\0" * 4096)
    except OSError as error:
        advice = "run where you may write, or free some space"
        return Finding("disk", False, f"no write here: {error.strerror}", advice)
    return Finding("disk", True, "this folder can be written")


def _embedded_data() -> Finding:
    from gpjepa.core.errors import DataError
    from gpjepa.data.resources import checked, manifest

    files = sorted({file for entry in manifest().values() for file in entry["files"]})
    damaged = []
    for file in files:
        try:
            checked(file)
        except DataError:
            damaged.append(file)
    found = f"damaged: {', '.join(damaged)}" if damaged else f"{len(files)} files intact"
    return _finding("embedded data", not damaged, found, "install gpjepa again")
