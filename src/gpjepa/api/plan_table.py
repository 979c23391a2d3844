"""The sets that a search found, as a table: energies with errors, and how far to believe them."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy.stats import norm

from gpjepa.api.answers import effect_matrix
from gpjepa.api.estimates import Estimates, estimate
from gpjepa.api.plan_additive import AdditiveObjective
from gpjepa.api.plan_setup import Setup
from gpjepa.core.errors import NumericError
from gpjepa.inference.judgement import nearest_measured
from gpjepa.planning.numbers import numbers
from gpjepa.planning.objective import Scores
from gpjepa.planning.sets import keys, sizes

if TYPE_CHECKING:
    from pandas import DataFrame

EFFECT_CELLS = 128  # control cells that the effects behind verdicts are averaged over
COLUMNS = (
    "rank", "set", "size", "energy", "energy_se", "as_good", "low", "high", "closed",
    "additive_energy", "interaction", "novelty", "nearest", "verdict", "source", "measured",
    "model_sd", "energy_searched", "scored",
)  # fmt: skip


@dataclass(frozen=True, eq=False)
class Shortlist:
    """Sets [N, K] best first, their scores without terms, and those of the search.

    `distance` is the energy of the control cells, `scored` how the scores were made.
    """

    sets: np.ndarray
    scores: Scores
    searched: np.ndarray
    distance: float
    scored: str


def diverse(sets: np.ndarray, most: int, share: int | None) -> np.ndarray:
    """Return the rows of up to `most` sets [N, K], best first, of which `share` have a gene.

    At most `share` of them have any one gene in common; None is no limit.
    """
    if share is None:
        return np.arange(min(most, len(sets)))
    used: dict[int, int] = {}
    rows: list[int] = []
    for row, members in enumerate(keys(sets)):
        if len(rows) == most:
            break
        if all(used.get(member, 0) < share for member in members):
            rows.append(row)
            used.update({member: used.get(member, 0) + 1 for member in members})
    return np.array(rows, dtype=np.int64)


def table_of(setup: Setup, found: Shortlist, measured: Collection[str] | None) -> DataFrame:
    """Return a row for each set of the shortlist; `measured` None where it is not known.

    `as_good` tells whether the energy is within the standard error of its difference from the
    first set's, both on the same cells and noise. `low` and `high` hold the energy with both
    errors, that of the control cells and latents and the model's own, at the level of the search.
    """
    import pandas

    labels = setup.space.labels(found.sets)
    told = judged(setup, labels)
    energy, error = found.scores.energy, found.scores.error
    doubt = setup.population.error_bar(found.sets)
    half = norm.ppf(0.5 + setup.search.level / 2) * np.hypot(error, doubt)
    lowest = -np.inf if setup.one_way else 0.0
    interaction = beyond_sum(setup, found.sets)
    closed = 1 - energy / found.distance if found.distance > 0 else np.full(len(energy), np.nan)
    table = pandas.DataFrame(
        {
            "rank": np.arange(1, len(labels) + 1),
            "set": labels,
            "size": sizes(found.sets),
            "energy": energy,
            "energy_se": error,
            "as_good": as_good(energy, setup.population.influence(found.sets)),
            "low": np.maximum(energy - half, lowest),
            "high": energy + half,
            "closed": closed,
            "additive_energy": energy - interaction,
            "interaction": interaction,
            "novelty": told.novelty,
            "nearest": _nearest(setup, labels),
            "verdict": told.verdicts,
            "source": told.sources,
            "measured": [None if measured is None else label in measured for label in labels],
            "model_sd": doubt,
            "energy_searched": found.searched,
            "scored": found.scored,
        },
        columns=list(COLUMNS),
    )
    if setup.space.cost is not None:
        table["cost"] = setup.space.totals(found.sets)
    return table


def as_good(energy: np.ndarray, influence: np.ndarray) -> np.ndarray:
    """Tell which energies [N] are no further above the first than the error of the difference.

    `influence` [N, C] is that of each control cell on each energy; cells are common to all.
    """
    apart = influence - influence[:1]
    error = apart.std(axis=1, ddof=1) / np.sqrt(apart.shape[1])
    return np.asarray(energy - energy[0] <= error)


def judged(setup: Setup, labels: Sequence[str]) -> Estimates:
    """Return effects, error bars, novelty and verdicts of sets, as `effects` tells them."""
    start, seed = setup.start, setup.search.seed
    return estimate(start, labels, effect_matrix(start, labels, seed, EFFECT_CELLS))


def beyond_sum(setup: Setup, sets: np.ndarray) -> np.ndarray:
    """Return the energy of populations minus that of the sum of the members' own shifts [N].

    Below 0 members together come nearer the goal than their sum would. Cells are those of the
    set, moved as one to the mean of the sum.
    """
    moved = AdditiveObjective(setup.mean).latents(sets) - setup.mean.latents(sets)
    cells = setup.population.cells(sets)
    whole = setup.population.energy(cells).energy
    summed = setup.population.energy(cells + moved[:, None]).energy
    return numbers(whole - summed)


def require_finite(scores: Scores, labels: Sequence[str]) -> np.ndarray:
    """Mark the sets whose energy is finite; raise `NumericError` where none is."""
    sound = np.isfinite(scores.energy) & np.isfinite(scores.error)
    if not sound.any():
        raise NumericError(
            f"the energy of all {len(labels)} sets is not finite ({', '.join(labels[:5])}); "
            "expected finite energies; check the goal and the model with `gpjepa evaluate`"
        )
    return np.asarray(sound)


def _nearest(setup: Setup, labels: Sequence[str]) -> list[str]:
    """Return the training perturbation that shares most with each set."""
    bundle = setup.start.bundle
    evidence = bundle.calibration.evidence
    known = bundle.vocabulary.members[: bundle.vocabulary.measured]
    trained = known if evidence is None else evidence.labels
    return [nearest_measured(trained, label) for label in labels]
