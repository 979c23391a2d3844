"""Next experiments of a fitted model: what to measure together, for the model or for a plan."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from scipy.linalg import block_diag

from gpjepa.api.estimates import judged
from gpjepa.api.goals import AnyGoal
from gpjepa.api.model import GPJEPA
from gpjepa.api.plan import Departure, known_data, prepared
from gpjepa.api.plan_settings import Search
from gpjepa.api.plan_setup import Setup
from gpjepa.api.plan_space import Constraints, Names, space_of
from gpjepa.api.populations import Start
from gpjepa.core.errors import ConfigError
from gpjepa.core.random import numpy_stream
from gpjepa.data.labels import members_of
from gpjepa.data.perturbseq import PerturbSeq
from gpjepa.inference.error_bars import error_bars
from gpjepa.model.effect_composition import EffectComposition
from gpjepa.planning.experiments import belief_of, most_informative, most_promising, told
from gpjepa.planning.sets import padded
from gpjepa.planning.space import Space

if TYPE_CHECKING:
    from anndata import AnnData
    from pandas import DataFrame

MOST = 1500  # candidates weighed at once: time grows with their square
NOISE = 0.25  # variance of a measurement relative to the mean error, where no double tells
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
    one); perturbations of the training, of `data` and `measured` are left out. `deviation` is the
    root mean squared error expected of each effect, `told` the share of all squared error that
    the measurement removes beyond those before it.

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
    deviation, noise = _errors(start, labels)
    belief = belief_of(_likeness(start, labels), deviation, noise)
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
    deviation, noise = _errors(start, labels)
    likeness = _likeness(start, labels)
    belief = belief_of(likeness, deviation, noise)
    slope = (bar / np.maximum(deviation, 1e-12))[:, None]
    rows = most_promising(belief, -energy, slope, n)
    shares = told(belief, rows)
    return _table(start, FOR_GOAL, labels, rows, deviation, shares, energy[rows], bar[rows])


def unmeasured(start: Start, space: Space, measured: Collection[str]) -> list[str]:
    """Return the genes and pairs of a space that were not measured and that the model places.

    Pairs are of genes measured alone; a gene counts that has an effect from its features only.
    Raises `ConfigError` for a model that composes nothing.
    """
    composition, vocabulary = _composition(start), start.bundle.vocabulary
    evidence = start.bundle.calibration.evidence
    known = {*measured, *(() if evidence is None else evidence.labels)}
    index = torch.tensor([vocabulary.index_of(name) for name in space.names])[:, None]
    placed = composition.places(index.to(composition.genes.device))[:, 0].cpu().numpy()
    alone = [
        name not in vocabulary.in_combination_only and vocabulary.is_measured(name)
        for name in space.names
    ]
    genes = [(row,) for row in range(len(placed)) if placed[row] and space.min_size == 1]
    found = np.flatnonzero(alone)
    pairs = [(int(a), int(b)) for at, a in enumerate(found) for b in found[at + 1 :]]
    sets = padded([*genes, *(pairs if space.max_size > 1 else [])], 2)
    labels = space.labels(sets[space.allows(sets)]) if len(sets) else []
    return [label for label in labels if label not in known]


def _errors(start: Start, labels: Sequence[str]) -> tuple[np.ndarray, float]:
    """Return the root mean squared error expected of each effect, and a measurement's variance."""
    bundle, composition = start.bundle, _composition(start)
    genes, names = composition.genes.cpu().numpy(), tuple(labels)
    members = torch.from_numpy(bundle.vocabulary.encode(names)).to(composition.genes.device)
    effects = np.zeros((len(names), bundle.model.decoder.genes))
    effects[:, genes] = composition.target(members).double().cpu().numpy()
    bars = error_bars(bundle.model, bundle.vocabulary, bundle.calibration, names, effects)
    deviation = np.sqrt((bars.deviation[:, genes] ** 2).mean(axis=1))
    evidence = bundle.calibration.evidence
    noise = 0.0 if evidence is None else float(evidence.doubles_noise[genes].mean())
    return deviation, noise if noise > 0 else NOISE * float((deviation**2).mean())


def _likeness(start: Start, labels: Sequence[str]) -> np.ndarray:
    """Return how the errors of labels covary, genes first and apart from pairs."""
    composition, vocabulary = _composition(start), start.bundle.vocabulary
    size = np.array([len(members_of(label)) for label in labels])
    order = np.argsort(size, kind="stable")
    single = [labels[row] for row in order[size[order] == 1]]
    pairs = [labels[row] for row in order[size[order] == 2]]
    blocks = []
    with torch.no_grad():
        if single:
            own = torch.from_numpy(vocabulary.encode(single)).to(composition.genes.device)
            blocks.append(composition.likeness(own[:, :1]).double().cpu().numpy())
        if pairs:
            own = torch.from_numpy(vocabulary.encode(pairs)).to(composition.genes.device)
            related = composition.relation(own)
            shared = _shared(pairs) if related is None else related.cpu().numpy()
            blocks.append(shared)
    whole = block_diag(*blocks)
    found = np.empty_like(whole)
    found[np.ix_(order, order)] = whole
    return found


def _shared(pairs: Sequence[str]) -> np.ndarray:
    """Return the share of members that pairs have in common, where no kernel was learned."""
    held = [set(members_of(label)) for label in pairs]
    return np.array([[len(one & other) / 2 for other in held] for one in held])


def _composition(start: Start) -> EffectComposition:
    composition = start.bundle.model.predictor.composition
    if composition is None:
        raise ConfigError(
            "the model composes no effects, so nothing tells how much one experiment says of "
            "another; expected predictor.form = 'composed'; train such a model"
        )
    return composition


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
