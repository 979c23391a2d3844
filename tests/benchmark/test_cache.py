from __future__ import annotations

from pathlib import Path

import pytest

from gpjepa.benchmark import cache
from gpjepa.benchmark.cache import Cache, data_digest, default_folder, key_of, source_digests


@pytest.fixture
def package(tmp_path: Path) -> Path:
    folder = tmp_path / "pack"
    (folder / "part").mkdir(parents=True)
    texts = {
        "__init__.py": "",
        "start.py": "from pack.part import used\nimport os\n",
        "part/__init__.py": "",
        "part/used.py": "def f():\n    from pack import late\n    return late\n",
        "late.py": "x = 1\n",
        "apart.py": "y = 1\n",
    }
    for name, text in texts.items():
        (folder / name).write_text(text)
    return folder


def digest(package: Path) -> str:
    return source_digests(["pack.start"], package)["pack.start"]


@pytest.mark.parametrize("file", ["start.py", "part/used.py", "late.py"])
def test_a_change_in_what_is_imported_even_late_changes_the_digest(
    package: Path, file: str
) -> None:
    before = digest(package)
    (package / file).write_text((package / file).read_text() + "z = 1\n")
    assert digest(package) != before


def test_a_change_elsewhere_leaves_the_digest(package: Path) -> None:
    before = digest(package)
    (package / "apart.py").write_text("y = 2\n")
    assert digest(package) == before


def test_each_benchmark_depends_on_its_own_sources_only() -> None:
    names = [f"gpjepa.benchmark.{name}" for name in ("norman_effects", "norman_distances")]
    together = source_digests(names)
    assert len(set(together.values())) == 2
    assert source_digests(names[1:])[names[1]] == together[names[1]]


def test_keys_differ_by_everything_that_a_result_depends_on(monkeypatch) -> None:
    keys = {
        key_of("s", "d", "doubles", 0),
        key_of("t", "d", "doubles", 0),
        key_of("s", "e", "doubles", 0),
        key_of("s", "d", "genes", 0),
        key_of("s", "d", "doubles", 1),
    }
    assert len(keys) == 5
    before = key_of("s", "d", "doubles", 0)
    monkeypatch.setattr(cache, "package_version", lambda name: "0")
    assert key_of("s", "d", "doubles", 0) != before


def test_data_are_known_by_their_recorded_contents() -> None:
    assert data_digest(["norman-k562"]) != data_digest(["kang-pbmc"])
    assert data_digest(["norman-k562"]) == data_digest(["norman-k562"])


def test_a_kept_document_is_returned_and_a_damaged_one_is_as_if_there_were_none(tmp_path) -> None:
    kept = Cache(tmp_path / "deep")
    assert kept.get("k") is None
    kept.put("k", {"rows": [1]})
    assert kept.get("k") == {"rows": [1]}
    (tmp_path / "deep" / "k.json").write_text("{")
    assert kept.get("k") is None


def test_results_are_kept_in_the_cache_of_the_user(monkeypatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert default_folder() == tmp_path / "gpjepa" / "benchmarks"
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert default_folder() == Path.home() / ".cache" / "gpjepa" / "benchmarks"
