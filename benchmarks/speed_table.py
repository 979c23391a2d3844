"""The README's table of speed, in Markdown, from the documents under benchmarks/results.

One thread and CPU time throughout; what is slower than another program is in it too.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from gpjepa.core.files import read_json

RESULTS = Path(__file__).resolve().parent / "results"
ONE = "1 threads"
SCVI = (
    ("stage A training", "training, Stage A"),
    ("stages B and C training", "training, Stages B and C"),
    ("embed", "embedding cells"),
    ("decode means", "decoding means"),
    ("sample counts", "sampling counts"),
)
PEERS = (
    ("gears", "cell-gears", "means"),
    ("biolord", "biolord", "means"),
    ("state", "STATE", "log-normalised genes"),
    ("cellflow", "CellFlow", "50 components"),
)
LOADERS = (
    ("blocks", "the same blocks in order by h5py"),
    ("scdataset-256", "scDataset, block 256"),
    ("scdataset-1", "scDataset, block 1"),
    ("annloader", "AnnLoader"),
)
Row = tuple[str, str, float, float]  # what, beside what, cells/s of both


def document(name: str) -> dict[str, Any]:
    """Return what a benchmark printed."""
    found: dict[str, Any] = read_json(RESULTS / f"{name}.json")
    return found


def rows() -> Iterator[Row]:
    """Yield the lines of the table."""
    scvi = document("scvi")["speed"][ONE]
    for name, title in SCVI:
        told = scvi[name]["cpu"]
        yield title, "scVI", told["gpjepa"], told["scvi"]
    peers = document("peers")["peers"]
    for name, title, _ in PEERS:
        told, batch = peers[name][ONE]["speed"]["train"]["cpu"], peers[name][ONE]["facts"]["batch"]
        what = f"training, Stages B and C, batch {batch:,}"
        yield what, title, told["gpjepa"], told["peer"]
    for name, title, kind in PEERS:
        told = peers[name][ONE]["speed"]["predict"]["cpu"]
        yield "predicting populations of counts", f"{title}, {kind}", told["gpjepa"], told["peer"]
    loaders = document("loader")["cells_per_second"]
    for name, title in LOADERS:
        yield "shuffled batches from disk", title, loaders["ours"]["cpu"], loaders[name]["cpu"]


def markdown() -> str:
    """Return the table and what it was measured on."""
    lines = ["| cells/s | beside | gpjepa | the other | ratio |", "| --- | --- | --- | --- | --- |"]
    for what, other, ours, theirs in rows():
        ratio = ours / theirs
        told = f"{ratio:.0f}" if ratio >= 100 else f"{ratio:.2g}"
        lines.append(f"| {what} | {other} | {_rate(ours)} | {_rate(theirs)} | {told} |")
    memory = document("memory")["memory"]["1000000"]
    peaks = ", ".join(f"{verb} {memory[verb]['peak_gb']:.1f}" for verb in ("pretrain", "train"))
    machine = document("scvi")["machine"]
    return "\n".join(
        [
            *lines,
            "",
            f"Peak memory with 10⁶ × 5,000 counts on disk, GB: {peaks}, embed "
            f"{memory['embed']['peak_gb']:.1f}. {machine['processor']}, one of "
            f"{machine['cores']} cores.",
        ]
    )


def _rate(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the table."""
    print(markdown())
    return 0
