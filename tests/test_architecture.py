"""The habits of the house that linters do not know, checked on the sources themselves."""

from __future__ import annotations

import ast
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import gpjepa

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "src" / "gpjepa"
SOURCES = sorted(PACKAGE.rglob("*.py"))
TEXTS = sorted(
    path
    for folder in ("src", "tests", "docs", "benchmarks")
    for path in (ROOT / folder).rglob("*")
    if path.suffix in {".py", ".md", ".html", ".js", ".css", ".toml"}
    and path != Path(__file__).resolve()
)
MOST_LINES_IN_A_FILE = 300
MOST_LINES_IN_A_FUNCTION = 50
LINES_THAT_NEED_A_TEST = 20


def name(path: Path) -> str:
    return str(path.relative_to(ROOT))


def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def test_no_source_file_is_longer_than_300_lines() -> None:
    lengths = {name(path): len(path.read_text().splitlines()) for path in SOURCES}
    assert {file: n for file, n in lengths.items() if n > MOST_LINES_IN_A_FILE} == {}


def test_no_function_is_longer_than_50_lines() -> None:
    lengths = {
        f"{name(path)}:{node.lineno} {node.name}": (node.end_lineno or 0) - node.lineno + 1
        for path in SOURCES
        for node in ast.walk(tree(path))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    }
    assert {which: n for which, n in lengths.items() if n > MOST_LINES_IN_A_FUNCTION} == {}


def test_every_source_file_has_its_test_file() -> None:
    missing = []
    for path in SOURCES:
        if path.name == "__init__.py":
            continue
        if len(path.read_text().splitlines()) <= LINES_THAT_NEED_A_TEST:
            continue
        mirror = ROOT / "tests" / path.relative_to(PACKAGE).with_name(f"test_{path.name}")
        if not mirror.is_file():
            missing.append(f"{name(path)} -> {name(mirror)}")
    assert missing == []


def _mutable(value: ast.expr | None) -> bool:
    makers = {"list", "dict", "set", "bytearray", "defaultdict", "deque", "Counter", "OrderedDict"}
    makers |= {"WeakKeyDictionary", "WeakValueDictionary", "WeakSet"}
    if isinstance(value, ast.Call):
        return isinstance(value.func, ast.Name) and value.func.id in makers
    literals = ast.List | ast.Dict | ast.Set | ast.ListComp | ast.DictComp | ast.SetComp
    return isinstance(value, literals)


def _read_only(node: ast.stmt) -> bool:
    """Tell whether a constant is declared as a type that mypy lets nobody change."""
    declared = ast.unparse(node.annotation) if isinstance(node, ast.AnnAssign) else ""
    return declared.startswith(("Mapping[", "Sequence[", "Collection["))


def _mutable_state(module: ast.Module) -> Iterator[str]:
    for node in module.body:
        if _read_only(node):
            continue
        targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
        names = [target.id for target in targets if isinstance(target, ast.Name)]
        if _mutable(getattr(node, "value", None)) and names != ["__all__"]:
            yield f"{node.lineno} {names}"
    for node in ast.walk(module):
        if isinstance(node, ast.Global):
            yield f"{node.lineno} global {node.names}"


def test_no_module_holds_mutable_state() -> None:
    found = [f"{name(path)}:{what}" for path in SOURCES for what in _mutable_state(tree(path))]
    assert found == []


def _unpickles(module: ast.Module) -> Iterator[int]:
    picklers = {"pickle", "cPickle", "dill", "cloudpickle", "joblib", "shelve", "marshal"}
    for node in ast.walk(module):
        match node:
            case ast.Import(names=names) if {n.name.split(".")[0] for n in names} & picklers:
                yield node.lineno
            case ast.ImportFrom(module=str(origin)) if origin.split(".")[0] in picklers:
                yield node.lineno
            case ast.Call(func=ast.Attribute(value=ast.Name(id="torch"), attr="load" | "save")):
                yield node.lineno
            case ast.keyword(arg="allow_pickle", value=ast.Constant(value=True)):
                yield node.value.lineno
            case ast.Attribute(attr="read_pickle" | "to_pickle"):
                yield node.lineno


def test_nothing_is_pickled_or_unpickled() -> None:
    assert [f"{name(path)}:{line}" for path in SOURCES for line in _unpickles(tree(path))] == []


@pytest.mark.parametrize(
    ("what", "pattern"),
    [
        ("a path of somebody's machine", r"(?<![\w.:/])/(?:home|root|work|Users|mnt|opt)/\w"),
        ("a path out of the repository", r"\.\./(?:\.\./)*shared\b"),
        ("a marker of unfinished work", r"\b(?:TODO|FIXME|XXX|HACK)\b|NotImplementedError"),
    ],
)
def test_no_text_holds(what: str, pattern: str) -> None:
    found = [
        f"{name(path)}:{number}: {what}"
        for path in TEXTS
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
        if re.search(pattern, line)
    ]
    assert found == []


_IMPORT_EVERYTHING = """
import importlib, json, pkgutil, random, sys
import numpy as np, torch
before = (random.getstate(), np.random.get_state()[1].tolist(), torch.random.get_rng_state())
deterministic = torch.are_deterministic_algorithms_enabled()
import gpjepa
for module in pkgutil.walk_packages(gpjepa.__path__, "gpjepa."):
    if not module.name.endswith("__main__"):
        importlib.import_module(module.name)
assert random.getstate() == before[0], "random"
assert np.random.get_state()[1].tolist() == before[1], "numpy"
assert torch.equal(torch.random.get_rng_state(), before[2]), "torch"
assert torch.are_deterministic_algorithms_enabled() == deterministic
assert torch.get_default_dtype() == torch.float32
"""


def _python(code: str, folder: Path) -> subprocess.CompletedProcess[str]:
    environment = {
        **os.environ,
        "HOME": str(folder),
        "XDG_CACHE_HOME": str(folder / "cache"),
        "MPLCONFIGDIR": str(folder / "mpl"),
        "NUMBA_CACHE_DIR": str(folder / "numba"),
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONPATH": str(ROOT / "src"),
    }
    return subprocess.run(
        [sys.executable, "-c", code],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def test_importing_takes_no_seed_and_writes_no_file(tmp_path: Path) -> None:
    done = _python(_IMPORT_EVERYTHING, tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout == ""
    assert [path.name for path in tmp_path.rglob("*") if path.is_file()] == []


def test_importing_the_package_loads_no_heavy_library(tmp_path: Path) -> None:
    code = "import gpjepa, gpjepa.cli.main, json, sys; print(json.dumps(sorted(sys.modules)))"
    loaded = set(json.loads(_python(code, tmp_path).stdout))
    assert loaded & {"torch", "numpy", "pandas", "anndata", "scanpy", "matplotlib"} == set()


def test_every_public_name_loads_and_is_listed() -> None:
    assert set(gpjepa.__all__) <= set(dir(gpjepa))
    for public in dir(gpjepa):
        assert getattr(gpjepa, public) is not None


def test_a_name_that_is_not_public_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'no_such_name'"):
        gpjepa.no_such_name  # noqa: B018
