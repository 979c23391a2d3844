"""The outcome of an evaluation: one tidy table, and how it is told in a few lines."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import pandas

from gpjepa.evaluation.report_table import ALL

AXES = ("effect", "representation", "generative")
SUMMARIES = ("population_skill_", "risk_coverage_")  # starts of metrics made of other metrics
HEADLINE = (
    "pearson_delta",
    "pearson_perturbed",
    "slope",
    "l2",
    "discrimination",
    "energy_distance",
    "log_variance_ratio",
)


@dataclass(frozen=True)
class EvaluationReport:
    """Scores of a model and its baselines on all axes.

    `table` has the columns axis, metric, perturbation ("all" for the mean), model, value, low,
    high, floor, ceiling, skill, n, ceiling_low, ceiling_high, undefined. `missing_axes` names
    those for which nothing was supplied; `notes` says what a reader must know.
    """

    table: pandas.DataFrame
    name: str
    missing_axes: tuple[str, ...]
    perturbations: int
    genes: int
    notes: tuple[str, ...]
    unasked: tuple[str, ...] = ()
    curves: pandas.DataFrame = field(default_factory=pandas.DataFrame)

    def first_line(self) -> str:
        """Return the line that opens every printed report: each axis, supplied or not."""
        told = [f"{axis}: {self._state(axis)}" for axis in AXES]
        return f"{', '.join(told)} ({self.perturbations} perturbations, {self.genes} genes)"

    def _state(self, axis: str) -> str:
        if axis in self.unasked:
            return "not asked for"
        return "not supplied" if axis in self.missing_axes else "scored"

    def extended(self, rows: pandas.DataFrame, notes: tuple[str, ...] = ()) -> EvaluationReport:
        """Return the report with more rows and notes."""
        rows = rows.reindex(columns=list(self.table.columns))
        table = pandas.concat([self.table, rows], ignore_index=True) if len(rows) else self.table
        return replace(self, table=table, notes=(*self.notes, *notes))

    def showing(self, curves: Sequence[pandas.DataFrame]) -> EvaluationReport:
        """Return the report with the curves of these tables; empty ones add nothing."""
        drawn = [table for table in curves if len(table)]
        return replace(self, curves=pandas.concat(drawn, ignore_index=True)) if drawn else self

    def headline(self, metrics: Sequence[str] = HEADLINE) -> str:
        """Return the first line and a line for each of `metrics`, best baseline beside it."""
        lines = [self.first_line()]
        for metric in metrics:
            own = self._average(metric, self.name)
            if own is not None:
                lines.append(self._told(metric, own))
        return "\n".join(lines)

    def best_baseline(self, metric: str) -> str | None:
        """Return the baseline that does best on a metric among those with the most perturbations.

        Best is by the paired difference from the model, on the same perturbations.
        """
        rows = self.table[
            (self.table["metric"] == metric)
            & (self.table["perturbation"] == ALL)
            & self.table["model"].str.startswith(f"{self.name} − ")
            & self.table["value"].notna()
        ]
        if rows.empty:
            return None
        rows = rows[rows["n"] == rows["n"].max()]
        gain = rows["value"] if self._higher_is_better(metric) else -rows["value"]
        return str(rows.loc[gain.idxmin(), "model"]).removeprefix(f"{self.name} − ")

    def totals(self) -> dict[str, float]:
        """Return the mean skill of each axis; one that was not supplied counts as the worst.

        Medians of skills and areas of doubt sum up what other rows count already.
        """
        own = self.table[(self.table["model"] == self.name) & (self.table["perturbation"] == ALL)]
        own = own[~own["metric"].str.startswith(SUMMARIES)]
        means = own.groupby("axis")["skill"].mean()
        return {
            axis: -math.inf
            if axis in (*self.missing_axes, *self.unasked)
            else float(means.get(axis, math.nan))
            for axis in AXES
        }

    def to_json(self) -> dict[str, Any]:
        """Return a JSON document: NaN becomes null, infinities the strings "inf" and "-inf"."""
        records = self.table.to_dict(orient="records")
        curves = self.curves.to_dict(orient="records")
        return {
            "model": self.name,
            "first_line": self.first_line(),
            "missing_axes": list(self.missing_axes),
            "perturbations": self.perturbations,
            "genes": self.genes,
            "notes": list(self.notes),
            "totals": {axis: _plain(value) for axis, value in self.totals().items()},
            "table": [{key: _plain(value) for key, value in row.items()} for row in records],
            "curves": [{key: _plain(value) for key, value in row.items()} for row in curves],
        }

    def _average(self, metric: str, model: str) -> pandas.Series | None:
        rows = self.table[
            (self.table["metric"] == metric)
            & (self.table["perturbation"] == ALL)
            & (self.table["model"] == model)
        ]
        return None if rows.empty else rows.iloc[0]

    def _higher_is_better(self, metric: str) -> bool:
        from gpjepa.evaluation.effect_scores import EFFECT_METRICS
        from gpjepa.evaluation.generative import GENERATIVE_METRICS
        from gpjepa.evaluation.interaction_metrics import INTERACTION_METRICS

        metrics = (*EFFECT_METRICS, *INTERACTION_METRICS, *GENERATIVE_METRICS)
        return any(each.name == metric and each.kind == "higher" for each in metrics)

    def _told(self, metric: str, own: pandas.Series) -> str:
        if not own["n"]:
            return f"{metric}: nothing to average (no perturbation responds, or none is defined)"
        told = f"{metric}: {own['value']:.3f} [{own['low']:.3f}, {own['high']:.3f}]"
        rival = self.best_baseline(metric)
        if rival is not None:
            other = self._average(metric, rival)
            gap = self._average(metric, f"{self.name} − {rival}")
            if other is not None and gap is not None:
                told += f"; best baseline {rival} {other['value']:.3f}, difference "
                told += f"{gap['value']:.3f} [{gap['low']:.3f}, {gap['high']:.3f}]"
        told += f"; floor {own['floor']:.3f}, replicate {own['ceiling']:.3f}"
        return (
            f"{told}; skill {own['skill']:.2f} (n {own['n']:.0f}, undefined {own['undefined']:.0f})"
        )


def _plain(value: Any) -> Any:
    """Return a value that JSON can hold."""
    if isinstance(value, str) or value is None:
        return value
    number = float(value)
    if math.isnan(number):
        return None
    if math.isinf(number):
        return "inf" if number > 0 else "-inf"
    return int(number) if not isinstance(value, float) and number.is_integer() else number
