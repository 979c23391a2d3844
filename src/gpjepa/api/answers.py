"""What a fitted model answers from a set of control cells."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from gpjepa.api.estimates import drawn as moved
from gpjepa.api.estimates import estimate, sources_of
from gpjepa.api.populations import Start, to_anndata
from gpjepa.core.errors import ConfigError, VocabularyError
from gpjepa.core.random import derive_seed
from gpjepa.data.labels import CONTROL, CONTROL_NAMES, listed, members_of, parse_label
from gpjepa.inference.calibration import MODEL, SUM, TRAINING_MEAN
from gpjepa.inference.error_model import require_level
from gpjepa.inference.means import control_shares, mean_shares
from gpjepa.inference.naming import drawing
from gpjepa.inference.respond import Population, Wanted, draw_sources, respond_each
from gpjepa.inference.rollout import roll_out
from gpjepa.inference.steer import attainable, steer

if TYPE_CHECKING:
    from anndata import AnnData
    from pandas import DataFrame

MEASURED = (SUM, TRAINING_MEAN)  # sources that still have the error of the control in them
MEAN_CELLS = 512  # control cells that expected effects are averaged over
MEAN_SEED = 0  # of the control cells that a moved population starts from: seeds differ by the draw


def canonical(labels: Sequence[str] | str, start: Start) -> tuple[str, ...]:
    """Return canonical labels, each once and in the order given.

    Genes that were perturbed in several ways are named with theirs, as in KLF1@CRISPRi: the one
    that `start` asks for, else the commonest one of the gene in training.
    Raises `VocabularyError` for an unknown member (with the nearest names), a modality without
    training cells or no label at all.
    """
    given = listed(labels)
    if not given:
        raise VocabularyError(
            "no perturbation was named; expected at least one; pass for example ['KLF1']"
        )
    vocabulary = start.bundle.vocabulary
    known = vocabulary.spellings()
    parsed = [parse_label(label, CONTROL_NAMES, known) for label in given]
    found = [vocabulary.resolve(label, start.modality) for label in parsed]
    for label in found:
        for member in members_of(label):
            vocabulary.index_of(member)
    return tuple(dict.fromkeys(found))


def populations(
    start: Start, labels: Sequence[str] | str, cells: int, seed: int, uncertainty: bool = False
) -> AnnData:
    """Sample a population of raw counts for each label.

    A prediction that is not taken from the model, or moved by a draw of its error with
    `uncertainty`, is reached by steering the model's population onto it.
    """
    if cells < 1:
        raise ConfigError(f"cells is {cells}; expected 1 or more; pass for example cells=400")
    parts = population_parts(start, canonical(labels, start), cells, seed, uncertainty)
    return to_anndata(parts, start.cells, start.bundle.panel.names)


def population_parts(
    start: Start, names: Sequence[str], cells: int, seed: int, uncertainty: bool = False
) -> list[tuple[str, Population]]:
    """Return the population of each canonical label; none depends on the others."""
    steering = steerings(start, steered_effects(start, names, seed, uncertainty), seed)
    source = draw_sources(len(start.cells), cells, seed)
    wanted = []
    for label, taken in zip(names, sources_of(start, names), strict=True):
        own = derive_seed(seed, "population", label)
        condition = start.condition([label] * cells, source)
        standing = None if taken in MEASURED else start.standing
        wanted.append(Wanted(condition, own, steering.get(label), label, standing))
    model, controls = start.bundle.model, start.controls
    table = start.cells.table
    found = respond_each(model, table, wanted, source, start.offset, controls.state)
    return list(zip(names, found, strict=True))


def steered_effects(
    start: Start, labels: Sequence[str], seed: int, uncertainty: bool
) -> dict[str, np.ndarray]:
    """Return the mean effects [G] of the labels whose population is not the model's own."""
    sources = sources_of(start, labels)
    some = [
        label
        for label, source in zip(labels, sources, strict=True)
        if (uncertainty or source != MODEL) and label != CONTROL
    ]
    if not some:
        return {}
    found = estimate(start, some, effect_matrix(start, some, MEAN_SEED))
    effects = moved(start, found, seed) if uncertainty else found.effects
    return dict(zip(some, effects, strict=True))


