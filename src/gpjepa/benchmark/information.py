"""Does an informative batch of doubles make a better model than a random one? Replayed on Norman.

A third of the doubles is the test and is never measured; ten others are known at the start.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from gpjepa.benchmark import norman_distances, norman_effects
from gpjepa.benchmark.rounds import NOISE, Pool, pool_of
from gpjepa.benchmark.scores import COLUMNS
from gpjepa.benchmark.task import MODEL, Headline, Part, Task
from gpjepa.compose.belief import Kernel, believe
from gpjepa.core.config import Config
from gpjepa.core.random import numpy_stream
from gpjepa.evaluation.effect_table import EffectTable
from gpjepa.model.composition import PairKernel
from gpjepa.planning.experiments import Belief, most_informative

if TYPE_CHECKING:
    from pandas import DataFrame

TEST, KNOWN = 1 / 3, 10  # share of the doubles that is tested, and doubles known at the start
BATCHES = (10, 20, 30)
DRAWS = 12  # random batches that are averaged
INFORMATIVE, RANDOM, LARGEST = MODEL, "random batch", "largest sums"
BEFORE, EVERY = "no batch", "all doubles measured"


def information_rows(table: EffectTable, seed: int, group: str) -> DataFrame:
    """Score batches by the error on the test doubles of a model that learned from them.

    The error is summed over doubles, relative to that of the sum of singles.
    """
    import pandas

    pool, rng = pool_of(table), numpy_stream(seed, "benchmark", "information")
    order, tested = rng.permutation(len(pool.labels)), round(TEST * len(pool.labels))
    test, known = order[:tested], order[tested : tested + KNOWN]
    rest = np.sort(order[tested + KNOWN :])
    before, every = (error(pool, rows, test) for rows in (known, np.append(known, rest)))
    rows = []
    for size in BATCHES:
        drawn = [rng.permutation(rest)[:size] for _ in range(DRAWS)]
        chosen = {
            INFORMATIVE: [informative(pool, known, rest, test, size)],
            LARGEST: [largest(pool, rest, size)],
            RANDOM: drawn,
        }
        found = {
            name: float(np.mean([error(pool, np.append(known, batch), test) for batch in batches]))
            for name, batches in chosen.items()
        }
        found |= {BEFORE: before, EVERY: every}
        for name, value in found.items():
            row = (group, f"error_after_{size}", name, value, before, every, len(test))
            rows.append(row)
    return pandas.DataFrame(rows, columns=list(COLUMNS))


def error(pool: Pool, measured: np.ndarray, test: np.ndarray) -> float:
    """Return the error on test doubles, relative to that of the sum, after measuring others."""
    belief, basis = _belief(pool, measured, test)
    truth = pool.effects[test]
    sums = pool.alone.sums([pool.labels[row] for row in test])
    off = np.linalg.norm(belief.mean @ basis - truth, axis=1).sum()
    return float(off / np.linalg.norm(sums - truth, axis=1).sum())


def informative(
    pool: Pool, measured: np.ndarray, rest: np.ndarray, test: np.ndarray, size: int
) -> np.ndarray:
    """Return the batch of `rest` that would tell most of all doubles not measured, tested ones too.

    Their effects are not looked at.
    """
    belief, _ = _belief(pool, measured, np.append(rest, test))
    return rest[most_informative(belief, size, np.arange(len(rest)))]


def largest(pool: Pool, rest: np.ndarray, size: int) -> np.ndarray:
    """Return the doubles whose members have the largest summed effect."""
    sums = np.linalg.norm(pool.alone.sums([pool.labels[row] for row in rest]), axis=1)
    return rest[np.argsort(-sums, kind="stable")[:size]]


def _belief(pool: Pool, measured: np.ndarray, asked: np.ndarray) -> tuple[Belief, np.ndarray]:
    kernel = Kernel(PairKernel(pool.unit).double().requires_grad_(False), NOISE)
    seen, labels = ([pool.labels[row] for row in rows] for rows in (measured, asked))
    belief, basis, _ = believe(pool.alone, seen, pool.effects[measured], labels, kernel)
    return belief, basis


def of_effects(config: Config, seed: int, device: str) -> DataFrame:
    """Replay the doubles of norman-effects."""
    return information_rows(norman_effects.load_table(), seed, "batches, norman-effects")


def of_distances(config: Config, seed: int, device: str) -> DataFrame:
    """Replay the doubles of norman-distances."""
    return information_rows(norman_distances.load_table(), seed, "batches, norman-distances")


INFORMATION = Task(
    "batches",
    "Norman 2019: the error on a third of the doubles after measuring a batch of the others",
    ("norman-effects", "norman-distances", "k562-baseline", "gene-sets"),
    (Part("batches, norman-effects", of_effects), Part("batches, norman-distances", of_distances)),
    tuple(
        Headline(f"batches, {name}", "error_after_10", "error ÷ sum's after 10 doubles ↓", 0.0)
        for name in ("norman-effects", "norman-distances")
    ),
)
