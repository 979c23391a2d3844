"""Tables of peers: medians of rates and of ratios, reaches, and processes that take turns."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from benchmarks.environments import ROOT
from benchmarks.peers.compare import PEERS, Peer, Turn, Worker, figure, reached, table

PROGRAM = """
import os, sys
from benchmarks.peers.turns import serve

class Program:
    def __init__(self, file, folder, threads):
        print("a program that talks")
        os.system("echo as its children do")
        self.facts = {"file": file, "threads": os.environ["OMP_NUM_THREADS"]}
        self.turns = 0

    def train(self, batch):
        self.turns += 1
        if self.turns == 3:
            raise RuntimeError("out of cells")
        return {"wall": self.turns, "cpu": batch}

    def predict(self):
        return {"wall": 1.0, "cpu": 1.0}

serve(Program)
"""


def turn(train: float, predict: float) -> Turn:
    return {
        "train": {"wall": train, "cpu": train / 2},
        "predict": {"wall": predict, "cpu": predict / 2},
    }


def test_the_ratio_is_the_median_of_the_rounds_not_the_ratio_of_medians() -> None:
    rounds = [(turn(10, 1), turn(1, 1)), (turn(20, 1), turn(10, 1)), (turn(90, 1), turn(30, 1))]
    found = table(rounds)["train"]["wall"]
    assert found == {"gpjepa": 20.0, "peer": 10.0, "ratio": 3.0}


def test_a_reach_is_judged_by_cpu_time_and_left_out_where_none_is_set() -> None:
    found = table([(turn(40, 5), turn(10, 1))])
    assert reached(found, Peer("", "", 1, 4.0, None)) == {"train": {"reach": 4.0, "met": True}}
    assert reached(found, Peer("", "", 1, 4.5, 5.0)) == {
        "train": {"reach": 4.5, "met": False},
        "predict": {"reach": 5.0, "met": True},
    }


def test_figures_have_three_digits() -> None:
    assert [figure(x) for x in (13.8765, 12345.0, 0.0012345)] == [13.9, 12300.0, 0.00123]


@pytest.mark.parametrize("name", PEERS)
def test_every_peer_has_a_worker_and_a_pinned_environment(name: str) -> None:
    peer = PEERS[name]
    assert (ROOT.parent / (peer.worker.replace(".", "/") + ".py")).is_file()
    pins = (ROOT / peer.environment / "constraints.txt").read_text().splitlines()
    wanted = (ROOT / peer.environment / "requirements.txt").read_text().splitlines()
    pinned = {line.partition("==")[0].lower() for line in pins}
    assert {line.partition("==")[0].lower() for line in wanted} <= pinned
    assert "torch==2.13.0" in pins


def test_a_worker_takes_turns_and_its_end_is_told_with_what_it_said(tmp_path: Path) -> None:
    script = tmp_path / "program.py"
    script.write_text(PROGRAM)
    command = [sys.executable, str(script), "cells.h5ad", str(tmp_path), "1"]
    with Worker(command, 1) as worker:
        assert worker.facts == {"file": "cells.h5ad", "threads": "1"}
        assert worker.turn(32)["train"] == {"wall": 1, "cpu": 32}
        assert worker.turn(128)["train"] == {"wall": 2, "cpu": 128}
        with pytest.raises(SystemExit, match="out of cells"):
            worker.turn(32)
