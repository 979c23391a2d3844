"""Next experiments of a fitted model: what to measure together, for the model or for a plan."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from math import comb
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from gpjepa.api.estimates import judged
from gpjepa.api.goals import AnyGoal
from gpjepa.api.model import GPJEPA
from gpjepa.api.plan import Departure, known_data, prepared
from gpjepa.api.plan_doubt import believed, placed
from gpjepa.api.plan_settings import Search
from gpjepa.api.plan_setup import Setup
from gpjepa.api.plan_space import Constraints, Names, space_of
from gpjepa.api.populations import Start
from gpjepa.core.random import numpy_stream
from gpjepa.data.labels import members_of
from gpjepa.data.perturbseq import PerturbSeq
from gpjepa.planning.experiments import most_informative, most_promising, told
from gpjepa.planning.sets import padded
from gpjepa.planning.space import Space

if TYPE_CHECKING:
    from anndata import AnnData
    from pandas import DataFrame

MOST = 1500  # candidates weighed at once: time grows with their square
PAIRS = 200_000  # of measured genes and others up to which both are paired
FOR_MODEL, FOR_GOAL = "model", "goal"
COLUMNS = ("rank", "purpose", "perturbation", "members", "deviation", "told", "energy",
           "energy_sd", "novelty", "verdict")  # fmt: skip


# fmt: off
def next_experiments(
    model: GPJEPA, n: int, goal: AnyGoal | None = None,
    candidates: Sequence[str] | str | None = None, seed: int = 0,
    *,
    forbidden: Sequence[str] | str = (), measured: Collection[str] = (),
    start: AnnData | None = None, energy: str = "auto", cells: int = 256,
    context: str | None = None, dose: float | None = None, modality: str | None = None,
    data: PerturbSeq | AnnData | Path | str | None = None,
) -> DataFrame:
    """Choose `n` unmeasured perturbations whose measurement together is worth most.

    Without a goal those that would tell most of all candidates: error bars say how much is not
    known of each, the composition's kernels how much one tells of another. With a goal those that
    may come nearest to it. Candidates are all pairs of `candidates`, the genes measured alone for
    None, and those among them that were never perturbed but have features ("all" takes every
    one); perturbations of the training, of `data` and `measured` are left out. A gene never
    perturbed tells of the pairs with it, and they of it. `deviation` is the root mean squared
    error expected of each effect, `told` the share of all squared error that the measurement
    removes beyond those before it.

    Raises `ConfigError` for a model that composes no effects or fewer candidates than `n`, and
    what `virtual_screen_perturbations` does.
    """
    asked = Constraints(2, 1, candidates, forbidden)
    held = known_data(model, data)
    known = {*measured, *(() if held is None else held.perturbations)}
    if goal is not None:
        place = Departure(start, context, dose, modality)
        chosen = Search(energy=energy, cells=cells, seed=seed)
        setup = prepared(model, goal, place, asked, chosen, held)
        return next_for_goal(setup, n, known)
    here = Start(model.bundle, model.controls, dose, modality)
    space = space_of(asked, Names(model.bundle.vocabulary, modality))
    return next_for_model(here, space, n, known, seed)
# fmt: on


def next_for_model(
    start: Start, space: Space, n: int, measured: Collection[str], seed: int
) -> DataFrame:
    """Return the batch that would tell most of all unmeasured candidates of a space."""
    labels = unmeasured(start, space, measured)
    if len(labels) > MOST:
        rows = numpy_stream(seed, "next experiments").choice(len(labels), MOST, replace=False)
        labels = [labels[row] for row in np.sort(rows)]
    belief, deviation = believed(start, labels)
    rows = most_informative(belief, n)
    nothing = np.full(n, np.nan)
    return _table(start, FOR_MODEL, labels, rows, deviation, told(belief, rows), nothing, nothing)


def next_for_goal(setup: Setup, n: int, measured: Collection[str]) -> DataFrame:
    """Return the batch of a plan's candidates that may come nearest to its goal.

    Worth is minus the energy of the mean state, doubt its error bar; the next ones are chosen as
    if those before were measured.
    """
    start, space = setup.start, setup.space
    labels = unmeasured(start, space, measured)
    at = {name: row for row, name in enumerate(space.names)}
    sets = padded([[at[name] for name in members_of(label)] for label in labels], 2)
    energy = setup.mean(sets).energy
    rows = np.argsort(energy, kind="stable")[:MOST]
    labels, sets, energy = [labels[row] for row in rows], sets[rows], energy[rows]
    bar = setup.mean.error_bar(sets)
    belief, deviation = believed(start, labels)
    slope = (bar / np.maximum(deviation, 1e-12))[:, None]
    rows = most_promising(belief, -energy, slope, n)
    shares = told(belief, rows)
    return _table(start, FOR_GOAL, labels, rows, deviation, shares, energy[rows], bar[rows])


def unmeasured(start: Start, space: Space, measured: Collection[str]) -> list[str]:
    """Return the genes and pairs of a space that were not measured and that the model places.

    A gene counts that has an effect from its features only, and a pair of genes measured alone or
    of such; where there are more than 200,000 pairs, of genes measured alone only. Raises
    `ConfigError` for a model that composes nothing.
    """
    vocabulary, novel = start.bundle.vocabulary, placed(start, space.names)
    evidence = start.bundle.calibration.evidence
    known = {*measured, *(() if evidence is None else evidence.labels)}
    alone = [
        name not in vocabulary.in_combination_only and vocabulary.is_measured(name)
        for name in space.names
    ]
    genes = [(row,) for row in range(len(novel)) if novel[row] and space.min_size == 1]
    found = np.flatnonzero(alone | novel)
    found = found if comb(len(found), 2) <= PAIRS else np.flatnonzero(alone)
    pairs = [(int(a), int(b)) for at, a in enumerate(found) for b in found[at + 1 :]]
    sets = padded([*genes, *(pairs if space.max_size > 1 else [])], 2)
    labels = space.labels(sets[space.allows(sets)]) if len(sets) else []
    return [label for label in labels if label not in known]


def _table(
    start: Start,
    purpose: str,
    labels: Sequence[str],
    rows: np.ndarray,
    deviation: np.ndarray,
    shares: np.ndarray,
    energy: np.ndarray,
    bar: np.ndarray,
) -> DataFrame:
    import pandas

    names = [labels[row] for row in rows]
    novelty, verdicts = judged(start, names)
    values = (
        np.arange(1, len(names) + 1), purpose, names, [len(members_of(name)) for name in names],
        deviation[rows], shares, energy, bar, novelty, verdicts,
    )  # fmt: skip
    return pandas.DataFrame(dict(zip(COLUMNS, values, strict=True)), columns=list(COLUMNS))
