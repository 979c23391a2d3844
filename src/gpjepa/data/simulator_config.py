"""Settings of the simulator: frozen, typed, unknown keys refused."""

from __future__ import annotations

import tomllib
from collections.abc import Sequence
from math import comb
from typing import Annotated, Any, Literal

from pydantic import Field, ModelWrapValidatorHandler, ValidationError, model_validator

from gpjepa.core.config import Section
from gpjepa.core.errors import ConfigError, nearest

Count = Annotated[int, Field(ge=1)]
Spread = Annotated[float, Field(ge=0.0, le=5.0)]  # standard deviation on the log scale
Share = Annotated[float, Field(ge=0.0, le=1.0)]


class CellsConfig(Section):
    """How many cells there are and how they differ apart from their perturbation."""

    control: Count = 1000
    perturbed: Count = 100  # cells of each perturbation, over all contexts and doses
    library_median: Annotated[float, Field(ge=1.0, le=1e6)] = 10_000.0  # counts
    library_log_sd: Spread = 0.3
    batches: Count = 1
    batch_log_sd: Spread = 0.1  # of a gene's factor between batches
    states: Count = 1  # such as phases of the cell cycle, in equal shares
    state_log_sd: Spread = 0.5  # of an affected gene's factor between states
    state_genes: Share = 0.2  # share of genes that differ between states


class NormanConfig(Section):
    """The semi-synthetic preset: real effects, interactions, baselines and dispersions."""

    least_cpm: Annotated[float, Field(ge=0.0, le=1e5)] = 0.0  # genes below it in K562 are left out


class FreeConfig(Section):
    """The preset whose mechanism is drawn here and known exactly."""

    genes: Annotated[int, Field(ge=10, le=50_000)] = 1000
    perturbed: Count = 30  # genes that are perturbed, all of them singly
    pairs: Annotated[int, Field(ge=0)] = 60  # pairs that are perturbed
    triples: Annotated[int, Field(ge=0)] = (
        0  # triples that are perturbed: what their pairs do, added
    )
    panel_share: Annotated[float, Field(gt=0.0, le=0.95)] = 0.6  # of control counts; rest unseen
    base_log_sd: Spread = 1.5  # of expression between genes
    size_median: Annotated[float, Field(gt=0.0)] = 2.0  # NB size θ, variance μ + μ²/θ
    size_log_sd: Spread = 0.5
    programs: Count = 8  # sets of genes that move together
    program_genes: Share = 0.1  # share of genes in a program
    effect_sd: Spread = 0.5  # of a program gene's effect on the log rate
    own_sd: Spread = 0.1  # of the part of an effect that follows no program, on as many genes
    target_effect: Annotated[float, Field(ge=-5.0, le=5.0)] = 1.0  # log rate of the gene itself
    interacting: Share = 0.3  # share of pairs with an interaction
    interaction_sd: Spread = 0.4  # on the log rate, on as many genes as a program has
    responders: tuple[Share, Share] = (1.0, 1.0)  # range of a perturbation's responding fraction
    contexts: Count = 1  # cell types
    context_log_sd: Spread = 0.5  # of expression between cell types
    context_effect_sd: Spread = 0.3  # change of an effect relative to its own size
    doses: tuple[Annotated[float, Field(gt=0.0)], ...] = ()  # empty: no dose
    ec50_log_sd: Spread = 1.0  # of the dose with half the effect, around the middle dose
    hill: Annotated[float, Field(gt=0.0, le=10.0)] = 1.0  # steepness of the dose response
    sequences: Annotated[int, Field(ge=0)] = 0  # pairs applied one after the other, both orders
    order_sd: Spread = 0.4  # on the log rate: + in one order, - in the other


class SimulationConfig(Section):
    """All settings of a simulation.

    Raises `ConfigError` for an unknown key or a value out of range.
    """

    preset: Literal["norman", "free"] = "norman"
    seed: Annotated[int, Field(ge=0)] = 0
    cells: CellsConfig = CellsConfig()
    norman: NormanConfig = NormanConfig()
    free: FreeConfig = FreeConfig()

    @model_validator(mode="wrap")
    @classmethod
    def _worded(
        cls, document: Any, handler: ModelWrapValidatorHandler[SimulationConfig]
    ) -> SimulationConfig:
        try:
            config = handler(document)
        except ValidationError as error:
            raise ConfigError(_explain(error)) from error
        _check_free(config.free)
        return config

    def override(self, settings: Sequence[str]) -> SimulationConfig:
        """Return a copy with `key=value` or `section.key=value` settings applied.

        Raises `ConfigError` for a setting that is not understood.
        """
        document = self.model_dump()
        for setting in settings:
            name, separator, text = setting.partition("=")
            *sections, key = name.strip().split(".")
            if not separator or len(sections) > 1:
                raise ConfigError(
                    f"setting {setting!r} is not understood; expected section.key=value; "
                    "write for example cells.control=500"
                )
            place = document.setdefault(sections[0], {}) if sections else document
            place[key] = _value(text.strip())
        return SimulationConfig.model_validate(document)


def _value(text: str) -> Any:
    """Read one TOML value; anything else is a string."""
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text


def _check_free(free: FreeConfig) -> None:
    """Refuse numbers of the free preset that contradict each other."""
    possible, threes = comb(free.perturbed, 2), comb(free.perturbed, 3)
    limits = (
        ("perturbed", free.perturbed, free.genes, "free.genes"),
        ("pairs", free.pairs, possible, f"the {possible} pairs of {free.perturbed} genes"),
        ("triples", free.triples, threes, f"the {threes} triples of {free.perturbed} genes"),
        ("sequences", free.sequences, free.pairs, "free.pairs"),
    )
    for name, found, limit, of in limits:
        if found > limit:
            raise ConfigError(
                f"setting 'free.{name}' is {found}; expected at most {of} ({limit}); "
                "lower it or raise the other"
            )
    if free.responders[0] > free.responders[1]:
        raise ConfigError(
            f"setting 'free.responders' is {free.responders}; expected the lower end of the "
            "range first; swap them"
        )


def _explain(error: ValidationError) -> str:
    """Word a validation error as found, expected, do."""
    first = error.errors()[0]
    path = [str(part) for part in first["loc"]]
    if first["type"] != "extra_forbidden":
        return (
            f"setting {'.'.join(path)!r} is {first['input']!r}; expected: {first['msg']}; "
            "change the value"
        )
    sections: dict[str, type[Section]] = {
        "cells": CellsConfig,
        "norman": NormanConfig,
        "free": FreeConfig,
    }
    known = list((sections[path[0]] if len(path) > 1 else SimulationConfig).model_fields)
    close = nearest(path[-1], known, 1)
    hint = f"did you mean {close[0]!r}?" if close else "remove it"
    return f"setting {'.'.join(path)!r} is not known; expected one of {', '.join(known)}; {hint}"
