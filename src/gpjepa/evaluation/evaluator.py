"""The evaluation of predicted against observed cells on every axis, baselines beside the model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas

from gpjepa.data.anndata_io import open_anndata
from gpjepa.evaluation.baselines import Baseline
from gpjepa.evaluation.baselines_beside import baselines_beside
from gpjepa.evaluation.bounds import Bounds, make_bounds
from gpjepa.evaluation.contenders import cell_numbers
from gpjepa.evaluation.effect_scores import DIFFERENTIAL, EFFECT_METRICS, list_size
from gpjepa.evaluation.generative import GENERATIVE_METRICS, responders
from gpjepa.evaluation.interaction_metrics import INTERACTION_METRICS
from gpjepa.evaluation.interaction_rows import interaction_rows, predicted_states
from gpjepa.evaluation.interval_rows import interval_rows
from gpjepa.evaluation.measured import Measured, measure
from gpjepa.evaluation.metric import Metric
from gpjepa.evaluation.pair import EvaluationPair, make_pair
from gpjepa.evaluation.population_pit import population_pit_curves
from gpjepa.evaluation.population_skill import POPULATION_SKILL_METRICS, population_skill_rows
from gpjepa.evaluation.report import EvaluationReport
from gpjepa.evaluation.report_table import ALL, COLUMNS, AxisScores, tabulate
from gpjepa.evaluation.representation import REPRESENTATION_METRICS
from gpjepa.evaluation.request import BAR_METRICS, Request, Values, choose_metrics
from gpjepa.evaluation.scored import FLOORS, Scored, score_all

if TYPE_CHECKING:
    from anndata import AnnData

    from gpjepa.data.gene_features import GeneFeatures

__all__ = ["EvaluationReport", "evaluate"]

NOT_RESPONDING = "not responding"
AXIS_METRICS: Mapping[str, tuple[Metric, ...]] = {
    "effect": (*EFFECT_METRICS, *INTERACTION_METRICS),
    "representation": REPRESENTATION_METRICS,
    "generative": (*GENERATIVE_METRICS, *POPULATION_SKILL_METRICS, *BAR_METRICS),
}


def evaluate(
    predicted: AnnData | Path | str,
    observed: AnnData | Path | str,
    *,
    train: AnnData | Path | str | None = None,
    effects: pandas.DataFrame | None = None,
    baselines: bool | Sequence[Baseline] = True,
    seed: int = 0,
    target: float | None = None,
    name: str = "gpjepa",
    features: GeneFeatures | None = None,
    metrics: Sequence[str] | None = None,
    values: Values = "counts",
) -> EvaluationReport:
    """Score predicted against observed perturbations, for any model's raw counts.

    `observed` holds the measured cells and the control cells of the truth; `train` the training
    cells and the control cells that predictions start from. Without `train` the observed control
    is split in two, the training mean and the fitted baselines are left out, and the perturbed
    reference is the mean of the observed perturbations. `effects` (perturbation, gene, effect,
    low, high in log1p pseudobulk units at `target`; level, verdict, novelty) adds the scores of
    error bars and verdicts. `baselines` are fitted on `train`, or as `gpjepa.baselines` returns
    them; False leaves those of the floor. `target` is the library of pseudobulks, None for the
    control's median. `features` embed the perturbed genes for the linear baseline; None takes
    their own rows among the training states. A NaN in a prediction gives its perturbation the
    worst values. `metrics` names those to compute, None for all; predictions of means (`values`
    "mean counts" or "log1p") are scored on named metrics only.

    Raises:
        DataError: a side is not what it should be, or genes or perturbations differ.
        ConfigError: a metric is not known or cannot be computed from means.
    """
    request = Request(name, seed, bool(baselines), choose_metrics(metrics, values))
    left, right = open_anndata(predicted), open_anndata(observed)
    known = None if train is None else open_anndata(train)
    pair = make_pair(left, right, known, seed=seed, target=target, values=values)
    measured = measure(pair, cell_numbers(pair), seed, _of_cells(request))
    fitted = baselines_beside(baselines, pair, FLOORS, seed, features)
    scored = score_all(pair, measured, fitted, request)
    frames, curves = _counted_axes(pair, measured, scored, request)
    notes = [f"{each.name}: {note}" for each in fitted for note in each.notes]
    frames += _interactions(pair, fitted, request, features, notes)
    if effects is not None:
        bars = interval_rows(effects, pair, measured, scored, request)
        frames += bars.rows
        curves.insert(0, bars.curves)
    notes += [] if effects is not None else ["effect intervals: not supplied"]
    represented = _representation(left, right, pair, request, notes)
    table = pandas.concat([*frames, *represented], ignore_index=True)[list(COLUMNS)]
    return _report(table, pair, request, notes, bool(represented)).showing(curves)


def _report(
    table: pandas.DataFrame,
    pair: EvaluationPair,
    request: Request,
    notes: list[str],
    represented: bool,
) -> EvaluationReport:
    unasked = tuple(axis for axis in AXIS_METRICS if not request.wants(AXIS_METRICS[axis]))
    missing = () if represented or "representation" in unasked else ("representation",)
    return EvaluationReport(
        table=table[request.keeps(table["metric"])].reset_index(drop=True),
        name=request.name,
        missing_axes=missing,
        perturbations=len(pair.perturbations),
        genes=int(pair.gated.sum()),
        notes=(*_told(pair), *notes),
        unasked=unasked,
    )


def _of_cells(request: Request) -> bool:
    """Tell whether anything is asked for that compares populations of cells."""
    return request.wants((*GENERATIVE_METRICS, *POPULATION_SKILL_METRICS))


def _counted_axes(
    pair: EvaluationPair, measured: Measured, scored: dict[str, Scored], request: Request
) -> tuple[list[pandas.DataFrame], list[pandas.DataFrame]]:
    """Return the rows of the effect and the generative axis, and the curves of the latter."""
    name = request.name
    shown = {model: own for model, own in scored.items() if request.baselines or model == name}
    floors = [scored[floor] for floor in FLOORS if floor in scored]
    effect_bounds = make_bounds(
        EFFECT_METRICS, [floor.on_halves for floor in floors], measured.replicate_effects
    )
    counts = np.bincount(pair.observed.codes(pair.perturbations))
    applies = {model: own.applies for model, own in shown.items()}

    def axis(
        of: str,
        metrics: tuple[Metric, ...],
        values: dict[str, np.ndarray],
        bounds: Bounds,
        groups: dict[str, np.ndarray],
        on_halves: dict[str, np.ndarray],
    ) -> pandas.DataFrame:
        part = AxisScores(
            of, metrics, pair.perturbations, values, applies, bounds, counts, groups, on_halves
        )
        return tabulate(part, name, request.seed)

    effects = {model: own.effects for model, own in shown.items()}
    on_halves = {model: own.on_halves for model, own in shown.items()}
    frames = [axis("effect", EFFECT_METRICS, effects, effect_bounds, {}, on_halves)]
    if not _of_cells(request):
        return frames, []
    bounds = make_bounds(GENERATIVE_METRICS, [floors[0].cells], measured.replicate_cells)
    energy = [metric.name for metric in GENERATIVE_METRICS].index("energy_distance")
    responds = responders(bounds.floor[energy], bounds.ceiling[energy])
    groups = {ALL: responds, NOT_RESPONDING: ~responds}
    cells = {model: own.cells for model, own in shown.items()}
    frames.append(axis("generative", GENERATIVE_METRICS, cells, bounds, groups, {}))
    frames.append(population_skill_rows(cells, applies, bounds, responds, name, request.seed))
    drawn = responds & pair.counted
    return frames, [population_pit_curves(pair, measured, drawn, name, request.seed)]


def _interactions(
    pair: EvaluationPair,
    fitted: Sequence[Baseline],
    request: Request,
    features: GeneFeatures | None,
    notes: list[str],
) -> list[pandas.DataFrame]:
    """Return the rows of genetic interactions, none without combinations; add their notes."""
    if not request.wants(INTERACTION_METRICS):
        return []
    shown = fitted if request.baselines else ()
    states = predicted_states(pair)
    rows, told = interaction_rows(pair, states, shown, request.name, request.seed, features)
    notes += told
    return rows


def _representation(
    predicted: AnnData,
    observed: AnnData,
    pair: EvaluationPair,
    request: Request,
    notes: list[str],
) -> list[pandas.DataFrame]:
    """Return the rows of the representation axis, none without an embedding; add their notes."""
    from gpjepa.evaluation.representation import score_representation

    if not request.wants(REPRESENTATION_METRICS):
        return []
    frame = score_representation(predicted, observed, pair, request.seed)
    if frame is None:
        return []
    told = zip(frame["metric"], frame["model"], frame["note"], strict=True)
    notes += [
        f"{metric}{f' ({model})' if model else ''}: {note}" for metric, model, note in told if note
    ]
    model = frame["model"].replace("", request.name)
    return [frame.assign(axis="representation", model=model).reindex(columns=list(COLUMNS))]


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
    cells = pair.predicted.codes(pair.perturbations)
    own, measured = (
        np.bincount(codes, minlength=len(pair.perturbations))
        for codes in (cells, pair.observed.codes(pair.perturbations))
    )
    few = int((own < measured // 2).sum()) if pair.counted else 0
    if few:
        notes.append(
            f"{few} perturbations have fewer predicted cells than half of the observed: their "
            "populations are compared on fewer cells and look farther away; predict more"
        )
    if pair.spoiled:
        notes.append(f"NaN, so the worst values: {', '.join(sorted(pair.spoiled))}")
    return (*notes, *pair.notes)
