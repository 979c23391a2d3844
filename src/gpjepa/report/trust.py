"""How far to trust the predictions: the panels and tables of that section."""

from __future__ import annotations

from dataclasses import dataclass

from gpjepa.report.run import Run
from gpjepa.report.trust_calibration import coverage_panel, effect_pit_panel, population_pit_panel
from gpjepa.report.trust_errors import risk_panel, width_panel
from gpjepa.report.trust_panel import TrustPanel
from gpjepa.report.trust_parts import responders_panel, spread_panel
from gpjepa.report.trust_tables import SourceRow, VerdictRow, source_rows, verdict_rows

MODEL = "model"  # as the source of a prediction


@dataclass(frozen=True)
class Trust:
    """What the section shows: error bars of mean effects, populations of cells, and verdicts."""

    bars: tuple[TrustPanel, ...]
    cells: tuple[TrustPanel, ...]
    verdicts: tuple[VerdictRow, ...]
    sources: tuple[SourceRow, ...]

    @property
    def only_model(self) -> bool:
        """Tell whether every prediction is the model's own."""
        return [row.source for row in self.sources] == [MODEL]

    @property
    def panels(self) -> tuple[TrustPanel, ...]:
        """Return all panels."""
        return (*self.bars, *self.cells)


def trust(run: Run) -> Trust:
    """Return the section on how far to trust the predictions of a run."""
    bars = (coverage_panel(run), effect_pit_panel(run), risk_panel(run), width_panel(run))
    cells = (population_pit_panel(run), spread_panel(run), responders_panel(run))
    return Trust(bars, cells, tuple(verdict_rows(run)), tuple(source_rows(run)))
