"""What is believed of the errors of a model's predicted effects, and how they covary."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from gpjepa.api.estimates import aimed_at
from gpjepa.api.populations import Start
from gpjepa.core.errors import ConfigError
from gpjepa.data.labels import members_of
from gpjepa.model.effect_composition import EffectComposition
from gpjepa.planning.experiments import Belief, belief_of

NOISE = 0.25  # variance of a measurement relative to the mean error, where no double tells
HALF, MOST = 0.5, 0.95  # share of a pair's error that is its members', where nothing tells; most
TINY = 1e-12


def believed(start: Start, labels: Sequence[str]) -> tuple[Belief, np.ndarray]:
    """Return the belief about the effects of genes and pairs [N], and their deviations [N].

    A deviation is the root mean squared error that the error bars expect. The error of a pair is
    that of its members never measured alone plus what the members do together, so a gene and all
    pairs with it tell of each other; the two kinds of error are independent. Errors of genes
    covary as their features are alike, those of members together as the composition's kernels do.
    """
    own = _placed(start, labels)
    deviation, noise = _errors(start, labels)
    share = _shares(start, labels, own)
    held = np.sqrt(share) * deviation[:, None]
    covariance = held @ _of_genes(start, own) @ held.T
    pairs = [row for row, label in enumerate(labels) if len(members_of(label)) == 2]
    if pairs:
        together = np.sqrt(1 - share[pairs].sum(axis=1)) * deviation[pairs]
        alike = _of_pairs(start, [labels[row] for row in pairs])
        covariance[np.ix_(pairs, pairs)] += alike * np.outer(together, together)
    return belief_of(covariance, deviation, noise), deviation


def composition_of(start: Start) -> EffectComposition:
    """Return what composes effects; raise `ConfigError` for a model without."""
    composition = start.bundle.model.predictor.composition
    if composition is None:
        raise ConfigError(
            "the model composes no effects, so nothing tells how much one experiment says of "
            "another; expected predictor.form = 'composed'; train such a model"
        )
    return composition


def placed(start: Start, names: Sequence[str]) -> np.ndarray:
    """Tell which genes have no training cells of their own but an effect from their features."""
    composition, vocabulary = composition_of(start), start.bundle.vocabulary
    index = torch.tensor([vocabulary.index_of(name) for name in names], dtype=torch.int64)
    found = composition.places(index[:, None].to(composition.genes.device))
    return np.asarray(found[:, 0].cpu().numpy())


def _placed(start: Start, labels: Sequence[str]) -> list[str]:
    """Return the members of labels whose own effects are predicted from features."""
    names = sorted({name for label in labels for name in members_of(label)})
    return [name for name, there in zip(names, placed(start, names), strict=True) if there]


def _shares(start: Start, labels: Sequence[str], own: Sequence[str]) -> np.ndarray:
    """Return the share of each label's squared error that is that of each gene of `own` [N, M].

    As the composition's error bars say, half where it has none; all of a gene's own.
    """
    held = np.array([[name in members_of(label) for name in own] for label in labels], dtype=float)
    held = held.reshape(len(labels), len(own))
    lone = np.array([len(members_of(label)) == 1 for label in labels], dtype=bool)
    genes, whole = _expected(start, own), _expected(start, labels)[:, None]
    share = np.where(np.isfinite(genes / whole), genes / np.maximum(whole, TINY), HALF) * held
    total = np.maximum(share.sum(axis=1, keepdims=True), TINY)
    return np.where(lone[:, None], held, share * np.minimum(1.0, MOST / total))


def _expected(start: Start, labels: Sequence[str]) -> np.ndarray:
    """Return the mean squared error that the composition expects of each label, NaN for none."""
    spread = composition_of(start).spread(_numbers(start, labels))
    return np.asarray((spread.double().cpu().numpy() ** 2).mean(axis=1))


def _errors(start: Start, labels: Sequence[str]) -> tuple[np.ndarray, float]:
    """Return the root mean squared error expected of each effect, and a measurement's variance."""
    genes, _, deviations = aimed_at(start, tuple(labels))
    deviation = np.sqrt((deviations**2).mean(axis=1))
    evidence = start.bundle.calibration.evidence
    noise = 0.0 if evidence is None else float(evidence.doubles_noise[genes].mean())
    return deviation, noise if noise > 0 else NOISE * float((deviation**2).mean())


def _numbers(start: Start, labels: Sequence[str]) -> torch.Tensor:
    """Return the members of labels by their numbers [N, K], where the composition lies."""
    numbers = torch.from_numpy(start.bundle.vocabulary.encode(tuple(labels)))
    return numbers.to(composition_of(start).genes.device)


@torch.no_grad()
def _of_genes(start: Start, names: Sequence[str]) -> np.ndarray:
    """Return how the errors of genes placed by their features correlate [M, M]."""
    found = composition_of(start).likeness(_numbers(start, names)[:, :1])
    return _correlation(found.double().cpu().numpy())


@torch.no_grad()
def _of_pairs(start: Start, pairs: Sequence[str]) -> np.ndarray:
    """Return how the errors of what members do together correlate [P, P].

    By the share of members in common where no kernel was learned.
    """
    related = composition_of(start).relation(_numbers(start, pairs))
    if related is not None:
        return _correlation(related.double().cpu().numpy())
    held = [set(members_of(label)) for label in pairs]
    return np.array([[len(one & other) / 2 for other in held] for one in held])


def _correlation(covariance: np.ndarray) -> np.ndarray:
    """Return a covariance [N, N] as correlations; what has no variance covaries with itself."""
    own = np.sqrt(np.maximum(np.diagonal(covariance), TINY))
    found = np.clip(covariance / np.outer(own, own), -1.0, 1.0)
    np.fill_diagonal(found, 1.0)
    return found
