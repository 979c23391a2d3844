"""Belief about pairs, with the doubt of members that were never measured alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from gpjepa.compose.composer import Composer
from gpjepa.data.labels import members_of
from gpjepa.planning.experiments import Belief


def with_members(
    composer: Composer, belief: Belief, basis: np.ndarray, pairs: Sequence[str], lone: Sequence[str]
) -> Belief:
    """Return the belief about pairs [N] and then about genes `lone` [L] never measured.

    `belief` is that about the pairs as if all members were known, along the directions `basis`
    [D, G]. The error of a pair also is that of each member never measured, so that a gene and the
    pairs with it tell of each other. A gene's error is as large as the process over genes leaves
    open, with its noise in a measurement; errors of different genes count as independent.
    """
    labels = (*pairs, *lone)
    measured = set(composer.alone.names)
    new = sorted({name for label in labels for name in members_of(label)} - measured)
    if not new:
        return belief
    relations, views = composer.relations, composer.priors.views(new)
    lengths = ((relations.errors @ basis.T) ** 2).sum(axis=1)
    unit = float((lengths / relations.spread**2).mean() / (belief.spread**2).sum())
    own = (relations.doubt(views) ** 2 - 1.0) * unit
    held = np.array([[name in members_of(label) for name in new] for label in labels], dtype=float)
    covariance = (held * own) @ held.T
    paired = slice(len(pairs))
    covariance[paired, paired] += belief.covariance[paired, paired]
    alone = relations.predict(composer.priors.views(lone)) @ basis.T
    mean = np.concatenate((belief.mean[paired], alone))
    noise = np.concatenate((belief.noise[paired], np.full(len(lone), unit)))
    return replace(belief, mean=mean, covariance=covariance, noise=noise)
