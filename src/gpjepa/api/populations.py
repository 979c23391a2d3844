"""Predicted populations as AnnData."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING
from weakref import ref

import numpy as np
import torch
from scipy.sparse import csr_matrix, vstack

from gpjepa.api.contexts import InContext, in_context
from gpjepa.api.controls import ControlCells
from gpjepa.core.errors import ConfigError
from gpjepa.data.vocabulary import Vocabulary
from gpjepa.evaluation.gate import expressed_untargeted
from gpjepa.inference.bundle import Bundle
from gpjepa.inference.control_error import rate_factors
from gpjepa.inference.means import Controls, encode_controls
from gpjepa.inference.respond import Population
from gpjepa.model.gpjepa import WorldModel
from gpjepa.model.perturbation import Condition

if TYPE_CHECKING:
    from anndata import AnnData


def condition_of(
    vocabulary: Vocabulary,
    labels: Sequence[str],
    covariates: np.ndarray,
    dose: float | None,
) -> Condition:
    """Return one condition per label with the covariate levels given for it."""
    doses = None
    if vocabulary.dose:
        doses = torch.full((len(labels),), 1.0 if dose is None else float(dose))
    place = {label: row for row, label in enumerate(dict.fromkeys(labels))}
    members = vocabulary.encode(tuple(place))[[place[label] for label in labels]]
    return Condition(torch.from_numpy(members), torch.from_numpy(covariates), doses)


@dataclass(frozen=True, eq=False)
class _Anchor:
    """Control cells as a model encodes them, with its weights at that time."""

    model: ref[WorldModel]
    weights: tuple[tuple[int, int], ...]
    found: tuple[Controls, torch.Tensor]

    def holds(self, model: WorldModel) -> bool:
        """Tell whether that is how the model encodes and decodes now."""
        return self.model() is model and self.weights == _weights(model)


def anchored(bundle: Bundle, cells: ControlCells) -> tuple[Controls, torch.Tensor]:
    """Encode control cells and return the logit offsets that make the decoder fit them.

    A model's own are encoded by the first call that starts from them, as this takes longer than a
    call of few cells; the others find them as long as no weight has changed.
    """
    model: WorldModel = bundle.model
    anchor: _Anchor | None = cells.made.get("anchor")
    if anchor is None or not anchor.holds(model):
        controls = encode_controls(model, cells.table)
        found = controls, controls.offset(float(controls.library.sum()))
        anchor = cells.made["anchor"] = _Anchor(ref(model), _weights(model), found)
    return anchor.found


def _weights(model: WorldModel) -> tuple[tuple[int, int], ...]:
    """Return where the weights that controls pass through lie, and how often they were written."""
    parts = (model.encoder, model.decoder)
    tensors = (x for part in parts for x in (*part.parameters(), *part.buffers()))
    return tuple((x.data_ptr(), x._version) for x in tensors)


def to_anndata(
    parts: Sequence[tuple[str, Population]], cells: ControlCells, genes: Sequence[str]
) -> AnnData:
    """Join sampled populations: int32 CSR counts, obs perturbation, total_counts and covariates."""
    import anndata
    import pandas

    counts = vstack([population.counts for _, population in parts], format="csr")
    counts = csr_matrix(counts, dtype=np.int32)
    labels = np.concatenate([np.repeat(name, part.counts.shape[0]) for name, part in parts])
    source = np.concatenate([population.source for _, population in parts])
    index = [f"predicted-{row}" for row in range(len(labels))]
    obs = pandas.DataFrame(
        {
            "perturbation": pandas.Categorical(labels.astype(str)),
            "total_counts": np.concatenate([population.library for _, population in parts]),
            "control_cell": cells.names[source].astype(str),
        },
        index=index,
    )
    for name, values in cells.levels.items():
        obs[name] = pandas.Categorical(values[source].astype(str))
    return anndata.AnnData(X=counts, obs=obs, var=pandas.DataFrame(index=list(genes)))


class Start:
    """A fitted model bound to the control cells that predictions start from.

    `own` are the cells that its effects were measured against, where these may be among them.
    Raises `ConfigError` for a dose that is no number of at least 0, or that the model cannot take.
    """

    def __init__(
        self,
        bundle: Bundle,
        cells: ControlCells,
        dose: float | None,
        modality: str | None = None,
        own: ControlCells | None = None,
    ) -> None:
        if dose is not None:
            _require_dose(dose, bundle.vocabulary)
        self.bundle, self.cells, self.dose, self.modality = bundle, cells, dose, modality
        self.controls, self.offset = anchored(bundle, cells)
        self.target = float(np.median(cells.table.library))
        self.own = own

    @cached_property
    def standing(self) -> torch.Tensor | None:
        """Return what takes the control cells' own error off sampled cells, added to logits [C].

        None where nothing is known of it.
        """
        evidence = self.bundle.calibration.evidence
        known = 0.0 if self.own is None else self.cells.known_of(self.own)
        if evidence is None or not known:
            return None
        target = self.bundle.panel.target
        factors = rate_factors(self.cells.table, evidence.shared, target, known)
        found = torch.zeros_like(self.offset)
        found[: len(factors)] = torch.from_numpy(np.log(factors)).to(found)
        return found

    @cached_property
    def in_context(self) -> InContext | None:
        """Return what trained contexts tell of the one of all control cells; None for several."""
        return in_context(self.bundle.calibration, self.cells, self.target)

    @cached_property
    def _levels(self) -> np.ndarray:
        """Return the levels of the covariates of all control cells."""
        return self.cells.covariates(self.bundle.vocabulary)

    def expressed(self) -> np.ndarray:
        """Mark [G] the genes that control cells express and no training perturbation targets."""
        vocabulary = self.bundle.vocabulary
        names = np.array(self.bundle.panel.names, dtype=object)
        targets = vocabulary.members[: vocabulary.measured]
        return expressed_untargeted(self.cells.table.counts, names, targets)

    def condition(self, labels: Sequence[str], source: np.ndarray) -> Condition:
        """Return the conditions of cells that start from the control cells `source`."""
        vocabulary = self.bundle.vocabulary
        made = condition_of(vocabulary, labels, self._levels[source], self.dose)
        return made.to(self.bundle.model.device())


def _require_dose(dose: float, vocabulary: Vocabulary) -> None:
    if not vocabulary.dose:
        raise ConfigError(
            f"dose is {dose}, but the model was trained without doses; expected none; leave it "
            "out, or train on data with a dose column (--dose)"
        )
    if not (np.isfinite(dose) and dose >= 0):
        raise ConfigError(f"dose is {dose}; expected a number of at least 0; pass for example 1.0")
