"""A predicted and an observed AnnData, validated once and brought to common terms."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from gpjepa.core.errors import DataError
from gpjepa.core.random import numpy_stream
from gpjepa.data.labels import CONTROL_NAMES, members_of
from gpjepa.data.perturbseq import PerturbSeq, read
from gpjepa.data.roles import LIBRARY_COLUMNS, PERTURBATION_COLUMNS
from gpjepa.evaluation.gate import CONTROL_MEAN, expressed_untargeted
from gpjepa.evaluation.population import Population, pooled
from gpjepa.evaluation.predicted_means import read_means
from gpjepa.evaluation.prediction import Prediction, read_prediction
from gpjepa.evaluation.pseudobulk import median_library

if TYPE_CHECKING:
    from anndata import AnnData

    from gpjepa.evaluation.request import Values

FEWEST_GENES = 2
COPY = (
    "WARNING: the predicted cells are the observed ones, a copy and no prediction; it is referred "
    "to the truth's own control"
)


@dataclass(frozen=True, eq=False)
class EvaluationPair:
    """Predicted and observed perturbed cells with the same genes, labels and denominator.

    `gated` [G] marks the scored genes: mean count of at least .1 in the control cells of the
    prediction, target genes of the whole panel of perturbations left out. Predictions are referred
    to `prediction_control`, the truth to `truth_control`: different real control cells, so that
    their noise is not shared. `train` holds `prediction_control` and, if given, the training
    perturbations. `spoiled` names perturbations whose prediction holds a NaN. `counted` is False
    where `predicted` holds means and not cells.
    """

    genes: np.ndarray
    gated: np.ndarray
    target: float
    has_rest: bool
    perturbations: tuple[str, ...]
    predicted: Population
    observed: Population
    prediction_control: Population
    truth_control: Population
    train: PerturbSeq
    spoiled: frozenset[str]
    notes: tuple[str, ...]
    counted: bool = True

    @property
    def has_training(self) -> bool:
        """Tell whether `train` holds perturbations, not only the control of the prediction."""
        return bool(self.train.perturbations)

    @property
    def controls(self) -> Population:
        """Return all real control cells of both sides, each once."""
        return pooled(_population(self.train).controls, self.truth_control)


def make_pair(
    predicted: AnnData,
    observed: AnnData,
    train: AnnData | None = None,
    *,
    seed: int = 0,
    target: float | None = None,
    values: Values = "counts",
) -> EvaluationPair:
    """Validate and align the two sides; `target` None is the median control library.

    `values` says what the predicted X holds.

    Raises:
        DataError: values that are no counts, genes or perturbations that differ, no control
            cells, or fewer than two genes that can be scored.
    """
    truth = read(observed, announce=False)
    training = None if train is None else _read_train(train, truth)
    guess = _read_predicted(predicted, truth, training, values)
    guess, truth, training, notes = _one_denominator(guess, truth, training)
    notes += guess.notes
    cells = _population(truth)
    perturbed = guess.cells.perturbed
    if perturbed.n_cells < guess.cells.n_cells:
        notes += ("predicted control cells are not used: both sides have real controls",)
    perturbations = _same_perturbations(perturbed.perturbations, cells.perturbations)
    known = cells.controls if training is None else _population(training).controls
    training, second, more = _two_controls(truth, training, known, seed)
    first = _population(training).controls
    # Genes are chosen on the cells of one side: chosen on both, their noise would be shared.
    gated = _gate(first, truth.genes, (*perturbations, *training.perturbations))
    if guess.counted and _is_copy(perturbed, cells.perturbed):
        first, more = second, (*more, COPY)
    return EvaluationPair(
        genes=truth.genes,
        gated=gated,
        target=float(target) if target is not None else median_library(known.library),
        has_rest=truth.has_rest,
        perturbations=perturbations,
        predicted=perturbed,
        observed=cells.perturbed,
        prediction_control=first,
        truth_control=second,
        train=training,
        spoiled=guess.spoiled & frozenset(perturbations),
        notes=(*notes, *more),
        counted=guess.counted,
    )


def _read_predicted(
    predicted: AnnData, truth: PerturbSeq, training: PerturbSeq | None, values: Values
) -> Prediction:
    """Read the predicted cells by the names that the observed ones use, in their gene order."""
    roles = truth.roles
    columns = tuple(dict.fromkeys((roles.perturbation, *PERTURBATION_COLUMNS)))
    controls = {*CONTROL_NAMES, roles.control}
    known = {*truth.members, *(training.members if training else ())}
    if values == "counts":
        totals = dict.fromkeys(([roles.library] if roles.library else []) + [*LIBRARY_COLUMNS])
        guess = read_prediction(predicted, columns, tuple(totals), controls, known)
    else:
        guess = read_means(predicted, values, columns, controls, known)
    return _in_order_of(guess, truth.genes)


def _read_train(train: AnnData, truth: PerturbSeq) -> PerturbSeq:
    training = read(train, announce=False)
    _same_genes(training.genes, truth.genes, "training")
    return training.select_genes(list(truth.genes))


def _population(data: PerturbSeq) -> Population:
    return Population(data.counts, np.asarray(data.library, dtype=np.float64), data.labels)


def _in_order_of(guess: Prediction, genes: np.ndarray) -> Prediction:
    _same_genes(guess.genes, genes, "predicted")
    position = {gene: index for index, gene in enumerate(guess.genes)}
    order = np.array([position[gene] for gene in genes], dtype=np.int64)
    if np.array_equal(order, np.arange(order.size)):
        return guess
    cells = replace(guess.cells, counts=guess.cells.counts[:, order].sorted_indices())
    return replace(guess, cells=cells, genes=genes)


def _same_genes(found: Iterable[str], expected: Iterable[str], side: str) -> None:
    extra, lacking = sorted({*found} - {*expected}), sorted({*expected} - {*found})
    if extra or lacking:
        raise DataError(
            f"genes of the {side} and the observed cells differ: {_listed(lacking)} only observed, "
            f"{_listed(extra)} only {side}; expected the same genes, in any order; subset both "
            "to the genes they share"
        )


def _same_perturbations(predicted: Sequence[str], observed: Sequence[str]) -> tuple[str, ...]:
    extra, lacking = sorted({*predicted} - {*observed}), sorted({*observed} - {*predicted})
    if extra or lacking:
        raise DataError(
            f"perturbations of the two sides differ: {_listed(lacking)} without prediction, "
            f"{_listed(extra)} predicted but not observed; expected the same ones; predict the "
            "missing ones or remove the cells of the others"
        )
    if not observed:
        raise DataError(
            "found 0 perturbations in the observed cells; expected perturbed cells beside the "
            "control; check the perturbation column"
        )
    return tuple(observed)


def _listed(names: Sequence[str], most: int = 5) -> str:
    if not names:
        return "none"
    shown = ", ".join(repr(name) for name in names[:most])
    return shown if len(names) <= most else f"{shown} and {len(names) - most} more"


def _one_denominator(
    guess: Prediction, truth: PerturbSeq, training: PerturbSeq | None
) -> tuple[Prediction, PerturbSeq, PerturbSeq | None, tuple[str, ...]]:
    """Give all sides the cell's total as library if all have one, else the panel sum."""
    rest = [guess.totals is not None, truth.has_rest] + ([training.has_rest] if training else [])
    if all(rest):
        assert guess.totals is not None
        cells = replace(guess.cells, library=guess.totals)
        return replace(guess, cells=cells), truth, training, ()
    notes: tuple[str, ...] = ()
    if any(rest):
        notes = ("not every side has cell totals: the library is the panel sum on all sides",)
    return guess, _panel_library(truth), _panel_library(training) if training else None, notes


