"""The evaluation of predicted against observed cells on every axis, baselines beside the model."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas

from gpjepa.data.anndata_io import open_anndata
from gpjepa.evaluation.baselines import Baseline, fit_baselines
from gpjepa.evaluation.bounds import Bounds, make_bounds
from gpjepa.evaluation.cell_scores import score_populations, significant_genes
from gpjepa.evaluation.contenders import (
    Contender,
    baseline_contenders,
    cell_numbers,
    model_contender,
)
from gpjepa.evaluation.effect_scores import (
    DIFFERENTIAL,
    EFFECT_METRICS,
    list_size,
    score_effects,
)
from gpjepa.evaluation.generative import GENERATIVE_METRICS, responders
from gpjepa.evaluation.interval_rows import interval_rows
from gpjepa.evaluation.measured import Measured, measure
from gpjepa.evaluation.metric import Metric
from gpjepa.evaluation.pair import EvaluationPair, make_pair
from gpjepa.evaluation.report import EvaluationReport
from gpjepa.evaluation.report_table import ALL, COLUMNS, AxisScores, tabulate

if TYPE_CHECKING:
    from anndata import AnnData

    from gpjepa.data.gene_features import GeneFeatures

__all__ = ["EvaluationReport", "evaluate"]

FLOORS = ("no change", "training mean")
NOT_RESPONDING = "not responding"


@dataclass(frozen=True, eq=False)
class _Scored:
    """Scores [M, P] of one contender on the two axes that its cells decide."""

    name: str
    applies: np.ndarray
    effects: np.ndarray
    cells: np.ndarray


def evaluate(
    predicted: AnnData | Path | str,
    observed: AnnData | Path | str,
    *,
    train: AnnData | Path | str | None = None,
    effects: pandas.DataFrame | None = None,
    baselines: bool = True,
    seed: int = 0,
    target: float | None = None,
    name: str = "gpjepa",
    features: GeneFeatures | None = None,
) -> EvaluationReport:
    """Score predicted against observed perturbations, for any model's raw counts.

    `observed` holds the measured cells and the control cells of the truth; `train` the training
    cells and the control cells that predictions start from. Without `train` the observed control
    is split in two, the training mean and the fitted baselines are left out, and the perturbed
    reference is the mean of the observed perturbations. `effects` (perturbation, gene, effect,
    low, high in log1p pseudobulk units at `target`; level, verdict) adds the scores of error
    bars. `target` is the library of pseudobulks, None for the median of the control's.
    `features` embed the perturbed genes for the linear baseline; None takes their own rows among
    the training states, so that it does not apply to genes outside the panel. A NaN in a
    prediction gives its perturbation the worst values.

    Raises:
        DataError: the sides are not counts, or differ in genes or perturbations.
    """
    left, right = open_anndata(predicted), open_anndata(observed)
    known = None if train is None else open_anndata(train)
    pair = make_pair(left, right, known, seed=seed, target=target)
    measured = measure(pair, cell_numbers(pair), seed)
    fitted = fit_baselines(pair.train, target=pair.target, seed=seed, features=features)
    fitted = tuple(each for each in fitted if baselines or each.name in FLOORS)
    scored = _score_all(pair, measured, fitted, name, seed, baselines)
    notes = tuple(f"{each.name}: {note}" for each in fitted for note in each.notes)
    frames = [*_counted_axes(pair, measured, scored, name, seed, baselines)]
    if effects is not None:
        frames += interval_rows(effects, pair, measured, name, seed)
    else:
        notes += ("effect intervals: not supplied",)
    represented, remarks = _representation(left, right, pair, name, seed)
    frames += represented
    return EvaluationReport(
        table=pandas.concat(frames, ignore_index=True)[list(COLUMNS)],
        name=name,
        missing_axes=() if represented else ("representation",),
        perturbations=len(pair.perturbations),
        genes=int(pair.gated.sum()),
        notes=(*_told(pair), *notes, *remarks),
    )


def _score_all(
    pair: EvaluationPair,
    measured: Measured,
    fitted: tuple[Baseline, ...],
    name: str,
    seed: int,
    baselines: bool,
) -> dict[str, _Scored]:
    """Score the model and the fitted baselines, those that only make the floor as needed."""
    numbers = cell_numbers(pair)
    model = model_contender(pair, name, numbers, seed)
    scored = {name: _score(model, pair, measured, seed)}
    for contender in baseline_contenders(pair, fitted, numbers, seed):
        needed = baselines or contender.name == FLOORS[0]
        scored[contender.name] = _score(contender, pair, measured, seed, needed)
    scored[name] = _worst_where_spoiled(scored[name], scored[FLOORS[0]], pair)
    return scored


def _score(
    contender: Contender, pair: EvaluationPair, measured: Measured, seed: int, like: bool = True
) -> _Scored:
    """Score a contender; `like` off leaves out how like the observed its populations are."""
    control = contender.control_cells
    calls = significant_genes(contender.populations, control)
    effects = score_effects(contender.state, contender.control, calls, measured.truth)
    effects[:, ~contender.applies] = np.nan
    halves = measured.halves if like else ()
    cells = score_populations(contender.populations, halves, control, pair.target, seed)
    return _Scored(contender.name, contender.applies, effects, cells)


def _worst_where_spoiled(model: _Scored, floor: _Scored, pair: EvaluationPair) -> _Scored:
    """Give a NaN in the prediction, and cells too few to be scored, the worst values."""
    spoiled = np.isin(np.array(pair.perturbations), sorted(pair.spoiled))
    effects, cells = model.effects.copy(), model.cells.copy()
    effects[:, spoiled] = np.array([metric.worst for metric in EFFECT_METRICS])[:, None]
    worst = np.array([metric.worst for metric in GENERATIVE_METRICS])[:, None]
    lost = (spoiled | np.isnan(cells)) & ~np.isnan(floor.cells)
    return _Scored(model.name, model.applies, effects, np.where(lost, worst, cells))


def _counted_axes(
    pair: EvaluationPair,
    measured: Measured,
    scored: dict[str, _Scored],
    name: str,
    seed: int,
    baselines: bool,
) -> Iterator[pandas.DataFrame]:
    """Yield the rows of the effect and the generative axis."""
    shown = [model for model in scored if baselines or model == name]
    floors = [scored[floor] for floor in FLOORS if floor in scored]
    effect_bounds = make_bounds(
        EFFECT_METRICS, [floor.effects for floor in floors], measured.replicate_effects
    )
    cell_bounds = make_bounds(GENERATIVE_METRICS, [floors[0].cells], measured.replicate_cells)
    counts = np.bincount(pair.observed.codes(pair.perturbations))

    def axis(
        of: str, metrics: tuple[Metric, ...], bounds: Bounds, groups: dict[str, np.ndarray]
    ) -> pandas.DataFrame:
        values = {
            model: scored[model].effects if of == "effect" else scored[model].cells
            for model in shown
        }
        applies = {model: scored[model].applies for model in shown}
        part = AxisScores(of, metrics, pair.perturbations, values, applies, bounds, counts, groups)
        return tabulate(part, name, seed)

    yield axis("effect", EFFECT_METRICS, effect_bounds, {})
    energy = [metric.name for metric in GENERATIVE_METRICS].index("energy_distance")
    responds = responders(cell_bounds.floor[energy], cell_bounds.ceiling[energy])
    groups = {ALL: responds, NOT_RESPONDING: ~responds}
    yield axis("generative", GENERATIVE_METRICS, cell_bounds, groups)


def _representation(
    predicted: AnnData, observed: AnnData, pair: EvaluationPair, name: str, seed: int
) -> tuple[list[pandas.DataFrame], tuple[str, ...]]:
    """Return the rows of the representation axis, none without an embedding, and their notes."""
    from gpjepa.evaluation.representation import score_representation

    frame = score_representation(predicted, observed, pair, seed)
    if frame is None:
        return [], ()
    notes = frame["note"] if "note" in frame else pandas.Series(np.nan, index=frame.index)
    told = [
        f"{metric}: {note}"
        for metric, note in zip(frame["metric"], notes, strict=True)
        if isinstance(note, str) and note
    ]
    model = frame["model"].replace("", name) if "model" in frame else name
    frame = frame.assign(axis="representation", model=model).reindex(columns=list(COLUMNS))
    return [frame], tuple(told)


def _told(pair: EvaluationPair) -> tuple[str, ...]:
    """Return what a reader of the scores must know of the pair."""
    genes = int(pair.gated.sum())
    sizes = {list_size(genes, size) for size in DIFFERENTIAL}
    library = "the cell's total" if pair.has_rest else "the sum over the panel"
    notes = [f"library: {library}; pseudobulks at {pair.target:g} counts"]
    if sizes != set(DIFFERENTIAL):
        listed = ", ".join(f"top {k} is top {list_size(genes, k)}" for k in DIFFERENTIAL)
        notes.append(f"a fifth of the {genes} scored genes at most: {listed}")
    if not pair.has_training:
        notes.append("perturbed reference: the mean of the observed perturbations")
    if pair.spoiled:
        notes.append(f"NaN, so the worst values: {', '.join(sorted(pair.spoiled))}")
    return (*notes, *pair.notes)
