"""The free preset: a mechanism drawn at random whose truth is known exactly."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd

from gpjepa.core.random import numpy_stream
from gpjepa.data.labels import CONTROL, label_of
from gpjepa.data.simulator_blueprint import PROFILE_COLUMNS, Blueprint, checked
from gpjepa.data.simulator_config import FreeConfig

Pair = tuple[int, int]
Triple = tuple[int, int, int]


@dataclass(frozen=True, eq=False)
class Mechanism:
    """All random parts of the free preset; effects are on the log rate at full dose."""

    genes: list[str]
    perturbed: np.ndarray  # [P] positions in genes
    base: np.ndarray  # [contexts, G] shares of a control cell's counts
    size: np.ndarray  # [G]
    loadings: np.ndarray  # [P, programs]
    effects: np.ndarray  # [contexts, P, G]
    interactions: dict[Pair, np.ndarray]  # [G]; only pairs that interact
    order: dict[Pair, np.ndarray]  # [G]; added in the order (first, second), else subtracted
    pairs: list[Pair]
    triples: list[Triple]
    fraction: dict[tuple[int, ...], float]  # of responders
    ec50: np.ndarray  # [P]


def free_blueprint(config: FreeConfig, seed: int) -> Blueprint:
    """Return populations drawn from a mechanism with programs, pairs, contexts, doses, orders.

    On the log rate, responding cells have Σ_i h_i η_i + Σ_{i<j} h_i h_j (I_ij ± O_ij), where h is
    the Hill response to the dose, η an effect, I an interaction and O the effect of the order; a
    triple has those of its pairs that were drawn, and none of its own.
    Raises `ConfigError` when the effects make the genes exceed a cell's counts.
    """
    mechanism = draw(config, seed)
    rows, rates = zip(*_profiles(config, mechanism), strict=True)
    names = [mechanism.genes[position] for position in mechanism.perturbed]
    programs = [f"program{index + 1}" for index in range(config.programs)]
    hill = pd.DataFrame({"ec50": mechanism.ec50, "hill": config.hill}, index=names)
    return checked(
        Blueprint(
            genes=np.array(mechanism.genes, dtype=object),
            profiles=pd.DataFrame(rows, columns=list(PROFILE_COLUMNS)),
            rates=np.stack(rates),
            size=mechanism.size,
            hill=hill if config.doses else hill.iloc[:0],
            features=pd.DataFrame(mechanism.loadings, index=names, columns=programs),
        )
    )


def draw(config: FreeConfig, seed: int) -> Mechanism:
    """Draw the mechanism; each part has its own stream, so that one never shifts another."""
    base = numpy_stream(seed, "base")
    width = len(str(config.genes))
    genes = [f"GENE{index + 1:0{width}d}" for index in range(config.genes)]
    logits = config.base_log_sd * base.standard_normal(config.genes)
    shifts = config.context_log_sd * base.standard_normal((config.contexts, config.genes))
    shifts[0] = 0.0  # the first cell type is the reference
    levels = np.exp(logits + shifts)
    levels *= config.panel_share / levels.sum(axis=1, keepdims=True)
    noise = numpy_stream(seed, "size").standard_normal(config.genes)
    perturbed = np.sort(
        numpy_stream(seed, "perturbed").choice(config.genes, config.perturbed, replace=False)
    )
    loadings, effects = _draw_effects(config, seed, perturbed)
    pairs, triples = _draw_sets(config, seed)
    interacting = numpy_stream(seed, "interactions")
    chosen = interacting.permutation(config.pairs)[: round(config.interacting * config.pairs)]
    order = numpy_stream(seed, "order")
    sequential = order.permutation(config.pairs)[: config.sequences]
    fractions = numpy_stream(seed, "responders")
    doses = numpy_stream(seed, "doses").standard_normal(config.perturbed)
    middle = float(np.median(config.doses)) if config.doses else 1.0
    return Mechanism(
        genes=genes,
        perturbed=perturbed,
        base=levels,
        size=config.size_median * np.exp(config.size_log_sd * noise),
        loadings=loadings,
        effects=effects,
        interactions={
            pairs[index]: _sparse(config, interacting, config.interaction_sd)
            for index in np.sort(chosen)
        },
        order={
            pairs[index]: _sparse(config, order, config.order_sd) for index in np.sort(sequential)
        },
        pairs=pairs,
        triples=triples,
        fraction={
            members: float(fractions.uniform(*config.responders))
            for members in [*((index,) for index in range(config.perturbed)), *pairs, *triples]
        },
        ec50=middle * np.exp(config.ec50_log_sd * doses),
    )


def _sparse(config: FreeConfig, rng: np.random.Generator, sd: float) -> np.ndarray:
    """Draw changes [G] of the log rate that touch as many genes as a program does."""
    touched = rng.random(config.genes) < config.program_genes
    return np.where(touched, sd * rng.standard_normal(config.genes), 0.0)


def _draw_effects(
    config: FreeConfig, seed: int, perturbed: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Draw loadings [P, programs] and effects [contexts, P, G]."""
    rng = numpy_stream(seed, "effects")
    programs = np.stack([_sparse(config, rng, config.effect_sd) for _ in range(config.programs)])
    loadings = rng.standard_normal((config.perturbed, config.programs))
    loadings *= rng.random(loadings.shape) < 2 / config.programs  # about two programs each
    own = np.stack([_sparse(config, rng, config.own_sd) for _ in range(config.perturbed)])
    reference = loadings @ programs + own
    changes = 1 + config.context_effect_sd * numpy_stream(seed, "contexts").standard_normal(
        (config.contexts, *reference.shape)
    )
    changes[0] = 1.0
    effects = reference * changes
    effects[:, np.arange(config.perturbed), perturbed] = config.target_effect
    return loadings, effects


