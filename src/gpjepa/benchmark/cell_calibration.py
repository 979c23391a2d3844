"""cell-calibration: are the error bars of the cell model right, and its verdicts worth giving?"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
from scipy.stats import norm, spearmanr

from gpjepa.api.answers import effect_matrix
from gpjepa.api.estimates import Estimates, estimate
from gpjepa.api.interactions import combine, half_widths
from gpjepa.api.model import GPJEPA
from gpjepa.api.populations import Start
from gpjepa.benchmark import semi_synthetic, simulated
from gpjepa.benchmark.held_out import trained
from gpjepa.benchmark.scores import COLUMNS, EACH
from gpjepa.benchmark.task import OVER_ADDITIVE, Headline, Part, Task, headlines
from gpjepa.benchmark.truth import screen
from gpjepa.core.config import Config
from gpjepa.core.errors import ConfigError
from gpjepa.data.labels import members_of
from gpjepa.data.partition import Split
from gpjepa.data.simulator import Truth
from gpjepa.evaluation import effect
from gpjepa.evaluation.calibration import interval_score
from gpjepa.evaluation.intervals import LEVELS
from gpjepa.inference.judgement import DO_NOT_TRUST, USE_MODEL, USE_SUM

if TYPE_CHECKING:
    from pandas import DataFrame

SCORED = 0.9  # level of the interval score
OURS, ENSEMBLE = "gpjepa", "ensemble"
MEMBERS = 3  # of the ensemble
PAIRS, DOUBLES = "simulated pairs", "semi-synthetic doubles"
HELD_OUT, INTERACTIONS = "effects", "interactions"
Scores = dict[str, float]


def pairs(config: Config, seed: int, device: str) -> DataFrame:
    """Score the error bars of held-out pairs of the simulator against the truth."""
    data, split, truth = screen(simulated.simulation(seed), simulated.PAIRS, seed)
    return scored(PAIRS, trained(data, split, config, seed, device), split, truth)


def doubles(config: Config, seed: int, device: str) -> DataFrame:
    """Score the error bars of held-out semi-synthetic doubles against the truth."""
    data, split, truth = screen(semi_synthetic.simulation(seed), semi_synthetic.DOUBLES, seed)
    return scored(DOUBLES, trained(data, split, config, seed, device), split, truth)


def ensemble(config: Config, seed: int, device: str, members: int = MEMBERS) -> DataFrame:
    """Score the spread over networks trained from several seeds, on the simulator's pairs.

    Normal intervals around the members' mean, their variance unbiased. Raises `ConfigError` for
    fewer than two members: one has no spread.
    """
    if members < 2:
        raise ConfigError(
            f"an ensemble has {members} member; expected 2 or more, as one has no spread; pass for "
            "example members=3"
        )
    data, split, truth = screen(simulated.simulation(seed), simulated.PAIRS, seed)
    models = [trained(data, split, config, seed + 1000 * own, device) for own in range(members)]
    start = Start(models[0].bundle, models[0].controls, None)
    labels, genes = tuple(split.test), scored_genes(models[0])
    each = np.stack(
        [
            effect_matrix(Start(model.bundle, model.controls, None), labels, 0)[:, genes]
            for model in models
        ]
    )
    deviation = np.maximum(each.std(axis=0, ddof=1), np.finfo(float).tiny)
    error = true_effects(truth, start, labels)[:, genes] - each.mean(axis=0)
    half = {level: norm.ppf(0.5 + 0.5 * level) * deviation for level in LEVELS}
    scores = interval_scores(error, half, deviation)
    return rows_of(group_of(PAIRS, HELD_OUT), ENSEMBLE, scores, len(labels))


def group_of(cells: str, what: str) -> str:
    """Return the name under which scores of simulated cells are shown."""
    return f"{cells}: {what}"


def scored_genes(model: GPJEPA) -> np.ndarray:
    """Return the genes that error bars are judged on: those that effects are composed on."""
    composition = model.bundle.model.predictor.composition
    if composition is None:
        return np.arange(len(model.bundle.panel.names))
    return composition.genes.cpu().numpy()


def true_effects(truth: Truth, start: Start, labels: tuple[str, ...]) -> np.ndarray:
    """Return the true effects [P, G] of labels at the depth that predictions are told at."""
    table = truth.effects(target=start.target)
    return table.loc[list(labels), list(start.bundle.panel.names)].to_numpy(dtype=np.float64)


def scored(cells: str, model: GPJEPA, split: Split, truth: Truth) -> DataFrame:
    """Score effects, interactions and verdicts of what the split of these `cells` held out."""
    import pandas

    start = Start(model.bundle, model.controls, None)
    labels, genes = tuple(split.test), scored_genes(model)
    calibration = model.bundle.calibration
    found = estimate(start, labels, effect_matrix(start, labels, 0))
    true = true_effects(truth, start, labels)
    error = (true - found.effects)[:, genes]
    half = {level: found.bars.half_widths(calibration, level)[:, genes] for level in LEVELS}
    deviation = found.bars.deviation[:, genes]
    combined = combine(start, labels, 0)
    singles = [true_effects(truth, start, members_of(label)).sum(axis=0) for label in labels]
    beyond = (true - np.stack(singles) - combined.interaction)[:, genes]
    wide = {level: half_widths(start, combined, level)[:, genes] for level in LEVELS}
    frames = (
        rows_of(HELD_OUT, OURS, interval_scores(error, half, deviation), len(labels)),
        rows_of(INTERACTIONS, OURS, coverages(beyond, wide), len(labels)),
        verdict_scores(found, true[:, genes], start, genes),
    )
    rows = pandas.concat(frames, ignore_index=True)
    return rows.assign(group=[group_of(cells, group) for group in rows["group"]])


def coverages(error: np.ndarray, half: Mapping[float, np.ndarray]) -> Scores:
    """Return how often errors [P, G] lie within half the interval of each level."""
    return {
        f"coverage_{100 * level:.0f}": float((np.abs(error) <= wide).mean())
        for level, wide in half.items()
    }


def interval_scores(
    error: np.ndarray, half: Mapping[float, np.ndarray], deviation: np.ndarray
) -> Scores:
    """Return what error bars of errors [P, G] score; see `evaluation.intervals` for observed ones.

    The interval score is over that of one width for everything that covers as much.
    """
    size, inside = np.abs(error), np.abs(error) <= half[SCORED]
    constant = np.full_like(error, np.quantile(size, inside.mean(), method="higher"))
    own, rival = (
        interval_score(error, -wide, wide, SCORED).mean() for wide in (half[SCORED], constant)
    )
    return {
        **coverages(error, half),
        "interval_score_ratio": float(own / rival),
        "spread_skill": float((error**2).mean() / (deviation**2).mean()),
        "spearman_sd_error": float(spearmanr(deviation.mean(axis=1), size.mean(axis=1)).statistic),
    }


def verdict_scores(
    found: Estimates, true: np.ndarray, start: Start, genes: np.ndarray
) -> DataFrame:
    """Return errors by verdict: relative to the true effect, and to the measured sum's."""
    import pandas

    evidence = start.bundle.calibration.evidence
    assert evidence is not None
    own = effect.l2(found.effects[:, genes], true)
    relative = own / np.linalg.norm(true, axis=1)
    over_sum = own / effect.l2(evidence.sums(found.labels)[:, genes], true)
    frames = [_each(HELD_OUT, "l2_over_additive", over_sum, found.labels)]
    for told in dict.fromkeys(found.verdicts):
        rows = np.flatnonzero([each == told for each in found.verdicts])
        some = tuple(found.labels[row] for row in rows)
        frames.append(_each(told, "relative_error", relative[rows], some))
        frames.append(_each(told, "l2_over_additive", over_sum[rows], some))
    return pandas.concat(frames, ignore_index=True)


