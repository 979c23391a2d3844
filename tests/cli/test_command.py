"""The installed command as a user meets it: real processes, nothing replaced."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest


def gpjepa(*arguments: object, **environment: str) -> subprocess.CompletedProcess[str]:
    program = Path(sys.executable).parent / "gpjepa"
    return subprocess.run(
        [str(program), *(str(argument) for argument in arguments)],
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
        timeout=120,
        check=False,
        env={"PATH": "", "OMP_NUM_THREADS": "1", **environment},
    )


def test_help_answers_quickly(capsys: pytest.CaptureFixture[str]) -> None:
    started = time.perf_counter()
    done = gpjepa("--help")
    seconds = time.perf_counter() - started
    with capsys.disabled():
        print(f" [gpjepa --help: {seconds:.2f} s] ", end="")
    assert done.returncode == 0
    assert seconds < 2


def test_an_unknown_verb_exits_with_2() -> None:
    done = gpjepa("trian")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("error: No such command 'trian'")


@pytest.mark.parametrize("content", [b"not an h5ad at all", b""])
def test_a_file_that_is_not_h5ad_exits_with_3(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "d.h5ad"
    file.write_bytes(content)
    done = gpjepa("check", file, "--json")
    assert done.returncode == 3, done.stderr
    assert json.loads(done.stdout)["error"]["type"] == "DataError"
    assert done.stderr.startswith("error: ")


def test_a_missing_run_exits_with_4(tmp_path: Path) -> None:
    done = gpjepa("info", tmp_path / "nothing", "--json")
    assert done.returncode == 4, done.stderr
    assert json.loads(done.stdout)["error"]["type"] == "CheckpointError"


def test_an_existing_output_exits_with_2_and_is_left_alone(tmp_path: Path) -> None:
    target = tmp_path / "out.h5ad"
    target.write_text("mine")
    done = gpjepa("data", "export", "norman-k562", "--out", target)
    assert done.returncode == 2, done.stderr
    assert target.read_text() == "mine"


def test_no_color_is_honoured() -> None:
    coloured = gpjepa("--help", FORCE_COLOR="1", TERM="xterm-256color")
    plain = gpjepa("--help", FORCE_COLOR="1", TERM="xterm-256color", NO_COLOR="1")
    colour = re.compile(r"\x1b\[(?:\d+;)*3\dm")
    assert colour.search(coloured.stdout)
    assert not colour.search(plain.stdout)