def _draw_sets(config: FreeConfig, seed: int) -> tuple[list[Pair], list[Triple]]:
    """Draw distinct pairs and triples of perturbed genes, in order."""
    everyone = range(config.perturbed)
    pairs = list(itertools.combinations(everyone, 2))
    some = numpy_stream(seed, "pairs").permutation(len(pairs))[: config.pairs]
    triples = list(itertools.combinations(everyone, 3)) if config.triples else []
    more = numpy_stream(seed, "triples").permutation(len(triples))[: config.triples]
    return [pairs[index] for index in np.sort(some)], [triples[index] for index in np.sort(more)]


def log_rate(
    config: FreeConfig,
    mechanism: Mechanism,
    members: tuple[int, ...],
    context: int,
    dose: float,
    sequence: tuple[int, ...] = (),
) -> np.ndarray:
    """Return the effect [G] on the log rate of responding cells; dose nan is full dose."""
    power = config.hill
    response = np.ones(len(mechanism.ec50))
    if np.isfinite(dose):
        response = dose**power / (dose**power + mechanism.ec50**power)
    total = np.zeros(len(mechanism.genes))
    for member in members:
        total += response[member] * mechanism.effects[context, member]
    for pair in itertools.combinations(members, 2):
        together = response[pair[0]] * response[pair[1]]
        total += together * mechanism.interactions.get(pair, 0.0)
        if sequence:
            sign = 1.0 if sequence == pair else -1.0
            total += sign * together * mechanism.order[pair]
    return total


def _profiles(
    config: FreeConfig, mechanism: Mechanism
) -> Iterator[tuple[tuple[str, str, float, str, bool, float], np.ndarray]]:
    """Yield the rows of the profile table with their rates."""
    names = [mechanism.genes[position] for position in mechanism.perturbed]
    doses = config.doses or (float("nan"),)
    singles = ((index,) for index in range(config.perturbed))
    everyone = [*singles, *mechanism.pairs, *mechanism.triples]
    for context in range(config.contexts):
        cell_type = f"type{context + 1}"
        base = mechanism.base[context]
        yield (CONTROL, cell_type, 0.0 if config.doses else doses[0], "", False, 1.0), base
        for members, dose in itertools.product(everyone, doses):
            label = label_of(names[member] for member in members)
            share = mechanism.fraction[members]
            orders = [members, members[::-1]] if members in mechanism.order else [()]
            for order in orders:
                text = ">".join(names[member] for member in order)
                effect = log_rate(config, mechanism, members, context, dose, order)
                weight = share / len(orders)
                yield (label, cell_type, dose, text, True, weight), base * np.exp(effect)
            if share < 1.0:
                yield (label, cell_type, dose, "", False, 1.0 - share), base
