"""Compare our `gears` scheme with the simulation split of cell-gears on Norman's labels.

Needs a package index on first use (about 1 GB under .cache/benchmarks); runs for seconds after.
"""

from __future__ import annotations

import argparse
import json
import subprocess
from collections.abc import Sequence
from pathlib import Path

import gpjepa
from benchmarks.environments import ROOT, environment
from gpjepa.data.gears_split import gears
from gpjepa.data.labels import CONTROL, members_of

SEEDS = (1, 2, 3, 4, 5)
HERE = ROOT / "gears_split"
PARTS = (("train", "train"), ("validation", "val"), ("test", "test"))
Lists = dict[str, dict[str, list[str]]]


def norman_labels() -> dict[str, list[str]]:
    """Return the canonical perturbations of the embedded Norman sets."""
    effects = gpjepa.datasets.load("norman-effects").obs_names
    cells = gpjepa.read(gpjepa.datasets.load("norman-k562"), announce=False).perturbations
    return {
        "norman-effects": sorted({str(label) for label in effects} - {CONTROL}),
        "norman-k562": list(cells),
    }


def theirs(labels: Sequence[str], seeds: Sequence[int] = SEEDS) -> Lists:
    """Return what cell-gears draws for each seed, with canonical labels, sorted."""
    written = {
        label if len(members_of(label)) > 1 else f"{label}+ctrl": label for label in sorted(labels)
    }
    asked = json.dumps({"labels": list(written), "seeds": list(seeds)})
    python = environment("gears_split", HERE / "constraints.txt")
    done = subprocess.run(
        [str(python), str(HERE / "splitter.py")],
        input=asked, capture_output=True, text=True, check=True,
    )  # fmt: skip
    return {
        seed: {
            part: sorted(written[name] for name in names if name != "ctrl")
            for part, names in parts.items()
        }
        for seed, parts in json.loads(done.stdout).items()
    }


def same(labels: Sequence[str], seed: int, expected: dict[str, list[str]]) -> dict[str, bool]:
    """Tell for every part, and for the groups of the test set, whether the lists are equal."""
    draw = gears(labels, seed)
    found = {ours: list(getattr(draw, ours)) == expected[other] for ours, other in PARTS}
    for name, names in expected.items():
        if name.startswith("test "):
            group = name.removeprefix("test ")
            found[name] = sorted(x for x, y in draw.groups.items() if y == group) == names
    return found


def main(arguments: Sequence[str] | None = None) -> int:
    """Print one JSON document; return 1 when a list differs."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks gears-split", description=__doc__)
    parser.add_argument("--lists", type=Path, help="write the lists of cell-gears to this file")
    chosen = parser.parse_args(arguments)
    labels = norman_labels()
    lists = {name: theirs(own) for name, own in labels.items()}
    found = {
        name: {seed: same(labels[name], int(seed), parts) for seed, parts in drawn.items()}
        for name, drawn in lists.items()
    }
    equal = all(value for drawn in found.values() for parts in drawn.values()
                for value in parts.values())  # fmt: skip
    if chosen.lists is not None:
        chosen.lists.write_text(json.dumps(lists, indent=None, separators=(",", ":")) + "\n")
    print(json.dumps({"equal": equal, "data": found}, indent=1))
    return 0 if equal else 1
