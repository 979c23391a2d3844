"""What a fitted model answers from a set of control cells."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import torch

from gpjepa.api.populations import Start, to_anndata
from gpjepa.core.errors import ConfigError, VocabularyError
from gpjepa.core.random import derive_seed
from gpjepa.data.labels import CONTROL_NAMES, members_of, parse_label
from gpjepa.inference.judgement import novelty, verdict
from gpjepa.inference.means import control_shares, mean_shares
from gpjepa.inference.respond import draw_sources, respond
from gpjepa.inference.rollout import roll_out

if TYPE_CHECKING:
    from anndata import AnnData
    from pandas import DataFrame

MEAN_CELLS = 512  # control cells that expected effects are averaged over


def canonical(labels: Sequence[str] | str, start: Start) -> tuple[str, ...]:
    """Return canonical labels, each once and in the order given.

    Genes that were perturbed in several ways are named with theirs, as in KLF1@CRISPRi: the one
    that `start` asks for, else the commonest one of the gene in training.
    Raises `VocabularyError` for an unknown member (with the nearest names), a modality without
    training cells or no label at all.
    """
    given = [labels] if isinstance(labels, str) else list(labels)
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


def populations(start: Start, labels: Sequence[str] | str, cells: int, seed: int) -> AnnData:
    """Sample a population of raw counts for each label."""
    if cells < 1:
        raise ConfigError(f"cells is {cells}; expected 1 or more; pass for example cells=400")
    parts = []
    model = start.bundle.model
    source = draw_sources(len(start.cells), cells, seed)
    for label in canonical(labels, start):
        condition = start.condition([label] * cells, source)
        own = derive_seed(seed, "population", label)
        drawn = respond(model, start.cells.table, condition, source, start.offset, own)
        parts.append((label, drawn))
    return to_anndata(parts, start.cells, start.bundle.panel.names)


def sequence(start: Start, labels: Sequence[str], cells: int, seed: int) -> AnnData:
    """Sample the population that a sequence of perturbations leads to."""
    if cells < 1:
        raise ConfigError(f"cells is {cells}; expected 1 or more; pass for example cells=400")
    given = [labels] if isinstance(labels, str) else list(labels)
    steps = [canonical(label, start)[0] for label in given]
    if not steps:
        canonical(given, start)
    source = draw_sources(len(start.cells), cells, seed)
    conditions = [start.condition([step] * cells, source) for step in steps]
    name = " > ".join(steps)
    own = derive_seed(seed, "rollout", name)
    model, table = start.bundle.model, start.cells.table
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
        shares = mean_shares(model, controls, condition, seed, offset)
        rows.append((torch.log1p(start.target * shares) - control).cpu().numpy())
    return np.stack(rows).astype(np.float64)


def effect_table(start: Start, labels: Sequence[str] | str, level: float, seed: int) -> DataFrame:
    """Return effects with intervals, novelty and verdict, one row per perturbation and gene."""
    import pandas

    bundle = start.bundle
    half = bundle.calibration.half_width(level)
    names = canonical(labels, start)
    effects = effect_matrix(start, names, seed)
    features = bundle.model.condition.features
    distance = [novelty(bundle.vocabulary, features, name) for name in names]
    judged = [
        verdict(bundle.vocabulary, bundle.calibration, name, far)
        for name, far in zip(names, distance, strict=True)
    ]
    genes = np.array(bundle.panel.names, dtype=object)
    width = len(genes)
    flat = effects.ravel()
    return pandas.DataFrame(
        {
            "perturbation": np.repeat(np.array(names, dtype=object), width),
            "gene": np.tile(genes, len(names)),
            "effect": flat,
            "low": flat - half,
            "high": flat + half,
            "novelty": np.repeat(distance, width),
            "verdict": np.repeat(np.array(judged, dtype=object), width),
            "calibrated": bundle.calibration.calibrated,
        }
    )
