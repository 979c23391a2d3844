"""How like the observed cells the predicted populations of validation perturbations are."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from scipy.sparse import csr_matrix

from gpjepa.core.random import derive_seed, numpy_stream
from gpjepa.data.vocabulary import Vocabulary
from gpjepa.evaluation.generative import GENERATIVE_METRICS, score_population
from gpjepa.inference.cells import CellTable
from gpjepa.inference.means import encode_controls
from gpjepa.inference.respond import draw_sources, respond
from gpjepa.model.gpjepa import WorldModel
from gpjepa.model.perturbation import Condition
from gpjepa.training.prepare import Annotated

JUDGED = ("energy_distance", "log_variance_ratio", "zero_fraction_error", "pit_distance")
FEWEST_CELLS = 20  # of a perturbation whose populations are compared
MOST_CELLS = 200  # of a half of its cells
MOST_PERTURBATIONS = 40
ROOM = 1.1  # times the replicate's loss that the control's must be for skill to be defined
SPLITS = 4  # random halves of the observed cells that scores are averaged over
DRAWS = 2  # times as many cells predicted as are observed: as many as all splits compare
ENERGY = JUDGED.index("energy_distance")


@dataclass(frozen=True)
class PopulationSkill:
    """Skill of predicted populations between control cells resampled (0) and a replicate (1).

    `skills` has a number for each metric of `JUDGED` in which the control is worse than a
    replicate, over the `perturbations` that differ from control; none without one.
    `latent_spread` is the standard deviation of the predicted cells' latents over that of the
    observed cells', their geometric mean over these perturbations.
    """

    skills: dict[str, float]
    shares: dict[str, float]
    latent_spread: float | None

    @property
    def mean(self) -> float:
        """Return the mean skill over metrics; NaN without a responding perturbation."""
        return float(np.mean(list(self.skills.values()))) if self.skills else float("nan")

    def gain(self, earlier: PopulationSkill) -> tuple[float, float]:
        """Return how much the mean skill rose, and its standard error over perturbations."""
        found = [self.shares[label] - before for label, before in earlier.shares.items()]
        error = np.std(found, ddof=1) / np.sqrt(len(found)) if len(found) > 1 else np.inf
        return float(np.mean(found)), float(error)


@dataclass(frozen=True, eq=False)
class PopulationValidation:
    """Compares predicted with observed cells of validation perturbations, on the gated genes.

    `labels` are those with `FEWEST_CELLS` observed cells, `gated` [G] the genes that count.
    """

    controls: Annotated
    observed: dict[str, CellTable]
    vocabulary: Vocabulary
    gated: np.ndarray
    target: float
    seed: int

    @torch.no_grad()
    def __call__(self, model: WorldModel) -> PopulationSkill:
        """Return the skill of the populations that `model` predicts.

        Pooled over perturbations: (Σ control − Σ model) / (Σ control − Σ replicate), so that one
        that hardly departs from control weighs little.
        """
        controls = encode_controls(model, self.controls.table)
        offset = controls.offset(float(controls.library.sum()))
        losses, differing, spread = [], [], []
        for label, cells in self.observed.items():
            wanted = min(DRAWS * len(cells), SPLITS * MOST_CELLS)
            predicted = self._predict(model, label, wanted, offset)
            of_label = self._losses(label, cells, predicted)
            if of_label[1, ENERGY] > ROOM * of_label[2, ENERGY]:
                losses.append(of_label)
                differing.append(label)
                spread.append(_log_spread(model, predicted) - _log_spread(model, cells))
        if not losses:
            return PopulationSkill({}, {}, None)
        skills, shares = _pooled(np.stack(losses))
        return PopulationSkill(
            skills,
            dict(zip(differing, map(float, shares), strict=True)),
            float(np.exp(np.mean(spread))),
        )

    def _predict(
        self, model: WorldModel, label: str, cells: int, offset: torch.Tensor
    ) -> CellTable:
        """Sample cells of a perturbation."""
        controls, device = self.controls, model.device()
        seed = derive_seed(self.seed, "validation population", label)
        source = draw_sources(len(controls.table), cells, seed)
        start = controls.take(source)
        dose = None if start.dose is None else torch.ones(cells)
        condition = Condition(
            torch.from_numpy(self.vocabulary.encode([label] * cells)),
            torch.from_numpy(start.covariates),
            dose,
        ).to(device)
        drawn = respond(model, controls.table, condition, source, offset, seed)
        return CellTable(csr_matrix(drawn.counts, dtype=np.float32), drawn.library)

    def _losses(self, label: str, cells: CellTable, predicted: CellTable) -> np.ndarray:
        """Return losses of model, control and replicate, [3, metrics], mean over random halves."""
        names = [metric.name for metric in GENERATIVE_METRICS]
        rows = [names.index(name) for name in JUDGED]
        found = []
        parts = np.array_split(numpy_stream(self.seed, label).permutation(len(predicted)), SPLITS)
        for split in range(SPLITS):
            rng = numpy_stream(self.seed, "validation halves", label, split)
            order = rng.permutation(len(cells))
            half = min(len(cells) // 2, MOST_CELLS)
            truth, replicate = cells.take(order[:half]), cells.take(order[half : 2 * half])
            table = self.controls.table
            control = table.take(rng.choice(len(table), half, replace=len(table) < half))
            own = predicted.take(parts[split][:half])
            sides = (own, control, replicate)
            found.append([self._score(side, truth, rng)[rows] for side in sides])
        return np.mean(found, axis=0)

    def _score(self, side: CellTable, truth: CellTable, rng: np.random.Generator) -> np.ndarray:
        genes, control = np.flatnonzero(self.gated), self.controls.table
        return score_population(
            side.counts[:, genes],
            side.library,
            truth.counts[:, genes],
            truth.library,
            control.counts[:, genes],
            control.library,
            self.target,
            rng,
        )


def _pooled(losses: np.ndarray) -> tuple[dict[str, float], np.ndarray]:
    """Return the skill of each metric with room, and what each perturbation adds to their mean.

    `losses` [P, 3, metrics] are of model, control and replicate.
    """
    own, control, replicate = losses.sum(axis=0)
    usable = np.flatnonzero(control > ROOM * replicate)
    room = (control - replicate)[usable]
    skills = ((control - own)[usable] / room).tolist()
    added = len(losses) * (losses[:, 1] - losses[:, 0])[:, usable] / room
    return dict(zip([JUDGED[at] for at in usable], skills, strict=True)), added.mean(axis=1)


def _log_spread(model: WorldModel, cells: CellTable) -> float:
    """Return the log of the root mean square deviation of the cells' latents."""
    states = torch.cat([model.encoder(*batch) for batch in cells.batches(model.device())])
    return float(0.5 * torch.log(states.var(dim=0).mean()))


def make_population_validation(
    controls: Annotated,
    cells: Annotated,
    vocabulary: Vocabulary,
    gated: np.ndarray,
    target: float,
    seed: int,
) -> PopulationValidation:
    """Bind the observed cells of the validation perturbations that have most of them."""
    labels, numbers = np.unique(cells.labels.astype(str), return_counts=True)
    order = np.argsort(-numbers, kind="stable")
    enough = [at for at in order if numbers[at] >= FEWEST_CELLS and vocabulary.knows(labels[at])]
    observed = {
        str(labels[at]): cells.table.take(np.flatnonzero(cells.labels == labels[at]))
        for at in enough[:MOST_PERTURBATIONS]
    }
    return PopulationValidation(controls, observed, vocabulary, gated, target, seed)
