"""The scores of everybody who predicts: the model and the baselines, on the same terms."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from gpjepa.core.random import numpy_stream
from gpjepa.evaluation.baselines import Baseline
from gpjepa.evaluation.bounds import mean_known
from gpjepa.evaluation.cell_scores import score_populations, significant_genes
from gpjepa.evaluation.contenders import (
    Contender,
    baseline_contenders,
    cell_numbers,
    model_contender,
    subsample,
)
from gpjepa.evaluation.effect_scores import EFFECT_METRICS, score_effects
from gpjepa.evaluation.generative import GENERATIVE_METRICS
from gpjepa.evaluation.measured import Measured, score_on_half
from gpjepa.evaluation.pair import EvaluationPair
from gpjepa.evaluation.population import Population
from gpjepa.evaluation.request import Request

FLOORS = ("no change", "training mean")
COMPARED_HALVES = 4  # held-back halves on which skill is measured, of those of the ceiling


@dataclass(frozen=True, eq=False)
class Scored:
    """Scores [M, P] of one contender.

    `effects` are against all observed cells; `on_halves` and `cells` against held-back halves of
    them, as the replicate's are, so that nobody has the better truth.
    """

    name: str
    applies: np.ndarray
    effects: np.ndarray
    on_halves: np.ndarray
    cells: np.ndarray


def score_all(
    pair: EvaluationPair, measured: Measured, fitted: tuple[Baseline, ...], request: Request
) -> dict[str, Scored]:
    """Score the model and the fitted baselines, those that only make the floor as needed."""
    numbers, name = cell_numbers(pair), request.name
    few = np.maximum(numbers // 2, 1)  # as many cells as a half of the truth has
    like = request.wants(GENERATIVE_METRICS)
    model = model_contender(pair, name, numbers, request.seed)
    scored = {name: score(model, pair, measured, few, request.seed, like and pair.counted)}
    for contender in baseline_contenders(pair, fitted, numbers, request.seed):
        needed = like and (request.baselines or contender.name == FLOORS[0])
        scored[contender.name] = score(contender, pair, measured, few, request.seed, needed)
    scored[name] = worst_where_spoiled(scored[name], scored[FLOORS[0]], pair)
    return scored


def score(
    contender: Contender,
    pair: EvaluationPair,
    measured: Measured,
    few: np.ndarray,
    seed: int,
    like: bool,
) -> Scored:
    """Score a contender; `like` off leaves out how like the observed its populations are.

    Genes are tested in at most `few` [P] cells where half of the truth is compared with, because
    a test finds more genes in more cells.
    """
    control, counted = contender.control_cells, contender.counted
    calls = significant_genes(contender.populations, control) if counted else None
    fewer = significant_genes(_fewer(contender, few, seed), control) if counted else None
    effects = score_effects(contender.state, contender.control, calls, measured.truth)
    on_halves = mean_known(
        np.stack(
            [
                score_on_half(contender.state, contender.control, fewer, half)
                for half in measured.held_back[:COMPARED_HALVES]
            ]
        )
    )
    effects[:, ~contender.applies] = np.nan
    on_halves[:, ~contender.applies] = np.nan
    halves = measured.halves if like else ()
    cells = score_populations(contender.populations, halves, control, pair.target, seed)
    return Scored(contender.name, contender.applies, effects, on_halves, cells)


def _fewer(contender: Contender, most: np.ndarray, seed: int) -> list[Population | None]:
    rng = numpy_stream(seed, "fewer cells", contender.name)
    return [
        None if cells is None else subsample(cells, int(number), rng)
        for cells, number in zip(contender.populations, most, strict=True)
    ]


def worst_where_spoiled(model: Scored, floor: Scored, pair: EvaluationPair) -> Scored:
    """Give a NaN in the prediction, and cells too few to be scored, the worst values."""
    spoiled = np.isin(np.array(pair.perturbations), sorted(pair.spoiled))
    worst = np.array([metric.worst for metric in EFFECT_METRICS])[:, None]
    effects, on_halves = model.effects.copy(), model.on_halves.copy()
    effects[:, spoiled] = on_halves[:, spoiled] = worst
    if not pair.counted:
        return replace(model, effects=effects, on_halves=on_halves)
    worst = np.array([metric.worst for metric in GENERATIVE_METRICS])[:, None]
    lost = (spoiled | np.isnan(model.cells)) & ~np.isnan(floor.cells)
    cells = np.where(lost, worst, model.cells)
    return replace(model, effects=effects, on_halves=on_halves, cells=cells)