def _panel_library(data: PerturbSeq) -> PerturbSeq:
    panel = np.asarray(data.counts.sum(axis=1), dtype=np.float64).ravel()
    return replace(data, library=panel, has_rest=False) if data.has_rest else data


def _two_controls(
    truth: PerturbSeq, training: PerturbSeq | None, known: Population, seed: int
) -> tuple[PerturbSeq, Population, tuple[str, ...]]:
    """Return the training cells with the prediction's control, the truth's control and notes."""
    if known.n_cells == 0:
        raise DataError(
            "found 0 control cells; expected unperturbed cells to measure effects from; name the "
            "control label or add the cells"
        )
    if training is None:
        return _split_control(truth, seed)
    return training, _population(truth).controls, ()


def _split_control(truth: PerturbSeq, seed: int) -> tuple[PerturbSeq, Population, tuple[str, ...]]:
    """Return the control cells of the prediction, those of the truth, and what to say of them."""
    cells = np.flatnonzero(truth.is_control)
    if cells.size < 2:
        note = "one control cell: shared by both sides, which inflates the scores"
        return truth.subset(cells), _population(truth.subset(cells)), (note,)
    order = numpy_stream(seed, "control halves").permutation(cells)
    first, second = (truth.subset(np.sort(half)) for half in np.array_split(order, 2))
    note = "no training cells given: the observed controls are split into halves, one for each side"
    return first, _population(second), (note,)


def _is_copy(predicted: Population, observed: Population) -> bool:
    """Tell whether every predicted cell is, count by count, an observed one of its label.

    Whatever their order. Where cells of one side are alike by chance, in panels of few genes,
    nothing can be told.
    """
    weights = numpy_stream(0, "copies").random(observed.counts.shape[1])
    sides = []
    for side in (predicted, observed):
        code = side.counts.astype(np.float64) @ weights
        sides.append(set(zip(side.labels, code.tolist(), strict=True)))
    return len(sides[0]) > max(1, 0.9 * predicted.n_cells) and sides[0] <= sides[1]


def _gate(controls: Population, genes: np.ndarray, perturbations: Sequence[str]) -> np.ndarray:
    targets = {member for label in perturbations for member in members_of(label)}
    gated = expressed_untargeted(controls.counts, genes, targets)
    if gated.sum() < FEWEST_GENES:
        raise DataError(
            f"{int(gated.sum())} of {genes.size} genes have a mean count of {CONTROL_MEAN} in the "
            f"control cells and are no target; expected at least {FEWEST_GENES}; give more genes "
            "or deeper cells"
        )
    return gated
