"""Which class of genetic interaction a pair falls into."""

from __future__ import annotations

import numpy as np

from gpjepa.evaluation.interaction_measures import (
    MOST_SUBSETS,
    InteractionMeasures,
    interaction_measures,
)

NEGLIGIBLE = 0.1  # of the effect without interaction, below which a pair is additive
UNLIKE_THE_FIT = 0.65  # distance correlation below which no sum of the singles gives the double
ALIKE = 0.6  # distance correlation from which the two singles do the same
SUPPRESSED, WHOLE = 0.9, 1.2  # magnitudes below suppression and from synergy
DOMINANT = 0.3  # |log10| of the ratio of the coefficients: one counts twice the other
FEWEST_GENES = 3

ADDITIVE, SYNERGY, SUPPRESSION = "additive", "synergy", "suppression"
NEOMORPHISM, REDUNDANCY, EPISTASIS = "neomorphism", "redundancy", "epistasis"
NO_CLASS = ""


def name_pairs(
    singles: np.ndarray,
    doubles: np.ndarray,
    interactions: np.ndarray,
    subsets: int = MOST_SUBSETS,
) -> list[str]:
    """Return a class per pair from effects [K, 2, G], [K, G] and interactions [K, G].

    Additive where the interaction's norm is at most a tenth of that of the effect without it;
    else by `name_measures` on the double's effect, fitted on at most `subsets` pairs of genes.
    Empty with fewer than three genes, and for an effect that holds a NaN.
    """
    if doubles.shape[1] < FEWEST_GENES:
        return [NO_CLASS] * len(doubles)
    size = np.linalg.norm(interactions, axis=1)
    small = size <= NEGLIGIBLE * np.linalg.norm(doubles - interactions, axis=1)
    names = np.full(len(doubles), ADDITIVE, dtype=object)
    rest = np.flatnonzero(~small)
    names[rest] = name_measures(interaction_measures(singles[rest], doubles[rest], subsets))
    return [str(name) for name in names]


def name_measures(measures: InteractionMeasures) -> list[str]:
    """Return a class per pair, the first of these rules that holds.

    - suppression: the double has no effect (magnitude and similarity 0);
    - none (empty): the singles are proportional, so that nothing can be fitted, or a NaN;
    - neomorphism: distance correlation of fit and double < .65;
    - redundancy: distance correlation of the singles ≥ .6 and magnitude < 1.2;
    - epistasis: dominance ≥ .3, one coefficient at least twice the other (singles that do the
      same cannot be told apart by it, and are left to the next rules);
    - suppression: magnitude < .9;
    - synergy: magnitude ≥ 1.2;
    - additive: the others.

    The measures are those by which Norman et al. sorted pairs by hand; the thresholds are ours,
    set on their measured effects, where the rules find the published class of 53 of the 80 pairs
    that have one of these classes. The exact sum of two effects has magnitude √2, but measured
    doubles mostly fall short of the sum: so synergy starts below √2, and can be had with an
    interaction that is negative on most genes.

    Source: Norman et al. 2019, Science 365:786, Fig. 4 (the measures and the classes).
    """
    columns = (
        measures.magnitude,
        measures.similarity,
        measures.singles_similarity,
        measures.fit_distance_correlation,
        measures.dominance,
    )
    return [_name(*map(float, row)) for row in zip(*columns, strict=True)]


def _name(magnitude: float, similarity: float, alike: float, fit: float, dominance: float) -> str:
    if np.isnan(magnitude):
        return NO_CLASS
    if magnitude == 0:
        return SUPPRESSION if similarity == 0 else NO_CLASS
    if fit < UNLIKE_THE_FIT:
        return NEOMORPHISM
    if alike >= ALIKE and magnitude < WHOLE:
        return REDUNDANCY
    if dominance >= DOMINANT and alike < ALIKE:
        return EPISTASIS
    if magnitude < SUPPRESSED:
        return SUPPRESSION
    return SYNERGY if magnitude >= WHOLE else ADDITIVE
