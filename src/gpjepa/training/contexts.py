"""How effects differ between contexts, and which contexts are alike: fitted on training cells."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from itertools import product
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix

from gpjepa.data.labels import CONTROL
from gpjepa.evaluation.gate import expressed_untargeted
from gpjepa.evaluation.pseudobulk import group_estimate
from gpjepa.inference.contexts import Contexts, Kriging, krige, squared_distances
from gpjepa.training.measured_effects import MeasuredEffects

if TYPE_CHECKING:
    from gpjepa.data.partition import Split
    from gpjepa.data.perturbseq import PerturbSeq

CELL_TYPE = "cell_type"
ROLES = (CELL_TYPE, "batch")
FEWEST = 4  # contexts that must have measured a perturbation, for it to be told in another
FEWEST_CELLS = 10  # of a perturbation, and of control, in a context
MOST = 10_000_000  # effects kept: of the perturbations with most cells
REACHES = (0.25, 0.5, 1.0, 2.0, 4.0)  # of the median squared distance between contexts
SIGNALS = (0.25, 0.5, 1.0, 2.0, 4.0)  # of the variance between contexts that is not noise
SURE = 1.0  # standard error over contexts by which alike contexts must beat the mean
LEAST = 1e-8
PRIOR = 2.0  # pairs' worth of belief in the typical scale of genes' errors

Array = NDArray[np.float64]
Index = NDArray[np.int64]
Weigh = Callable[[int, Index], Kriging]


class Pairs(NamedTuple):
    """Effects [E, G] of E pairs of perturbation and context, with their sampling variances.

    `label` [E] and `context` [E] index perturbations and contexts, `cells` [E] counts.
    """

    label: Index
    context: Index
    effect: Array
    variance: Array
    cells: Index


def context_role(data: PerturbSeq, split: Split) -> str | None:
    """Return the role whose levels are contexts: the one held out from, else the cell type."""
    present = [role for role in ROLES if getattr(data, role) is not None]
    known = {name: role for role in present for name in (role, getattr(data.roles, role))}
    return known.get(CELL_TYPE if split.context_column is None else split.context_column)


def fit_contexts(
    data: PerturbSeq, split: Split, inside: np.ndarray, observed: MeasuredEffects, target: float
) -> Contexts | None:
    """Fit which contexts tell of which, on the training cells `inside`.

    None where there are no contexts, or no perturbation was measured in `FEWEST` of them.
    """
    role = context_role(data, split)
    if role is None:
        return None
    names, codes = np.unique(data.covariate(role)[inside].astype(str), return_inverse=True)
    found = _measure(data, inside, codes, len(names), observed.labels, target)
    if found is None:
        return None
    profile, pairs = found
    typical = csr_matrix(np.expm1(profile))  # counts of a cell of each context
    compared = expressed_untargeted(typical, data.genes, data.members)
    if not compared.any():
        return None
    apart = squared_distances(profile[:, compared], profile[:, compared])
    reach, signal, supported, scale = _choose(pairs, apart, compared)
    pooled = observed.effect[pairs.label]
    return Contexts(
        column=role,
        levels=tuple(str(name) for name in names),
        target=target,
        labels=tuple(observed.labels[at] for at in pairs.label),
        reach=reach,
        signal=signal,
        supported=supported,
        profile=_rounded(profile),
        context=pairs.context,
        departure=_rounded(pairs.effect - pooled),
        noise=_rounded(_noise(pairs, compared)),
        scale=_rounded(scale),
        compared=compared,
    )


def _measure(
    data: PerturbSeq,
    inside: np.ndarray,
    codes: np.ndarray,
    contexts: int,
    labels: tuple[str, ...],
    target: float,
) -> tuple[Array, Pairs] | None:
    """Return control pseudobulks [C, G] and the effects of pairs with cells enough."""
    position = {label: at for at, label in enumerate((CONTROL, *labels))}
    own = np.array([position.get(str(label), -1) for label in data.labels[inside]])
    pair = np.where(own >= 0, own * contexts + codes, -1)
    number = np.bincount(pair[pair >= 0], minlength=len(position) * contexts)
    kept = _kept(number.reshape(len(position), contexts), data.n_genes)
    if not len(kept):
        return None
    wanted = np.concatenate((np.arange(contexts), kept))
    place = np.full(number.size, -1)
    place[wanted] = np.arange(len(wanted))
    groups = np.full(data.n_cells, -1)
    groups[inside] = np.where(pair >= 0, place[pair], -1)
    level, error = group_estimate(data.counts, data.library, groups, len(wanted), target)
    variance, context = np.nan_to_num(error) ** 2, kept % contexts
    effect = level[contexts:] - level[context]
    noise = variance[contexts:] + variance[context]
    profile = np.nan_to_num(level[:contexts])
    return profile, Pairs(kept // contexts - 1, context, effect, noise, number[kept])


def _kept(number: np.ndarray, genes: int) -> Index:
    """Return the pairs [E] that are used, given their cells [1 + P, C], control in the first row.

    Enough cells of the perturbation and of control, in `FEWEST` contexts; with more than `MOST`
    effects those of the perturbations with most cells.
    """
    enough = (number >= FEWEST_CELLS) & (number[0] >= FEWEST_CELLS)
    enough[0] = False
    enough[enough.sum(axis=1) < FEWEST] = False
    order = np.argsort(-np.where(enough, number, 0).sum(axis=1), kind="stable")
    fits = np.cumsum(enough[order].sum(axis=1)) * genes <= MOST
    enough[order[~fits]] = False
    return np.flatnonzero(enough)


def _choose(
    pairs: Pairs, apart: Array, compared: NDArray[np.bool_]
) -> tuple[float, float, bool, Array]:
    """Return reach, signal, whether they beat the mean of other contexts, and the genes' scale.

    All by contexts left out in turn: every effect is predicted from the other contexts'.
    """
    noise = _noise(pairs, compared)
    typical = float(np.median(apart[np.triu_indices(len(apart), 1)])) + LEAST
    between = _between(pairs, compared)
    others = _others(pairs)
    by_mean, _ = _left_out(pairs, others, partial(_by_cells, pairs))
    before = _distances(pairs, by_mean, compared)
    best, after, scale, chosen = np.inf, before, compared.astype(float), (typical, between)
    for reach, signal in product(REACHES, SIGNALS):
        tried = reach * typical, signal * between
        told, variance = _left_out(
            pairs, others, partial(_by_likeness, pairs, apart, noise, *tried)
        )
        own = _distances(pairs, told, compared)
        if own.mean() < best:
            best, after, chosen = float(own.mean()), own, tried
            scale = _scale(pairs, told, variance, compared)
    gain = before - after
    sure = SURE * float(gain.std(ddof=1)) / np.sqrt(len(gain))
    return *chosen, bool(gain.mean() > sure), scale


def _others(pairs: Pairs) -> list[Index]:
    """Return for each pair those of the same perturbation in other contexts."""
    return [
        np.flatnonzero((pairs.label == label) & (pairs.context != context))
        for label, context in zip(pairs.label, pairs.context, strict=True)
    ]


def _left_out(pairs: Pairs, others: Sequence[Index], weigh: Weigh) -> tuple[Array, Array]:
    """Return each pair's effect [E, G] as its `others` tell it, and the variances [E]."""
    told, variance = np.empty_like(pairs.effect), np.empty(len(pairs.effect))
    for at, rows in enumerate(others):
        weights, variance[at] = weigh(at, rows)
        told[at] = weights @ pairs.effect[rows]
    return told, variance


