"""The composition of the cell model: fitted on measured effects, run inside the predictor."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import combinations

import numpy as np
import torch

from gpjepa.compose.composer import Composer
from gpjepa.compose.firsts import Relations
from gpjepa.compose.fit import fit_table
from gpjepa.compose.spread import fit_lone_spread
from gpjepa.data.feature_table import GeneFeatures
from gpjepa.data.labels import members_of
from gpjepa.data.vocabulary import Vocabulary
from gpjepa.evaluation.baselines_strong import leading_directions
from gpjepa.evaluation.effect_table import EffectTable
from gpjepa.model.effect_composition import EffectComposition, Known

FEWEST_SINGLES = 4  # below it neither relations nor interactions can be learned
ROWS = 2048  # genes whose effects are predicted at once
LEAST_GAIN = 0.02  # of the left-out error of singles, for relations between genes to be believed


def fit_members(
    labels: Sequence[str],
    effects: np.ndarray,
    denoised: np.ndarray,
    genes: np.ndarray,
    vocabulary: Vocabulary,
    features: GeneFeatures | None,
    latent: int,
    seed: int,
    trained: Sequence[str] = (),
) -> EffectComposition | None:
    """Fit how effects combine and relate on measured `effects` [labels, H] of the genes at `genes`.

    `denoised` [labels, H] are what decoded single effects are to be, and what genes never
    perturbed are predicted from: measured ones all carry the error of the one control.
    `features` are the user's; None takes the embedded gene sets, an empty table knows nothing.
    `trained` are the combinations that the network has cells of: others do nothing together unless
    they are composed.
    Returns None where there is nothing to learn: fewer than `FEWEST_SINGLES` single perturbations.
    """
    singles = [label for label in labels if len(members_of(label)) == 1]
    if len(singles) < FEWEST_SINGLES:
        return None
    table = EffectTable(tuple(labels), effects)
    composer = fit_table(table, None, features, seed, denoised)
    relations, basis = composer.relations.closest(), composer.priors.basis
    rows = [table.row[name] for name in basis]
    related = denoised[rows]
    missed = relations.errors + effects[rows] - related
    lone = fit_lone_spread(relations, composer.priors.views(basis), missed)
    composer = replace(composer, relations=relations, lone=lone)
    own = denoised[[table.row[name] for name in composer.alone.names]]
    learned = composer.stack.held_out is not None
    names = _placed(composer, vocabulary)
    # Where nothing is composed all that is denoised is kept, not what stands out of noise alone.
    directions = composer.stack.basis if learned else leading_directions(denoised)
    known = _known(composer, names, vocabulary, own, genes, directions)
    stacked = composer.stack.module() if learned else None
    supported = _supported(composer.relations, related)
    errors = composer.error_bars(names)
    return EffectComposition(known, stacked, latent, supported, errors, _pairs(trained, vocabulary))


def _pairs(labels: Sequence[str], vocabulary: Vocabulary) -> torch.Tensor:
    """Return the pairs of names [T, 2] inside combinations."""
    sets = (sorted(map(vocabulary.index_of, members_of(label))) for label in labels)
    found = sorted({pair for own in sets for pair in combinations(own, 2)})
    return torch.tensor(found, dtype=torch.int64).reshape(len(found), 2)


def _placed(composer: Composer, vocabulary: Vocabulary) -> list[str]:
    """Return the names without training cells whose effects relations can place."""
    novel = vocabulary.members[vocabulary.measured :]
    return [name for name in composer.priors.known(novel) if name not in composer.alone.row]


def _known(
    composer: Composer,
    names: list[str],
    vocabulary: Vocabulary,
    denoised: np.ndarray,
    genes: np.ndarray,
    basis: np.ndarray,
) -> Known:
    """Lay out what is known of every name of the vocabulary, along the directions `basis`."""
    alone = composer.alone
    effects, priors = [alone.effects @ basis.T], [alone.priors]
    for start in range(0, len(names), ROWS):
        part = composer.members(names[start : start + ROWS])
        effects.append(part.effects[len(alone.names) :] @ basis.T)
        priors.append(part.priors[len(alone.names) :])
    position = {name: row for row, name in enumerate((*alone.names, *names))}
    row = [position.get(name, -1) for name in vocabulary.members]
    measured = np.zeros(len(position), dtype=bool)
    measured[: len(alone.names)] = True
    return Known(
        torch.tensor(row, dtype=torch.int64),
        torch.from_numpy(np.concatenate(effects)).float(),
        torch.from_numpy(np.concatenate((denoised @ basis.T, *effects[1:]))).float(),
        torch.from_numpy(np.concatenate(priors)).float(),
        torch.from_numpy(measured),
        torch.from_numpy(basis).float(),
        torch.from_numpy(genes),
    )


def _supported(relations: Relations, effects: np.ndarray) -> bool:
    """Say whether relations predict singles left out better than no change and their mean."""
    count = len(effects)
    others = (effects.sum(axis=0) - effects) / max(count - 1, 1)
    own = np.linalg.norm(relations.errors, axis=1).mean()
    floor = min(np.linalg.norm(base, axis=1).mean() for base in (effects, effects - others))
    return bool(own < (1.0 - LEAST_GAIN) * floor)
