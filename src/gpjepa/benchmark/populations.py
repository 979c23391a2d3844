"""populations: how like the observed cells predicted ones are, from control to replicate."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from gpjepa.api.model import GPJEPA
from gpjepa.benchmark import norman_k562, papalexi_thp1, semi_synthetic
from gpjepa.benchmark.held_out import listed_split, trained, with_intercept
from gpjepa.benchmark.scores import COLUMNS, EACH
from gpjepa.benchmark.task import MODEL, Headline, Part, Task
from gpjepa.core.config import Config
from gpjepa.core.random import numpy_stream
from gpjepa.data.labels import members_of
from gpjepa.data.partition import Split
from gpjepa.data.perturbseq import PerturbSeq, read
from gpjepa.data.simulator import simulate
from gpjepa.evaluation.bounds import Bounds, make_bounds, replicates, skill
from gpjepa.evaluation.cell_scores import CellHalves, cell_halves, score_populations
from gpjepa.evaluation.contenders import (
    Contender,
    baseline_contenders,
    cell_numbers,
    model_contender,
)
from gpjepa.evaluation.generative import GENERATIVE_METRICS, responders
from gpjepa.evaluation.pair import EvaluationPair, make_pair
from gpjepa.evaluation.population_skill import JUDGED
from gpjepa.evaluation.split_baselines import baselines

if TYPE_CHECKING:
    from pandas import DataFrame

NAMES = tuple(metric.name for metric in GENERATIVE_METRICS)
FLOOR = "no change"
SPLITS = 6  # of the observed cells into a half that is the truth and one that is the replicate
DRAWS = 2  # of everybody's cells, whose scores are averaged
CELLS = 400  # predicted of each perturbation
SEEN, OBSERVED = 20, 200  # simulated cells of a perturbation that trains, and of one held out
MOST = 20  # simulated doubles that are scored


@dataclass(frozen=True, eq=False)
class Scores:
    """Scores [M, P] of every model, with the bounds between which they lie."""

    perturbations: tuple[str, ...]
    values: dict[str, np.ndarray]
    bounds: Bounds
    responds: np.ndarray


def left_out(config: Config, seed: int, device: str) -> DataFrame:
    """Score knockouts of papalexi-thp1 that are left out one at a time, a third a seed."""
    import pandas

    data = papalexi_thp1.load()
    third = papalexi_thp1.RESPONDING[seed % len(papalexi_thp1.RESPONDING)]
    encoder = papalexi_thp1.encoder_without(data, third, config, seed, device)
    frames = []
    for target in third:
        split = listed_split(data, (target,), seed)
        model = trained(data, split, config, seed, device, encoder=encoder)
        frames.append(population_rows(model, data, split, (target,), "targets left out", seed))
    return pooled(pandas.concat(frames, ignore_index=True))


def recovered(config: Config, seed: int, device: str) -> DataFrame:
    """Score strong knockouts of papalexi-thp1 with nothing held out."""
    data = papalexi_thp1.load()
    split = data.split("none", seed=seed)
    model = trained(data, split, config, seed, device)
    return population_rows(model, data, split, papalexi_thp1.STRONG, "targets recovered", seed)


def doubles(config: Config, seed: int, device: str) -> DataFrame:
    """Score the held-out doubles of norman-k562."""
    data, split = norman_k562.screen(seed)
    held = [label for label in split.test if len(members_of(label)) > 1]
    model = trained(data, split, config, seed, device)
    return population_rows(model, data, split, held, "norman-k562 doubles", seed)


def simulated_doubles(config: Config, seed: int, device: str) -> DataFrame:
    """Score held-out doubles of semi-synthetic cells, as many as distances can be told from."""
    data, split = simulated_screen(seed)
    model = trained(data, split, config, seed, device)
    some = numpy_stream(seed, "populations", "doubles").permutation(sorted(split.test))[:MOST]
    return population_rows(model, data, split, list(some), "semi-synthetic doubles", seed)


def simulated_screen(seed: int) -> tuple[PerturbSeq, Split]:
    """Return the benchmark's cells with 200 of each held-out double, 20 of the others."""
    plain = semi_synthetic.simulation(seed)
    cells = plain.cells.model_copy(update={"perturbed": OBSERVED})
    adata, _ = simulate(plain.model_copy(update={"cells": cells}))
    data = read(adata, announce=False)
    split = data.split("unseen-combination", seed=seed, fraction=semi_synthetic.DOUBLES)
    labels = data.labels.astype(str)
    place = np.zeros(len(labels), dtype=np.int64)
    for label in np.unique(labels):
        rows = np.flatnonzero(labels == label)
        place[rows] = np.arange(len(rows))
    return data.subset(
        np.flatnonzero(data.is_control | np.isin(labels, list(split.test)) | (place < SEEN))
    ), split


