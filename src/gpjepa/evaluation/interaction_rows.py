"""Rows of the table for genetic interactions: what a combination does beyond its members' sum."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas

from gpjepa.core.random import numpy_stream
from gpjepa.evaluation.baselines import Baseline
from gpjepa.evaluation.bounds import Bounds, make_bounds, mean_known, skill
from gpjepa.evaluation.interaction_cells import (
    FEWEST_CELLS,
    InteractionView,
    interaction_views,
    scored_combinations,
)
from gpjepa.evaluation.interaction_metrics import (
    GENE_METRICS,
    PAIR_METRIC,
    gene_scores,
    pair_score,
    resampled_pair_score,
)
from gpjepa.evaluation.interaction_rules import own_interaction, refitted, rounded
from gpjepa.evaluation.interactions import chance_precision, signed_items
from gpjepa.evaluation.pair import EvaluationPair
from gpjepa.evaluation.pseudobulk import group_pseudobulk, pseudobulk
from gpjepa.evaluation.report_table import ALL, COLUMNS, AxisScores, tabulate

if TYPE_CHECKING:
    from gpjepa.data.gene_features import GeneFeatures

AXIS = "effect"
DRAWS = 1000
TAIL = 0.025
NOT_SCORED = (
    f"interactions: not scored; no combination has {FEWEST_CELLS} observed cells and members with "
    f"{FEWEST_CELLS} training cells as singles"
)
AS_GIVEN = ("additive", "strong")  # baselines that are also scored as the model is
ALL_CELLS = ", all cells"
TRAINED_ON = (
    "interactions: the model's doubles are compared with a half of the members' training cells and "
    "labelled by the other half: noise that it took over from its training cells lowers its score, "
    f"as that of baselines named {ALL_CELLS!r}; the others are refitted without the labelling half"
)


@dataclass(frozen=True, eq=False)
class _Contest:
    """Who predicts what: ε [K, G] of each contender in each view, NaN where it does not apply."""

    labels: tuple[str, ...]
    views: tuple[InteractionView, ...]
    predicted: dict[str, list[np.ndarray]]
    applies: dict[str, np.ndarray]


def interaction_rows(
    pair: EvaluationPair,
    state: np.ndarray,
    fitted: Sequence[Baseline],
    name: str,
    seed: int,
    features: GeneFeatures | None = None,
) -> tuple[list[pandas.DataFrame], tuple[str, ...]]:
    """Score interactions of the observed combinations; return rows and what to say of them.

    `state` [P, G] are the states predicted by the model called `name`, on the scored genes;
    `fitted` the baselines shown, `features` what embeds genes for the linear one. Per gene:
    Pearson r of predicted and measured ε, and average precision at finding the significant
    genes with their sign, each within a combination. Per pair: average precision of ‖ε‖ at
    finding the combinations that interact. Floors are what chance gets, 0 or a random order;
    ceilings another measurement from as many cells. Baselines are refitted without the cells
    that label; "additive, all cells" and "strong, all cells" are scored as the model is, and so
    are its fair rivals. There are no rows without combinations whose members were trained on as
    singles.
    """
    labels = scored_combinations(pair)
    if not labels:
        return [], (NOT_SCORED,)
    views = tuple(interaction_views(pair, labels, seed))
    contest = _contest(pair, labels, views, state, fitted, name, features)
    frames = [_gene_rows(pair, contest, name, seed), _pair_rows(contest, name, seed)]
    return frames, (TRAINED_ON,)


def predicted_states(pair: EvaluationPair) -> np.ndarray:
    """Return the predicted pseudobulks [P, G] on the scored genes, NaN where one was spoiled."""
    cells, count = pair.predicted.genes(pair.gated), len(pair.perturbations)
    codes = cells.codes(pair.perturbations)
    state = group_pseudobulk(cells.counts, cells.library, codes, count, pair.target)
    state[np.isin(np.array(pair.perturbations), sorted(pair.spoiled))] = np.nan
    return state


def _contest(
    pair: EvaluationPair,
    labels: tuple[str, ...],
    views: tuple[InteractionView, ...],
    state: np.ndarray,
    fitted: Sequence[Baseline],
    name: str,
    features: GeneFeatures | None,
) -> _Contest:
    rows = [pair.perturbations.index(label) for label in labels]
    predicted = {name: [rounded(state[rows] - view.sums) for view in views]}
    applies = {name: np.ones(len(labels), dtype=bool)}
    cells = pair.prediction_control.genes(pair.gated)
    control = pseudobulk(cells.counts, cells.library, pair.target)
    for baseline in fitted:
        own = []
        for view in views:
            rule = refitted(baseline.rule, view.table, features)
            if rule is not None:
                own.append(own_interaction(rule, labels)[:, pair.gated])
        if not own:
            continue
        predicted[baseline.name] = own
        applies[baseline.name] = np.isfinite(np.stack(own)).all(axis=(0, 2))
        if baseline.name in AS_GIVEN:
            given = control + baseline.effects(labels)[:, pair.gated]
            predicted[baseline.name + ALL_CELLS] = [rounded(given - view.sums) for view in views]
            applies[baseline.name + ALL_CELLS] = np.isfinite(given).all(axis=1)
    return _Contest(labels, views, predicted, applies)


def _gene_rows(pair: EvaluationPair, contest: _Contest, name: str, seed: int) -> pandas.DataFrame:
    """Return the rows of the metrics that compare genes within a combination."""
    views = contest.views
    values = {
        model: mean_known(
            np.stack([gene_scores(e, v.label, v.genes) for e, v in zip(own, views, strict=True)])
        )
        for model, own in contest.predicted.items()
    }
    replicate = np.stack([gene_scores(v.replicate, v.label, v.genes) for v in views])
    chance = np.stack([chance_precision(signed_items(view.label, view.genes)) for view in views])
    floor = mean_known(np.stack([np.zeros_like(chance), chance], axis=1))
    bounds = make_bounds(GENE_METRICS, [floor], replicate)
    for model, own in values.items():
        own[:, ~contest.applies[model]] = np.nan
    cells = np.bincount(pair.observed.codes(contest.labels) + 1)[1:]
    scores = AxisScores(AXIS, GENE_METRICS, contest.labels, values, contest.applies, bounds, cells)
    return tabulate(scores, name, seed)


def _pair_rows(contest: _Contest, name: str, seed: int) -> pandas.DataFrame:
    """Return the rows of the metric that ranks combinations, with paired differences."""
    views, count = contest.views, len(contest.labels)
    rng = numpy_stream(seed, "bootstrap of combinations", count)
    weights = rng.multinomial(count, np.full(count, 1.0 / count), size=DRAWS).astype(np.float64)
    replicate = np.array([pair_score(view.replicate, view.pairs) for view in views])
    chance = mean_known(np.array([chance_precision(view.pairs) for view in views])[:, None])
    bounds = make_bounds((PAIR_METRIC,), [chance[None]], replicate[:, None, None])
    whole = {model for model, use in contest.applies.items() if use.all()}
    values, draws = {}, {}
    for model in [model for model in contest.predicted if model in whole]:
        own = list(zip(contest.predicted[model], views, strict=True))
        values[model] = float(mean_known(np.array([[pair_score(e, v.pairs)] for e, v in own]))[0])
        draws[model] = mean_known(
            np.stack([resampled_pair_score(e, v.pairs, weights) for e, v in own])
        )
    rows = [_pair_row(model, values[model], draws[model], count, bounds) for model in values]
    for rival in [model for model in values if model != name]:
        gap, spread = values[name] - values[rival], draws[name] - draws[rival]
        rows.append(_pair_row(f"{name} − {rival}", gap, spread, count, None))
    return pandas.DataFrame(rows).reindex(columns=list(COLUMNS))


def _pair_row(
    model: str, value: float, draws: np.ndarray, count: int, bounds: Bounds | None
) -> dict[str, object]:
    """Return one row of all combinations; a difference has no bounds."""
    known = draws[~np.isnan(draws)]
    low, high = np.nan, np.nan
    if count > 1 and known.size:
        low, high = np.quantile(known, [TAIL, 1.0 - TAIL])
    row: dict[str, object] = {
        "axis": AXIS,
        "metric": PAIR_METRIC.name,
        "perturbation": ALL,
        "model": model,
        "value": value,
        "low": low,
        "high": high,
        "n": 0 if np.isnan(value) else count,
        "undefined": 0,
    }
    if bounds is None:
        return row
    scaled, *ends = (
        float(skill((PAIR_METRIC,), np.array([[each]]), bounds)[0, 0])
        for each in (value, low, high)
    )
    return row | {
        "floor": float(bounds.floor[0, 0]),
        "ceiling": float(bounds.ceiling[0, 0]),
        "ceiling_low": float(bounds.low[0, 0]),
        "ceiling_high": float(bounds.high[0, 0]),
        "skill": scaled,
        "skill_low": ends[0],
        "skill_high": ends[1],
        "undefined": int(np.isnan(scaled) and not np.isnan(bounds.floor[0, 0])),
    }
