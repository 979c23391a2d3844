"""A table of predicted effects with intervals, of one level or several, as arrays."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas
from scipy import special

from gpjepa.core.errors import DataError
from gpjepa.data.labels import parse_label

NEEDED = ("perturbation", "gene", "effect", "low", "high")
LEVEL = 0.9  # of the intervals, where the table does not say
SPREAD_LEVEL = 0.683  # of one standard deviation; the level nearest to it gives the spread
SHOWN = 5  # names that a message lists


@dataclass(frozen=True, eq=False)
class EffectIntervals:
    """Predicted effects [P, G] in log1p units, with their error bars by level, [L, P, G].

    `below` and `above` are standard deviations on either side of `effect`: the distance of an
    interval's end over the normal quantile of its level. `levels` [L] rise. `verdicts` [P] and
    `novelty` [P] are empty without such a column.
    """

    effect: np.ndarray
    below: np.ndarray
    above: np.ndarray
    verdicts: tuple[str, ...] = ()
    levels: tuple[float, ...] = (LEVEL,)
    novelty: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        wanted = (len(self.levels), *self.effect.shape)
        if self.below.shape != wanted or self.above.shape != wanted:
            raise DataError(
                f"error bars have the shapes {self.below.shape} and {self.above.shape}; expected "
                f"{wanted}, a standard deviation for each level and effect; pass one per level"
            )

    @property
    def spoiled(self) -> np.ndarray:
        """Tell which perturbations [P] hold a NaN."""
        return np.isnan(self.effect + self.below.sum(0) + self.above.sum(0)).any(1)

    def spread(self, error: np.ndarray | float = 0.0) -> np.ndarray:
        """Return the standard deviation [P, G], mean of both sides, with an `error` added.

        Of several levels, the one nearest to `SPREAD_LEVEL` counts.
        """
        row = int(np.argmin(np.abs(np.array(self.levels) - SPREAD_LEVEL)))
        return 0.5 * (np.hypot(self.below[row], error) + np.hypot(self.above[row], error))

    def ends(self, level: float, error: np.ndarray | float = 0.0) -> tuple[np.ndarray, np.ndarray]:
        """Return the interval [P, G] of any level, widened by a standard `error`.

        Widths are those of the table at its own levels, with var_total = var + error²; between
        them linear, and beyond them proportional, in the normal quantile of the level.
        """
        z = normal_quantile(level)
        low, high = (_width(z, self._knots(side, error)) for side in (self.below, self.above))
        return self.effect - low, self.effect + high

    def scores(self, observed: np.ndarray, error: np.ndarray | float = 0.0) -> np.ndarray:
        """Return how far `observed` [P, G] lies out, in normal quantiles of either sign.

        The inverse of `ends`: an effect lies inside the interval of a level where the size of its
        score is at most that level's normal quantile; Φ of the score is its PIT.
        """
        distance = observed - self.effect
        above = _quantile(np.maximum(distance, 0.0), self._knots(self.above, error))
        below = _quantile(np.maximum(-distance, 0.0), self._knots(self.below, error))
        return np.where(distance < 0, -below, above)

    def take(self, rows: np.ndarray) -> EffectIntervals:
        """Return the intervals of some perturbations."""
        index = np.arange(len(self.effect))[rows]
        return EffectIntervals(
            effect=self.effect[index],
            below=self.below[:, index],
            above=self.above[:, index],
            verdicts=tuple(self.verdicts[row] for row in index) if self.verdicts else (),
            levels=self.levels,
            novelty=tuple(self.novelty[row] for row in index) if self.novelty else (),
        )

    def _knots(self, side: np.ndarray, error: np.ndarray | float) -> list[tuple[float, np.ndarray]]:
        """Return each level's normal quantile with the total standard deviation [P, G] there."""
        quantiles = [normal_quantile(level) for level in self.levels]
        return [(z, np.hypot(sd, error)) for z, sd in zip(quantiles, side, strict=True)]


def normal_intervals(effect: np.ndarray, sd: np.ndarray) -> EffectIntervals:
    """Return the intervals of normal forecasts with mean `effect` and deviation `sd`, [P, G]."""
    bars = np.broadcast_to(sd, effect.shape)[None]
    return EffectIntervals(effect, bars, bars)


def normal_quantile(level: float) -> float:
    """Return the z whose interval ±z holds a share `level` of a normal distribution."""
    return float(special.ndtri(0.5 + 0.5 * level))