def population_rows(
    model: GPJEPA, data: PerturbSeq, split: Split, labels: Sequence[str], group: str, seed: int
) -> DataFrame:
    """Return, for each model and metric, the mean score and the median skill where cells respond.

    The skill is 0 for control cells and 1 for the other half of the observed cells, over
    several halves; a perturbation without a measurable difference between the two has none. `each`
    holds the values behind. A model that does not predict every perturbation is left out.
    """
    scores = score(model, data, split, labels, seed)
    rows = []
    for name, values in scores.values.items():
        if np.isnan(values[NAMES.index(JUDGED[0])]).any():
            continue
        skills = skill(GENERATIVE_METRICS, values, scores.bounds)
        for metric in JUDGED:
            at = NAMES.index(metric)
            bounds = scores.bounds.floor[at], scores.bounds.ceiling[at]
            rows.append(_row(group, metric, name, values[at], bounds, scores, np.mean))
            unit = np.zeros(len(values[at])), np.ones(len(values[at]))
            rows.append(_row(group, f"{metric}_skill", name, skills[at], unit, scores, np.median))
    return _frame(rows)


def pooled(frame: DataFrame) -> DataFrame:
    """Return one row per group, metric and model from rows of several fits.

    A model that is not in all of them is left out: it would be scored on others than the rest.
    """
    rows = []
    for (group, metric, name), own in frame.groupby(["group", "metric", "model"], sort=False):
        fits = frame[(frame["group"] == group) & (frame["metric"] == metric)]
        if len(own) < (fits["model"] == MODEL).sum():
            continue
        each = {label: value for values in own[EACH] for label, value in values.items()}
        middle = np.median if metric.endswith("_skill") else np.mean
        value = float(middle(list(each.values()))) if each else np.nan
        bounds = [float(own[key].mean()) for key in ("floor", "ceiling")]
        rows.append((group, metric, name, value, *bounds, len(each), each))
    return _frame(rows)


def _row(
    group: str,
    metric: str,
    name: str,
    values: np.ndarray,
    bounds: tuple[np.ndarray, np.ndarray],
    scores: Scores,
    middle: Callable[[np.ndarray], np.floating],
) -> tuple[object, ...]:
    use = scores.responds & ~np.isnan(values)
    each = {scores.perturbations[at]: float(values[at]) for at in np.flatnonzero(use)}
    numbers = [float(middle(values[use])) if use.any() else np.nan]
    numbers += [float(bound[use].mean()) if use.any() else np.nan for bound in bounds]
    return (group, metric, name, *numbers, int(use.sum()), each)


def _frame(rows: Sequence[tuple[object, ...]]) -> DataFrame:
    import pandas

    return pandas.DataFrame(rows, columns=[*COLUMNS, EACH])


def score(
    model: GPJEPA, data: PerturbSeq, split: Split, labels: Sequence[str], seed: int
) -> Scores:
    """Score the model's and every baseline's cells for the labels, each over several draws."""
    panel = data.select_genes(model.bundle.panel.names)
    parts = split.parts(panel)
    held = np.flatnonzero(np.isin(panel.labels.astype(str), list(labels)))
    start = panel.subset(parts.train_controls).to_anndata()
    pair = make_pair(
        model.predict(list(labels), CELLS, control=start, seed=seed),
        panel.subset(np.concatenate((held, parts.truth_controls))).to_anndata(),
        panel.subset(np.concatenate((parts.train, parts.train_controls))).to_anndata(),
        seed=seed,
    )
    numbers = cell_numbers(pair)
    halves = _halves(pair, numbers, seed)
    control = pair.prediction_control.genes(pair.gated)
    found: dict[str, list[np.ndarray]] = {}
    fitted = baselines(panel, split, seed)
    for draw in range(DRAWS):
        everybody: list[Contender] = [model_contender(pair, MODEL, numbers, seed + draw)]
        everybody += baseline_contenders(pair, fitted, numbers, seed + draw)
        for each in everybody:
            scored = score_populations(each.populations, halves, control, pair.target, seed + draw)
            found.setdefault(each.name, []).append(scored)
    values = with_intercept({name: np.mean(scores, axis=0) for name, scores in found.items()})
    replicate = np.stack(
        [
            score_populations(half.first, [half], half.second_control, pair.target, seed)
            for half in halves
        ]
    )
    bounds = make_bounds(GENERATIVE_METRICS, [values[FLOOR]], replicate)
    energy = NAMES.index(JUDGED[0])
    responds = responders(bounds.floor[energy], bounds.ceiling[energy])
    return Scores(pair.perturbations, values, bounds, responds)


def _halves(pair: EvaluationPair, numbers: np.ndarray, seed: int) -> list[CellHalves]:
    observed, controls = pair.observed.genes(pair.gated), pair.controls.genes(pair.gated)
    rng = numpy_stream(seed, "halves of cells")
    split = replicates(observed, controls, pair.perturbations, pair.target, SPLITS, seed)
    return [
        cell_halves(half, observed, controls, pair.perturbations, numbers, rng) for half in split
    ]


POPULATIONS = Task(
    "populations",
    "Predicted cells between control cells (skill 0) and a second measurement (1)",
    ("papalexi-thp1", "norman-k562", "norman-effects", "k562-baseline", "gene-sets"),
    (
        Part("targets left out", left_out),
        Part("targets recovered", recovered),
        Part("norman-k562 doubles", doubles),
        Part("semi-synthetic doubles", simulated_doubles),
    ),
    tuple(
        Headline(group, f"{metric}_skill", f"{metric.replace('_', ' ')}: skill ↑", 1.0)
        for group in (
            "targets left out",
            "targets recovered",
            "norman-k562 doubles",
            "semi-synthetic doubles",
        )
        for metric in JUDGED
    ),
)
