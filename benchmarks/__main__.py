"""Run one benchmark by name; each but `table` prints one JSON document.

  speed        training and prediction, cells per second (the default; needs nothing else)
  scvi         training, embedding, decoding and sampling beside scVI (an environment of 1 GB)
  peers        training and prediction beside cell-gears, biolord, STATE, CellFlow (environments)
  loader       reading shuffled cells from disk beside reading the same blocks in order
  memory       peak memory of simulate, pretrain, train, embed at 10^5 and 10^6 cells on disk
  scaling      how the cost of each step grows with cells, genes and perturbations
  step         where the time of a training step goes
  ranks        two processes on two cores beside one process on one core
  table        the README's table of speed, from what the others printed (benchmarks/results)
  gears-split  our gears scheme against the splitter of cell-gears (an environment of 1 GB)
  cell-eval    accept, agree and cell-eval-speed below, one after the other
  accept       cell-eval2 reads what `gpjepa predict --format cell-eval` writes
  agree        the same formulas on the same inputs give the same numbers as cell-eval2
  eval-speed   gpjepa.evaluate beside cell-eval2 on the same files

The last four need a package index once, for an environment of 1 GB under .cache/benchmarks.
"""

from __future__ import annotations

import sys
from importlib import import_module

COMMANDS = {
    "speed": ("benchmarks.throughput",),
    "scvi": ("benchmarks.scvi.compare",),
    "peers": ("benchmarks.peers.compare",),
    "loader": ("benchmarks.loader.compare",),
    "memory": ("benchmarks.memory",),
    "scaling": ("benchmarks.scaling",),
    "step": ("benchmarks.step_profile",),
    "ranks": ("benchmarks.ranks",),
    "table": ("benchmarks.speed_table",),
    "gears-split": ("benchmarks.gears_split.compare",),
    "cell-eval": (
        "benchmarks.cell_eval.accept",
        "benchmarks.cell_eval.agree",
        "benchmarks.cell_eval.speed",
    ),
    "accept": ("benchmarks.cell_eval.accept",),
    "agree": ("benchmarks.cell_eval.agree",),
    "eval-speed": ("benchmarks.cell_eval.speed",),
}


def main(arguments: list[str]) -> int:
    """Run what the first argument names; options alone mean `speed`."""
    name, rest = "speed", arguments
    if arguments and not arguments[0].startswith("-"):
        name, rest = arguments[0], arguments[1:]
    elif arguments[:1] in (["-h"], ["--help"]):
        print(__doc__)
        return 0
    if name not in COMMANDS:
        print(f"no benchmark {name!r}; expected one of {', '.join(COMMANDS)}", file=sys.stderr)
        return 2
    return max(import_module(module).main(rest) for module in COMMANDS[name])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