def read_intervals(
    table: pandas.DataFrame, perturbations: tuple[str, ...], genes: np.ndarray
) -> EffectIntervals:
    """Arrange a table of perturbation, gene, effect, low, high as arrays.

    A `level` column gives the coverage that the intervals claim, .9 without one; with several
    levels every effect has a row for each.

    Raises:
        DataError: a column, a perturbation or a gene is missing, a row is there twice, an
            interval is upside down or lies outside that of a higher level, its effect lies
            outside it or differs between levels, or a level is not between 0 and 1.
    """
    absent = [column for column in NEEDED if column not in table]
    if absent:
        raise DataError(
            f"the effects table lacks {', '.join(absent)} (it has "
            f"{', '.join(map(str, table.columns))}); expected {', '.join(NEEDED)}; rename or add"
        )
    levels = _levels(table)
    parsed = {text: parse_label(text) for text in set(table["perturbation"].astype(str))}
    labels = np.array([parsed[text] for text in table["perturbation"].astype(str)], dtype=object)
    rows = pandas.Index(np.array(perturbations, dtype=object)).get_indexer(labels)
    columns = pandas.Index(np.asarray(genes, dtype=object)).get_indexer(
        np.array([str(gene) for gene in table["gene"]], dtype=object)
    )
    given = np.full(len(table), levels[0]) if "level" not in table else table["level"]
    layer = np.searchsorted(levels, np.asarray(given, dtype=np.float64))
    use = (rows >= 0) & (columns >= 0)
    place = (layer[use], rows[use], columns[use])
    seen = np.zeros((len(levels), len(perturbations), len(genes)), dtype=np.int64)
    np.add.at(seen, place, 1)
    for level, of_level in zip(levels, seen, strict=True):
        _require_all(of_level, perturbations, genes, level if len(levels) > 1 else None)
    arrays = {}
    for name in ("effect", "low", "high"):
        arrays[name] = np.full(seen.shape, np.nan)
        arrays[name][place] = table[name].to_numpy(dtype=np.float64)[use]
    _require_nested(arrays["effect"], arrays["low"], arrays["high"], levels)
    z = np.array([normal_quantile(level) for level in levels])[:, None, None]
    first = {label: row for row, label in reversed(list(enumerate(labels)))}
    return EffectIntervals(
        effect=arrays["effect"][0],
        below=(arrays["effect"] - arrays["low"]) / z,
        above=(arrays["high"] - arrays["effect"]) / z,
        verdicts=tuple(map(str, _of_each(table, "verdict", first, perturbations))),
        levels=levels,
        novelty=tuple(map(float, _of_each(table, "novelty", first, perturbations))),
    )


def _width(z: float, knots: list[tuple[float, np.ndarray]]) -> np.ndarray:
    """Return the distance of an interval's end at the normal quantile `z`."""
    lower = (0.0, knots[0][1])
    for at, sd in knots:
        if z <= at:
            share = (z - lower[0]) / (at - lower[0])
            return (1.0 - share) * lower[0] * lower[1] + share * at * sd
        lower = (at, sd)
    return z * lower[1]


def _quantile(distance: np.ndarray, knots: list[tuple[float, np.ndarray]]) -> np.ndarray:
    """Return the normal quantile whose interval ends at a `distance` ≥ 0; 0 for none at all."""
    with np.errstate(divide="ignore", invalid="ignore"):
        result = distance / knots[-1][1]
        for (first, narrow), (second, wide) in zip(knots[-2::-1], knots[:0:-1], strict=True):
            start, end = first * narrow, second * wide
            between = first + (second - first) * (distance - start) / (end - start)
            result = np.where(distance < end, between, result)
        result = np.where(distance <= knots[0][0] * knots[0][1], distance / knots[0][1], result)
    return np.where(distance == 0, 0.0, result)


def _of_each(
    table: pandas.DataFrame, name: str, first: dict[str, int], perturbations: tuple[str, ...]
) -> list[Any]:
    """Return a column's value in the first row of each perturbation; empty without the column."""
    if name not in table:
        return []
    values = table[name].tolist()
    return [values[first[label]] for label in perturbations]


def _require_all(
    seen: np.ndarray, perturbations: tuple[str, ...], genes: np.ndarray, level: float | None
) -> None:
    at = "" if level is None else f" at level {level:g}"
    if (seen > 1).any():
        row, column = np.argwhere(seen > 1)[0]
        raise DataError(
            f"the effects table has {perturbations[row]!r}, gene {genes[column]!r} more than once"
            f"{at}; expected one row for each; remove the repeats"
        )
    lacking = seen == 0
    if not lacking.any():
        return
    empty = [label for label, row in zip(perturbations, lacking, strict=True) if row.all()]
    row, column = np.argwhere(lacking)[0]
    what = (
        f"perturbation {', '.join(map(repr, empty[:SHOWN]))}"
        if empty
        else f"{int(lacking.sum())} effects, among them {perturbations[row]!r} on {genes[column]!r}"
    )
    raise DataError(
        f"the effects table lacks {what}{at}; expected every observed perturbation with every "
        "scored gene; add the rows"
    )


def _require_nested(
    effect: np.ndarray, low: np.ndarray, high: np.ndarray, levels: tuple[float, ...]
) -> None:
    if (low > high).any():
        raise DataError(
            "the effects table has intervals with low above high; expected low ≤ high; swap them"
        )
    outside = (effect < low) | (effect > high)
    if outside.any():
        raise DataError(
            f"the effects table has {int(outside.sum())} effects outside their own interval; "
            "expected low ≤ effect ≤ high; check that the columns belong together"
        )
    if (np.abs(effect - effect[0]) > 1e-9).any():
        raise DataError(
            "the effects table has different effects at different levels; expected the same "
            "effect with a wider interval; give each perturbation and gene one effect"
        )
    if (np.diff(low, axis=0) > 1e-9).any() or (np.diff(high, axis=0) < -1e-9).any():
        raise DataError(
            f"the effects table has intervals that do not lie inside those of a higher level "
            f"(levels {', '.join(f'{level:g}' for level in levels)}); expected them to widen with "
            "the level; check the level column"
        )


def _levels(table: pandas.DataFrame) -> tuple[float, ...]:
    if "level" not in table:
        return (LEVEL,)
    levels = np.unique(table["level"].to_numpy(dtype=np.float64))
    if not levels.size or not ((levels > 0.0) & (levels < 1.0)).all():
        raise DataError(
            f"the effects table has the levels {', '.join(f'{each:g}' for each in levels[:SHOWN])}"
            "; expected numbers between 0 and 1, both left out; give shares such as 0.9"
        )
    return tuple(float(level) for level in levels)
