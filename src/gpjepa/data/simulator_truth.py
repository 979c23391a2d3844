"""The truth of a simulation: what a perfect model would know."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pandas as pd
from anndata import AnnData

from gpjepa.core.errors import DataError, VocabularyError, unknown
from gpjepa.data.labels import CONTROL, members_of


@dataclass(frozen=True)
class Moments:
    """Exact moments [G] of the counts of a population at one library size."""

    mean: np.ndarray
    variance: np.ndarray
    zero_fraction: np.ndarray


@dataclass(frozen=True, eq=False)
class Truth:
    """Means, effects, interactions, heterogeneity and dispersion of simulated cells.

    `profiles` has one row a group of identically distributed cells: perturbation, cell_type,
    dose (nan: none), sequence, responder, weight within (perturbation, cell_type, dose).
    `rates` [profiles, G] are their mean shares of a cell's counts, `size` [G] the NB size θ.
    `states` and `batches` [., G] are factors of the rates, one drawn for each cell, mean 1 over
    their rows. Effects are differences of log1p(target x share), `target` in counts.
    """

    genes: np.ndarray
    profiles: pd.DataFrame
    rates: np.ndarray
    size: np.ndarray
    states: np.ndarray
    batches: np.ndarray
    target: float
    hill: pd.DataFrame  # perturbed gene -> ec50, hill; empty without doses
    features: pd.DataFrame  # perturbed gene -> loadings on the programs; empty if not drawn here
    config: str  # the SimulationConfig as JSON
    simulated: Literal[True] = True

    @property
    def perturbations(self) -> tuple[str, ...]:
        """Return the sorted labels other than control."""
        return tuple(sorted(set(self.profiles["perturbation"]) - {CONTROL}))

    @property
    def responders(self) -> pd.Series:
        """Return the fraction of a perturbation's cells that respond."""
        labels, weight = self.profiles["perturbation"], self.profiles["weight"]
        responding = weight.where(self.profiles["responder"], 0.0)
        share = responding.groupby(labels).sum() / weight.groupby(labels).sum()
        return share.drop(CONTROL).rename("responders")

    @property
    def sequences(self) -> tuple[str, ...]:
        """Return the simulated orders such as "A>B"; empty when all members act at once."""
        return tuple(sorted(set(self.profiles["sequence"]) - {""}))

    @property
    def dispersion(self) -> pd.Series:
        """Return the NB size θ of each gene (variance μ + μ²/θ)."""
        return pd.Series(self.size, index=self.genes, name="size")

    def rows(
        self, label: str, cell_type: str | None = None, dose: float | None = None
    ) -> np.ndarray:
        """Return the rows of `profiles` of one population.

        None: the first cell type, the highest dose. Control has no dose.
        Raises `VocabularyError` for a label, cell type or dose that was not simulated.
        """
        mask = self._is("perturbation", label)
        mask &= self._is("cell_type", cell_type or self.profiles["cell_type"].iloc[0])
        if label == CONTROL:
            return np.flatnonzero(mask)
        doses = self.profiles["dose"].to_numpy(np.float64)
        simulated = np.unique(doses[mask & np.isfinite(doses)])
        if dose is None and not len(simulated):
            return np.flatnonzero(mask)
        mask &= doses == (simulated.max() if dose is None else dose)
        if not mask.any():
            known = [f"{value:g}" for value in simulated]
            raise VocabularyError(
                unknown("dose", f"{dose:g}", known, "choose one of the simulated doses")
            )
        return np.flatnonzero(mask)

    def _is(self, column: str, value: str) -> np.ndarray:
        """Return where a column has a value; refuse one that it never has."""
        values = self.profiles[column].to_numpy(object)
        mask: np.ndarray = values == value
        if not mask.any():
            raise VocabularyError(
                unknown(column, value, sorted(set(values)), "choose one that was simulated")
            )
        return mask

    def mean(
        self, label: str, cell_type: str | None = None, dose: float | None = None
    ) -> np.ndarray:
        """Return the mean share [G] over all cells of a population, responding or not."""
        chosen = self.rows(label, cell_type, dose)
        mean: np.ndarray = self._weights(chosen) @ self.rates[chosen]
        return mean

    def responding(
        self, label: str, cell_type: str | None = None, dose: float | None = None
    ) -> np.ndarray:
        """Return the mean share [G] over the responding cells of a perturbation."""
        chosen = self.rows(label, cell_type, dose)
        chosen = chosen[self.profiles["responder"].to_numpy(bool)[chosen]]
        weights = self._weights(chosen)
        weights = (
            weights / weights.sum() if weights.sum() else np.full(len(chosen), 1 / len(chosen))
        )
        mean: np.ndarray = weights @ self.rates[chosen]
        return mean

    def mean_of_sequence(
        self, sequence: str, cell_type: str | None = None, dose: float | None = None
    ) -> np.ndarray:
        """Return the mean share [G] over responding cells that had "A>B" in this order.

        Raises `VocabularyError` for an order that was not simulated.
        """
        ordered = self._is("sequence", sequence)
        label = str(self.profiles["perturbation"].to_numpy(object)[ordered][0])
        chosen = self.rows(label, cell_type, dose)
        mean: np.ndarray = self.rates[chosen[ordered[chosen]][0]]
        return mean

    def _weights(self, chosen: np.ndarray) -> np.ndarray:
        return self.profiles["weight"].to_numpy(np.float64)[chosen]

    def effects(
        self, cell_type: str | None = None, dose: float | None = None, target: float | None = None
    ) -> pd.DataFrame:
        """Return effects [perturbations, G]: difference of log1p(target x share) to control."""
        scale = self.target if target is None else target
        control = np.log1p(scale * self.mean(CONTROL, cell_type))
        rows = {
            label: np.log1p(scale * self.mean(label, cell_type, dose)) - control
            for label in self.perturbations
        }
        return pd.DataFrame.from_dict(rows, orient="index", columns=self.genes)

    def log_rate_effects(
        self, cell_type: str | None = None, dose: float | None = None
    ) -> pd.DataFrame:
        """Return log ratios [perturbations, G] of responding cells to control; -inf where off."""
        control = self.mean(CONTROL, cell_type)
        with np.errstate(divide="ignore"):
            rows = {
                label: np.log(self.responding(label, cell_type, dose) / control)
                for label in self.perturbations
            }
        return pd.DataFrame.from_dict(rows, orient="index", columns=self.genes)

    def interactions(
        self,
        scale: Literal["effect", "log rate"] = "effect",
        cell_type: str | None = None,
        dose: float | None = None,
    ) -> pd.DataFrame:
        """Return what pairs do beyond the sum of their singles [pairs, G], on either scale.

        nan on the log rate where a gene is switched off. Pairs without both singles are left out.
        """
        table = self.effects if scale == "effect" else self.log_rate_effects
        frame = table(cell_type, dose)
        known = set(frame.index)
        pairs = [label for label in frame.index if len(members_of(label)) == 2]
        pairs = [label for label in pairs if known.issuperset(members_of(label))]
        first, second = ([members_of(label)[at] for label in pairs] for at in (0, 1))
        values = frame.loc[pairs].to_numpy()
        with np.errstate(invalid="ignore"):
            values = values - frame.loc[first].to_numpy() - frame.loc[second].to_numpy()
        return pd.DataFrame(values, index=pairs, columns=self.genes)

    def moments(
        self,
        label: str,
        library: float,
        cell_type: str | None = None,
        dose: float | None = None,
    ) -> Moments:
        """Return mean, variance and zero fraction of the counts of cells with a library size.

        Over responders, sequences, states and batches in their shares:
        E[x] = E[μ], Var[x] = E[μ + μ²(1 + 1/θ)] - E[μ]², P(0) = E[(θ / (θ + μ))^θ].
        """
        chosen = self.rows(label, cell_type, dose)
        factors = (self.states[:, None] * self.batches[None]).reshape(-1, len(self.genes))
        mean, square, zero = (np.zeros(len(self.genes)) for _ in range(3))
        for row, weight in zip(chosen, self._weights(chosen) / len(factors), strict=True):
            mu = library * self.rates[row] * factors
            mean += weight * mu.sum(axis=0)
            square += weight * (mu**2).sum(axis=0)
            zero += weight * np.exp(-self.size * np.log1p(mu / self.size)).sum(axis=0)
        variance = mean + square * (1 + 1 / self.size) - mean**2
        return Moments(mean, variance, zero)

    def to_uns(self) -> dict[str, Any]:
        """Return the truth in parts that an h5ad file can hold; `from_anndata` reads them."""
        return {
            "genes": self.genes.astype(str),
            "profiles": self.profiles.set_axis(self.profiles.index.astype(str), axis=0),
            "rates": self.rates,
            "size": self.size,
            "states": self.states,
            "batches": self.batches,
            "target": self.target,
            "hill": self.hill,
            "features": self.features,
            "config": self.config,
        }

    @classmethod
    def from_anndata(cls, adata: AnnData) -> Truth:
        """Return the truth that came with simulated cells.

        Raises `DataError` when the cells are not simulated.
        """
        if "truth" not in adata.uns or not adata.uns.get("simulated", False):
            raise DataError(
                "uns has no simulated truth; expected cells made by gpjepa.simulate; "
                "real cells have no known truth"
            )
        parts = dict(adata.uns["truth"])
        genes = np.array([str(gene) for gene in parts.pop("genes")], dtype=object)
        profiles = parts.pop("profiles").reset_index(drop=True)
        for column in ("perturbation", "cell_type", "sequence"):
            profiles[column] = np.array([str(text) for text in profiles[column]], dtype=object)
        parts["target"], parts["config"] = float(parts["target"]), str(parts["config"])
        return cls(genes=genes, profiles=profiles, **parts)