def _by_cells(pairs: Pairs, at: int, others: Index) -> Kriging:
    """Weigh other contexts by their cells: the mean of all cells elsewhere."""
    cells = pairs.cells[others].astype(float)
    return Kriging(cells / cells.sum(), 1.0)


def _by_likeness(
    pairs: Pairs, apart: Array, noise: Array, reach: float, signal: float, at: int, others: Index
) -> Kriging:
    """Weigh other contexts by how alike they are to the one of pair `at`."""
    there = pairs.context[others]
    own = apart[pairs.context[at], there]
    return krige(apart[np.ix_(there, there)], own, noise[others], reach, signal)


def _distances(pairs: Pairs, told: Array, compared: NDArray[np.bool_]) -> Array:
    """Return the mean distance [C] of predictions from what each context measured."""
    each = np.linalg.norm((told - pairs.effect)[:, compared], axis=1)
    return np.array([each[pairs.context == own].mean() for own in np.unique(pairs.context)])


def _noise(pairs: Pairs, compared: NDArray[np.bool_]) -> Array:
    """Return the mean sampling variance [E] of each effect."""
    return np.asarray(pairs.variance[:, compared].mean(axis=1) + LEAST)


def _between(pairs: Pairs, compared: NDArray[np.bool_]) -> float:
    """Return the variance of effects between contexts that sampling does not explain."""
    found = []
    for label in np.unique(pairs.label):
        rows = pairs.label == label
        whole = pairs.effect[rows][:, compared].var(axis=0, ddof=1).mean()
        found.append(whole - pairs.variance[rows][:, compared].mean())
    return max(float(np.mean(found)), LEAST)


def _scale(pairs: Pairs, told: Array, variance: Array, compared: NDArray[np.bool_]) -> Array:
    """Return the variance of each gene's errors [G] for a kriging variance of 1.

    What sampling adds to the errors of contexts left out is taken off; few pairs are drawn to the
    typical gene.
    """
    squares = (told - pairs.effect) ** 2 - pairs.variance
    each = (squares / variance[:, None]).sum(axis=0)
    typical = max(float(each[compared].mean()) / len(squares), LEAST)
    return np.asarray(np.maximum((each + PRIOR * typical) / (len(squares) + PRIOR), LEAST))


def _rounded(array: Array) -> Array:
    """Return an array as it is when saved, in single precision."""
    return np.asarray(array.astype(np.float32).astype(np.float64))