def rows_of(group: str, name: str, scores: Scores, count: int) -> DataFrame:
    """Return a row a score."""
    import pandas

    rows = [(group, metric, name, value, np.nan, np.nan, count) for metric, value in scores.items()]
    return pandas.DataFrame(rows, columns=list(COLUMNS))


def _each(group: str, metric: str, values: np.ndarray, labels: tuple[str, ...]) -> DataFrame:
    import pandas

    each = dict(zip(labels, values, strict=True))
    row = (group, metric, OURS, float(values.mean()), np.nan, np.nan, len(values), each)
    return pandas.DataFrame([row], columns=[*COLUMNS, EACH])


CALIBRATION = (
    *((f"coverage_{100 * level:.0f}", f"coverage {level:g}", level) for level in LEVELS),
    ("interval_score_ratio", "interval score ÷ constant width's ↓", 0.0),
    ("spread_skill", "squared error ÷ variance → 1", 1.0),
    ("spearman_sd_error", "rank r of sd and error ↑", 1.0),
)
RELATIVE = ("relative_error", "error ÷ true effect ↓", 0.0)


def _headlines(cells: str) -> tuple[Headline, ...]:
    return (
        *headlines(group_of(cells, HELD_OUT), *CALIBRATION, OVER_ADDITIVE),
        *headlines(group_of(cells, INTERACTIONS), *CALIBRATION[: len(LEVELS)]),
        *(
            line
            for told in (USE_MODEL, USE_SUM, DO_NOT_TRUST)
            for line in headlines(group_of(cells, told), RELATIVE, OVER_ADDITIVE)
        ),
    )


CELL_CALIBRATION = Task(
    "cell-calibration",
    "error bars, interactions' error bars and verdicts of the cell model, against simulated truth",
    ("norman-effects", "k562-baseline", "gene-sets"),
    (
        Part(PAIRS, pairs),
        Part(DOUBLES, doubles),
        Part("an ensemble of three", ensemble),
    ),
    (*_headlines(PAIRS), *_headlines(DOUBLES)),
    simulated=True,
)
