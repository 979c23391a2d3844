"""The true double recovered from its held-out effect among all pairs of the measured singles."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from gpjepa.benchmark import norman_distances, norman_effects
from gpjepa.benchmark.effect_tables import DOUBLES, compose, select
from gpjepa.benchmark.scores import COLUMNS
from gpjepa.benchmark.task import MODEL, Headline, Part, Task
from gpjepa.compose.recover import all_pairs, fit_recoverer
from gpjepa.core.config import Config
from gpjepa.core.random import numpy_stream
from gpjepa.data import schemes
from gpjepa.evaluation.baselines_simple import Additive, fit_scaled_additive
from gpjepa.evaluation.baselines_strong import fit_strong
from gpjepa.evaluation.effect_table import EffectTable
from gpjepa.planning.whitening import cosines

if TYPE_CHECKING:
    from pandas import DataFrame

TOP = 10
TABLE_UNIT = "gpjepa, fitted in the table's unit"


def recover_doubles(table: EffectTable, seed: int, group: str) -> DataFrame:
    """Hold out half of the doubles; find each by its effect among all pairs of the singles.

    Everyone's predicted effects and the held-out ones are whitened by the second moments of the
    training singles, and compared by their cosine.
    """
    rng = numpy_stream(seed, "benchmark", "doubles")
    draw = schemes.unseen_combination(table.labels, rng, DOUBLES)
    training = select(table, sorted((*draw.train, *draw.validation)))
    composer = compose(training, seed).composer
    recoverer = fit_recoverer(composer)
    pairs = all_pairs(composer.alone)
    where = {label: row for row, label in enumerate(pairs)}
    own = {
        MODEL: recoverer.effects(pairs),
        TABLE_UNIT: composer.stack.predict(composer.alone, pairs) @ recoverer.whiten,
    }
    rivals = (Additive(training), fit_scaled_additive(training), fit_strong(training, seed=seed))
    shown = own | {rule.name: rule.effects(pairs) @ recoverer.whiten for rule in rivals}
    truth = select(table, draw.test).effects @ recoverer.whiten
    return recovery_rows(group, shown, truth, np.array([where[label] for label in draw.test]))


def recovery_rows(
    group: str, shown: Mapping[str, np.ndarray], truth: np.ndarray, true: np.ndarray
) -> DataFrame:
    """Score every model's predictions [C, G] of C candidates on N held-out effects [N, G].

    `true` [N] are the rows of the right ones. Without knowledge every rank is as likely.
    """
    import pandas

    rows = []
    for name, predicted in shown.items():
        ranks = true_ranks(predicted, truth, true)
        floors = blind(len(predicted))
        for metric, value in summary(ranks).items():
            rows.append((group, metric, name, value, floors[metric], np.nan, len(truth)))
    for metric, value in floors.items():
        rows.append((group, metric, "no knowledge", value, value, np.nan, len(truth)))
    return pandas.DataFrame(rows, columns=list(COLUMNS))


def true_ranks(predicted: np.ndarray, truth: np.ndarray, true: np.ndarray) -> np.ndarray:
    """Return the rank of the right candidate of each effect [N], from 1; ties in the middle."""
    found = cosines(truth, predicted)
    own = found[np.arange(len(true)), true][:, None]
    return np.asarray((found > own).sum(axis=1) + ((found == own).sum(axis=1) + 1) / 2)


def summary(ranks: np.ndarray) -> dict[str, float]:
    """Return the shares at rank 1 and among the first ten, and the median rank."""
    return {
        "rank_1": float((ranks <= 1).mean()),
        f"top_{TOP}": float((ranks <= TOP).mean()),
        "median_rank": float(np.median(ranks)),
    }


def blind(candidates: int) -> dict[str, float]:
    """Return what ranks drawn evenly would score."""
    return {
        "rank_1": 1 / candidates,
        f"top_{TOP}": min(TOP / candidates, 1.0),
        "median_rank": (candidates + 1) / 2,
    }


def _score(name: str, config: Config, seed: int, device: str) -> DataFrame:
    load = {"norman-effects": norman_effects, "norman-distances": norman_distances}[name].load_table
    return recover_doubles(load(), seed, name)


def effects(config: Config, seed: int, device: str) -> DataFrame:
    """Recover half of the doubles of norman-effects."""
    return _score("norman-effects", config, seed, device)


def distances(config: Config, seed: int, device: str) -> DataFrame:
    """Recover half of the doubles of norman-distances."""
    return _score("norman-distances", config, seed, device)


RECOVERY = Task(
    "recovery",
    "Norman 2019, half of the doubles found by their effect among all pairs of measured singles",
    ("norman-effects", "norman-distances", "k562-baseline", "gene-sets"),
    (Part("norman-effects", effects), Part("norman-distances", distances)),
    tuple(
        Headline(group, metric, text, 1.0)
        for group in ("norman-effects", "norman-distances")
        for metric, text in (("rank_1", "true double first ↑"), (f"top_{TOP}", "in the first 10 ↑"))
    ),
)
