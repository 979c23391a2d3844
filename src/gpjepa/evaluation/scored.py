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
from gpjepa.evaluation.population_skill import POPULATION_SKILL_METRICS
from gpjepa.evaluation.request import TESTED, Request

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


@dataclass(frozen=True, eq=False)
class _Terms:
    """What every contender is compared with; `few` [P] is how many cells a half of the truth has.

    Genes are tested in as many cells where a half is compared with, as a test finds more genes in
    more cells; `tested` off leaves the tests out.
    """

    pair: EvaluationPair
    measured: Measured
    few: np.ndarray
    seed: int
    tested: bool


def score_all(
    pair: EvaluationPair, measured: Measured, fitted: tuple[Baseline, ...], request: Request
) -> dict[str, Scored]:
    """Score the model and the fitted baselines, those that only make the floor as needed."""
    numbers, name, seed = cell_numbers(pair), request.name, request.seed
    tested = request.wants(metric for metric in EFFECT_METRICS if metric.name in TESTED)
    terms = _Terms(pair, measured, np.maximum(numbers // 2, 1), seed, tested)
    like = request.wants((*GENERATIVE_METRICS, *POPULATION_SKILL_METRICS))
    model = model_contender(pair, name, numbers, seed)
    scored = {name: _score(model, terms, like and pair.counted)}
    for contender in baseline_contenders(pair, fitted, numbers, seed):
        needed = like and (request.baselines or contender.name == FLOORS[0])
        scored[contender.name] = _score(contender, terms, needed, request.baselines)
    scored[name] = worst_where_spoiled(scored[name], scored[FLOORS[0]], pair)
    return scored


def _score(contender: Contender, terms: _Terms, like: bool, shown: bool = True) -> Scored:
    """Score a contender; `like` off leaves out how like the observed its populations are.

    Of one that is not `shown` only the scores on halves are complete.
    """
    control, tested = contender.control_cells, terms.tested and contender.counted
    measured, start = terms.measured, contender.control
    calls = significant_genes(contender.populations, control) if tested and shown else None
    fewer = significant_genes(_fewer(contender, terms), control) if tested else None
    effects = score_effects(contender.state, start, calls, measured.truth)
    halves = [
        score_on_half(contender.state, start, fewer, half)
        for half in measured.held_back[:COMPARED_HALVES]
    ]
    on_halves = mean_known(np.stack(halves))
    effects[:, ~contender.applies] = np.nan
    on_halves[:, ~contender.applies] = np.nan
    compared = measured.halves if like else ()
    target, seed = terms.pair.target, terms.seed
    cells = score_populations(contender.populations, compared, control, target, seed)
    return Scored(contender.name, contender.applies, effects, on_halves, cells)


def _fewer(contender: Contender, terms: _Terms) -> list[Population | None]:
    rng = numpy_stream(terms.seed, "fewer cells", contender.name)
    return [
        None if cells is None else subsample(cells, int(number), rng)
        for cells, number in zip(contender.populations, terms.few, strict=True)
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
