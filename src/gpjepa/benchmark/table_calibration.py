"""Error bars of effect tables: do they cover, are they narrow, and are the verdicts right?"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from gpjepa.benchmark import norman_distances, norman_effects
from gpjepa.benchmark.effect_tables import DOUBLES, GENES, compose, known_features, select
from gpjepa.benchmark.scores import COLUMNS
from gpjepa.benchmark.task import MODEL, Headline, Part, Task
from gpjepa.benchmark.unseen_tables import measured
from gpjepa.compose import Composer
from gpjepa.core.config import Config
from gpjepa.core.random import numpy_stream
from gpjepa.data import datasets, schemes
from gpjepa.data.labels import members_of
from gpjepa.data.perturbseq import read
from gpjepa.evaluation import effect
from gpjepa.evaluation.baselines import fit_effect_baselines
from gpjepa.evaluation.calibration import interval_score
from gpjepa.evaluation.effect_table import EffectTable
from gpjepa.evaluation.intervals import LEVELS
from gpjepa.evaluation.risk_coverage import rank_correlation, risk_coverage
from gpjepa.inference.judgement import DO_NOT_TRUST, USE_MODEL, USE_SUM

if TYPE_CHECKING:
    from pandas import DataFrame

CONSTANT = "constant width"
SUM, ADVISED, BEST = "additive", "as advised", "best baseline"
Rows = Iterator[tuple[str, str, float]]  # metric, model, value


@dataclass(frozen=True, eq=False)
class Asked:
    """What was trained on, what is asked, and what was measured [labels, G]."""

    training: EffectTable
    labels: tuple[str, ...]
    truth: np.ndarray


def held_doubles(table: EffectTable, seed: int) -> Asked:
    """Hold out half of the doubles, as the benchmarks of the tables do."""
    rng = numpy_stream(seed, "benchmark", "doubles")
    draw = schemes.unseen_combination(table.labels, rng, DOUBLES)
    return _asked(table, (*draw.train, *draw.validation), draw.test)


def held_genes(table: EffectTable, seed: int) -> Asked:
    """Hold out a quarter of the perturbed genes with their doubles, and ask for them alone."""
    rng = numpy_stream(seed, "benchmark", "genes")
    draw = schemes.unseen_perturbation(table.labels, rng, GENES)
    alone = [label for label in draw.test if len(members_of(label)) == 1]
    return _asked(table, (*draw.train, *draw.validation), alone)


def held_targets(seed: int) -> Asked:
    """Hold out a quarter of the targets of norman-singles: pseudobulk effects of its 15 genes.

    Training effects are against one half of the control cells, the truth against the other.
    """
    data = read(datasets.load("norman-singles"), announce=False)
    training, truth = measured(data, data.split("unseen-perturbation", seed=seed))
    return Asked(training, truth.labels, truth.effects)


def calibration_rows(group: str, asked: Asked, seed: int) -> DataFrame:
    """Score the intervals, their order and the verdicts on perturbations left out.

    Genes of which nothing is known are left out: the composition refuses them. Rows of
    "additive" and "best baseline" stand beside; a value is a mean over perturbations.
    """
    import pandas

    composer = compose(asked.training, seed).composer
    known = {*composer.alone.names, *composer.priors.known(sorted(schemes.genes_of(asked.labels)))}
    at = [i for i, label in enumerate(asked.labels) if known.issuperset(members_of(label))]
    asked = Asked(asked.training, tuple(asked.labels[i] for i in at), asked.truth[at])
    found = [
        *interval_rows(composer, asked, seed),
        *verdict_rows(composer, asked),
        *baseline_rows(composer, asked, seed),
    ]
    rows = [
        (group, metric, model, value, np.nan, np.nan, len(at)) for metric, model, value in found
    ]
    return pandas.DataFrame(rows, columns=list(COLUMNS))


def interval_rows(composer: Composer, asked: Asked, seed: int) -> Rows:
    """Yield coverage, interval scores over those of one width, spread over skill, and the order."""
    for level in LEVELS:
        told = composer.predict(asked.labels, level)
        percent = f"{100 * level:.0f}"
        inside = (told.low <= asked.truth) & (asked.truth <= told.high)
        yield f"coverage_{percent}", MODEL, float(inside.mean())
        yield (
            f"score_{percent}_over_constant",
            MODEL,
            over_constant(asked.truth, told.effects, told.high - told.effects, level),
        )
        several = np.array([len(members_of(label)) > 1 for label in asked.labels])
        if several.all():
            beyond = asked.truth - composer.alone.sums(asked.labels)
            inside = (told.interaction_low <= beyond) & (beyond <= told.interaction_high)
            yield f"interaction_coverage_{percent}", MODEL, float(inside.mean())
    squares = (asked.truth - told.effects) ** 2
    variance = told.deviation**2
    yield "spread_skill", MODEL, float((squares.mean(1) / variance.mean(1)).mean())
    yield "spread_skill_pooled", MODEL, float(squares.mean() / variance.mean())
    error, doubt = np.sqrt(squares.mean(1)), np.sqrt(variance.mean(1))
    yield "spearman_sd_error", MODEL, rank_correlation(doubt, error)
    curve = risk_coverage(error, doubt, seed)
    yield "risk_coverage_area", MODEL, curve.area / curve.random_area
    yield "risk_coverage_area", "oracle: order of the errors", curve.oracle_area / curve.random_area


def over_constant(truth: np.ndarray, mean: np.ndarray, half: np.ndarray, level: float) -> float:
    """Return the interval score over that of one width for all, which covers as many."""
    error = np.abs(truth - mean)
    share = float((error <= half).mean())
    constant = np.full_like(half, np.quantile(error, share))
    own, other = (
        interval_score(truth, mean - each, mean + each, level).mean() for each in (half, constant)
    )
    return float(own / other)


def verdict_rows(composer: Composer, asked: Asked) -> Rows:
    """Yield the share of each verdict and the error of what has it: Σ|error| over Σ|effect|.

    Beside the model stands the sum of the measured singles, and what the verdict says to use: the
    sum where it says so, else the model.
    """
    told = composer.predict(asked.labels)
    given = np.array(told.verdict)
    shown = {MODEL: told.effects}
    if all(label in composer.alone.row for each in asked.labels for label in members_of(each)):
        shown[SUM] = composer.alone.sums(asked.labels)
        shown[ADVISED] = np.where((given == USE_SUM)[:, None], shown[SUM], shown[MODEL])
    for verdict in (USE_MODEL, USE_SUM, DO_NOT_TRUST):
        has = given == verdict
        yield f"share: {verdict}", MODEL, float(has.mean())
        if has.any():
            for name, rows in shown.items():
                error = effect.normalised_mae(rows[has], asked.truth[has])
                yield f"error: {verdict}", name, float(error.mean())
            if SUM in shown:
                own, other = (effect.l2(shown[name], asked.truth)[has] for name in (MODEL, SUM))
                yield f"l2_over_additive: {verdict}", MODEL, float((own / other).mean())


def baseline_rows(composer: Composer, asked: Asked, seed: int) -> Rows:
    """Yield the model's mean distance over the best baseline's, and their paired difference.

    The difference is in its own standard errors over perturbations, below 0 where the model is
    closer.
    """
    whole = EffectTable(
        (*asked.training.labels, *asked.labels),
        np.concatenate((asked.training.effects, asked.truth)),
    )
    features = known_features(whole, asked.training)
    own = effect.l2(composer.predict(asked.labels).effects, asked.truth)
    others = {}
    for rule in fit_effect_baselines(asked.training, features=features, seed=seed):
        rows = rule.effects(asked.labels)
        if np.isfinite(rows).all():
            others[rule.name] = effect.l2(rows, asked.truth)
    best = min(others.values(), key=lambda each: float(each.mean()))
    gap = own - best
    yield "l2_over_best_baseline", MODEL, float(own.mean() / best.mean())
    error = gap.std(ddof=1) / np.sqrt(len(gap))
    yield "difference_in_standard_errors", MODEL, float(gap.mean() / error)


def _asked(table: EffectTable, trained: Sequence[str], labels: Sequence[str]) -> Asked:
    training = select(table, sorted(trained))
    return Asked(training, tuple(labels), select(table, labels).effects)


def _part(name: str, group: str, asked: Callable[[int], Asked]) -> Part:
    def score(config: Config, seed: int, device: str) -> DataFrame:
        return calibration_rows(group, asked(seed), seed)

    score.__name__ = f"calibration of {name}"  # tells its results from the others'
    return Part(name, score)


GROUPS = ("effects, doubles", "effects, genes", "distances, doubles", "distances, genes", "singles")
CALIBRATION = Task(
    "calibration",
    "error bars and verdicts of effect tables: norman-effects, norman-distances, norman-singles",
    ("norman-effects", "norman-distances", "norman-singles", "k562-baseline", "gene-sets"),
    (
        _part(
            "effects, doubles", GROUPS[0], lambda s: held_doubles(norman_effects.load_table(), s)
        ),
        _part("effects, genes", GROUPS[1], lambda s: held_genes(norman_effects.load_table(), s)),
        _part(
            "distances, doubles",
            GROUPS[2],
            lambda s: held_doubles(norman_distances.load_table(), s),
        ),
        _part(
            "distances, genes", GROUPS[3], lambda s: held_genes(norman_distances.load_table(), s)
        ),
        _part("singles", GROUPS[4], held_targets),
    ),
    tuple(
        Headline(group, metric, text, best)
        for group in GROUPS
        for metric, text, best in (
            ("coverage_90", "coverage of 90 % intervals → .9", 0.9),
            ("score_90_over_constant", "interval score ÷ one width's ↓", 0.0),
            ("spread_skill", "spread–skill → 1", 1.0),
            ("spearman_sd_error", "Spearman(σ, error) ↑", 1.0),
        )
    ),
)
