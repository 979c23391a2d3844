"""One self-contained page of a run: no request leaves it, and nothing in it can break out."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from gpjepa.core.files import refuse_existing, write_text
from gpjepa.report import (
    curves,
    effect_panels,
    headline,
    latent,
    methods,
    populations,
    scoreboard,
    screen,
)
from gpjepa.report.embed import safe_json
from gpjepa.report.numbers import interval, number, whole
from gpjepa.report.plan import plan_views
from gpjepa.report.run import AXES, Run, read_run
from gpjepa.report.tables import text_of, values_of
from gpjepa.report.trust import trust
from gpjepa.report.trust_tables import head_facts

STYLES = ("page.css", "tables.css", "figures.css", "print.css")
SCRIPTS = ("page.js", "scoreboard.js", "points.js", "screen.js", "populations.js", "latent.js")


def render(run: Path | str, out: Path | str, force: bool = False) -> Path:
    """Write the report of an evaluated run as one HTML file and return its path.

    The bytes are a pure function of the run directory's files.

    Raises:
        CheckpointError: files of the run are missing or damaged, or one of the three axes
            effect, representation and generative has no score.
        OutputExistsError: `out` exists and `force` is off.
    """
    loaded = read_run(run)
    target = refuse_existing(out, force)
    return write_text(target, page(loaded))


def page(run: Run) -> str:
    """Return the report of a run as HTML."""
    environment = _environment()
    view = _view(run)
    return environment.get_template("report.html.j2").render(
        **view,
        style=Markup("\n".join(_source(environment, f"style/{name}") for name in STYLES)),
        script=Markup("\n".join(_source(environment, f"script/{name}") for name in SCRIPTS)),
    )


def _environment() -> Environment:
    """Return the template environment: autoescape on, unknown names refused."""
    environment = Environment(
        loader=PackageLoader("gpjepa.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(number=number, whole=whole)
    environment.globals.update(interval=interval)
    return environment


def _source(environment: Environment, name: str) -> str:
    """Return a style sheet or script of the package, which is trusted, as it is written."""
    assert environment.loader is not None
    return environment.loader.get_source(environment, name)[0]


def _view(run: Run) -> dict[str, Any]:
    """Return everything that the template shows."""
    groups = effect_panels.panel_groups(run)
    trusted = trust(run)
    plans = plan_views(run)
    moments = [populations.variance_scatter(run), populations.zero_scatter(run)]
    named = {f"effect {panel.perturbation}": panel.points for of in groups for panel in of.panels}
    named |= {f"moment {moment.title}": moment.points for moment in moments}
    named |= {f"trust {panel.text.key}": panel.points for panel in trusted.panels if panel.points}
    named |= {plan.key: plan.points for plan in plans if plan.points}
    data: dict[str, Any] = {
        "scoreboard": scoreboard.details(run),
        "points": {name: points.document() for name, points in named.items()},
        "screen": screen.screen_document(run),
        "latent": latent.latent_document(run),
    }
    return {
        "title": _title(run.summary),
        "summary": run.summary,
        "name": run.name,
        "model": run.model,
        "has_additive": bool(run.effects["additive"].notna().any()),
        "has_errors": bool(run.effects[["low", "observed_se"]].notna().to_numpy().any()),
        "opening": headline.opening(run),
        "held_out": held_out(run),
        "held_out_cells": held_out_cells(run),
        "notes": scoreboard.general_notes(run),
        "model_notes": scoreboard.model_notes(run),
        "boards": scoreboard.boards(run),
        "choices": scoreboard.choices(run),
        "groups": groups,
        "trust": trusted,
        "head": head_facts(run),
        "plans": plans,
        "screen_rows": len(run.screen),
        "verdicts": screen.verdicts(run),
        "conditions": populations.conditions(run),
        "moments": moments,
        "latent_points": len(data["latent"]["x"]),
        "stages": curves.stages(run),
        "settings": methods.settings(run),
        "split": methods.split_facts(run),
        "provenance": methods.provenance_facts(run),
        "command": methods.command(run),
        "version": methods.version(run),
        "definitions": methods.definitions(run),
        "data": safe_json(data),
    }


def _title(summary: Mapping[str, Any]) -> str:
    return str(summary.get("title") or "Perturbation response")


def held_out_cells(run: Run) -> float | None:
    """Return how many measured cells were held out: what the per-perturbation rows count."""
    table, labels = run.metrics, set(held_out(run))
    counted: dict[str, float] = {}
    for axis, label, model, cells in zip(
        *(text_of(table, name) for name in ("axis", "perturbation", "model")),
        values_of(table, "n"),
        strict=True,
    ):
        if axis == AXES[0] and model == run.model and label in labels and cells > 0:
            counted.setdefault(label, float(cells))
    return sum(counted.values()) if counted else None


def held_out(run: Run) -> list[str]:
    """Return the held-out perturbations: those of the split, else those with effects."""
    named = run.split.get("test")
    if isinstance(named, list):
        return [str(name) for name in named]
    return list(dict.fromkeys(str(name) for name in run.effects["perturbation"].tolist()))