def steerings(start: Start, wanted: Mapping[str, np.ndarray], seed: int) -> dict[str, Tensor]:
    """Return the offsets of the logits that bring the population of each label to its effect [G].

    The control cells are encoded once for all labels.
    """
    if not wanted:
        return {}
    few = averaged_over(start, seed, MEAN_CELLS)
    model, panel = start.bundle.model, start.bundle.panel
    control = control_shares(model, few.controls, start.offset)
    found = {}
    for label, effect in wanted.items():
        asked = torch.from_numpy(effect).to(control)
        shares = attainable(control, asked, start.target, panel.has_rest)
        condition = few.condition([label] * len(few.cells), np.arange(len(few.cells)))
        found[label] = steer(model, few.controls, condition, shares, seed, start.offset)
    return found


def sequence(start: Start, labels: Sequence[str], cells: int, seed: int) -> AnnData:
    """Sample the population that a sequence of perturbations leads to."""
    if cells < 1:
        raise ConfigError(f"cells is {cells}; expected 1 or more; pass for example cells=400")
    given = listed(labels)
    steps = [canonical(label, start)[0] for label in given]
    if not steps:
        canonical(given, start)
    source = draw_sources(len(start.cells), cells, seed)
    conditions = [start.condition([step] * cells, source) for step in steps]
    name = " > ".join(steps)
    own = derive_seed(seed, "rollout", name)
    model, table = start.bundle.model, start.cells.table
    with drawing(name):
        drawn = roll_out(model, table, conditions, source, start.offset, own)
    return to_anndata([(name, drawn)], start.cells, start.bundle.panel.names)


def averaged_over(start: Start, seed: int, cells: int) -> Start:
    """Return the control cells that expected effects are averaged over, at most `cells`."""
    chosen = draw_sources(len(start.cells), min(cells, len(start.cells)), seed)
    return Start(start.bundle, start.cells.take(chosen), start.dose, start.modality)


def effect_matrix(
    start: Start, labels: Sequence[str], seed: int, cells: int = MEAN_CELLS
) -> np.ndarray:
    """Return expected effects [labels, G] in log1p pseudobulk units, averaged over `cells`."""
    few = averaged_over(start, seed, cells)
    controls, offset = few.controls, start.offset
    rows = []
    model = start.bundle.model
    control = torch.log1p(start.target * control_shares(model, controls, offset))
    for label in labels:
        condition = few.condition([label] * len(few.cells), np.arange(len(few.cells)))
        with drawing(label):
            shares = mean_shares(model, controls, condition, seed, offset)
        rows.append((torch.log1p(start.target * shares) - control).cpu().numpy())
    return np.stack(rows).astype(np.float64)


def effect_table(start: Start, labels: Sequence[str] | str, level: float, seed: int) -> DataFrame:
    """Return effects with intervals, novelty and verdict, one row per perturbation and gene."""
    return effect_tables(start, labels, (level,), seed)[0]


def effect_tables(
    start: Start, labels: Sequence[str] | str, levels: Sequence[float], seed: int
) -> list[DataFrame]:
    """Return `effect_table` at each of several levels, of effects that are predicted once."""
    import pandas

    for level in levels:
        require_level(level)
    names = canonical(labels, start)
    found = estimate(start, names, effect_matrix(start, names, seed))
    genes = np.array(start.bundle.panel.names, dtype=object)
    flat = found.effects.ravel()

    def each(values: Sequence[object] | np.ndarray) -> np.ndarray:
        return np.repeat(np.array(values), len(genes))

    def table(level: float) -> DataFrame:
        half = found.bars.half_widths(start.bundle.calibration, level).ravel()
        return pandas.DataFrame(
            {
                "perturbation": each(np.array(names, dtype=object)),
                "gene": np.tile(genes, len(names)),
                "effect": flat,
                "low": flat - half,
                "high": flat + half,
                "sd": found.bars.deviation.ravel(),
                "novelty": each(found.novelty),
                "verdict": each(np.array(found.verdicts, dtype=object)),
                "source": each(np.array(found.sources, dtype=object)),
                "calibrated": each(found.bars.calibrated),
            }
        )

    return [table(level) for level in levels]
