"""The files of RUN/evaluation: what a report shows beside the scores."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from gpjepa.api.assessment import Assessment
from gpjepa.api.model import GPJEPA
from gpjepa.core.errors import DataError
from gpjepa.core.files import write_atomic, write_json
from gpjepa.data.disk_counts import in_memory
from gpjepa.data.labels import CONTROL, members_of
from gpjepa.evaluation.interval_curves import CURVE_COLUMNS
from gpjepa.evaluation.pseudobulk import count_resolution, pseudobulk, standard_error

if TYPE_CHECKING:
    from pandas import DataFrame
    from scipy.sparse import csr_matrix

    from gpjepa.data.perturbseq import PerturbSeq

SHOWN_GENES = 4  # histograms per perturbation
CLIP = 0.995  # quantile of the counts beyond which a histogram ends
SHOWN_SPREADS = 16  # perturbations whose sources of spread are measured
SHOWN_CELLS = 4000  # points of the latent map
JUDGEMENT = ("novelty", "verdict", "source")  # columns of effects that are passed on, if there


def write_artefacts(model: GPJEPA, assessed: Assessment, out: Path, seed: int) -> None:
    """Write metrics, effects, populations, histograms and the latent map of an assessment."""
    tables = {
        "metrics": assessed.report.table,
        "effects": effect_rows(assessed),
        "populations": population_rows(assessed),
        "histograms": histogram_rows(assessed),
        "latent": latent_rows(model, assessed, seed),
        "spread": spread_rows(model, assessed, seed),
        "responders": responder_rows(model, assessed, seed),
        "curves": assessed.report.curves.reindex(columns=list(CURVE_COLUMNS)),
    }
    for name, table in tables.items():
        write_atomic(out / f"{name}.csv", _writer(table))
    write_json(out / "metrics.json", assessed.report.to_json())


def _writer(table: DataFrame) -> Any:
    return lambda path: table.to_csv(path, index=False)


def _of(data: PerturbSeq, label: str) -> PerturbSeq:
    return data.subset(data.labels == label)


def effect_rows(assessed: Assessment) -> DataFrame:
    """Return predicted and observed effects on the gated genes, with additive and mean beside."""
    import pandas

    panel, parts, gated, target = (
        assessed.panel,
        assessed.parts,
        assessed.gated,
        assessed.target,
    )
    train = panel.subset(np.concatenate((parts.train, parts.train_controls)))
    start = _bulk(_of(train, CONTROL), target)
    truth = _bulk(panel.subset(parts.truth_controls), target)
    singles = {label: _bulk(_of(train, label), target) - start for label in train.perturbations}
    average = np.mean(list(singles.values()), axis=0) if singles else np.full(len(gated), np.nan)
    held = panel.subset(parts.train if assessed.fit_only else parts.test)
    frames = []
    for label in assessed.labels:
        cells = _of(held, label)
        members = members_of(label)
        known = len(members) > 1 and all(member in singles for member in members)
        additive = sum(singles[member] for member in members) if known else np.nan
        own = assessed.effects[assessed.effects.perturbation == label]
        frame = pandas.DataFrame(
            {
                "perturbation": label,
                "group": assessed.split.groups.get(label, _kind(label, assessed)),
                "gene": panel.genes,
                "observed": _bulk(cells, target) - truth,
                "observed_se": _error(cells, target),
                "predicted": own.effect.to_numpy(),
                "low": own.low.to_numpy(),
                "high": own.high.to_numpy(),
                "additive": additive,
                "training_mean": average,
                **{name: own[name].to_numpy() for name in JUDGEMENT if name in own},
            }
        )
        frames.append(frame[gated])
    return pandas.concat(frames, ignore_index=True)


def _kind(label: str, assessed: Assessment) -> str:
    if assessed.fit_only:
        return "trained on"
    return "combination" if len(members_of(label)) > 1 else "single"


def _bulk(data: PerturbSeq, target: float) -> np.ndarray:
    return pseudobulk(data.counts, data.library, target)


def _error(data: PerturbSeq, target: float) -> np.ndarray:
    """Return standard errors of pseudobulks that never claim more than one count's resolution."""
    error = standard_error(data.counts, data.library, target)
    return np.hypot(error, count_resolution(float(data.library.sum()), target, _bulk(data, target)))


def _cells(assessed: Assessment) -> dict[tuple[str, str], csr_matrix]:
    """Return count matrices by (kind, perturbation); controls under ("control", "control")."""
    found = {}
    for kind, adata in (("observed", assessed.observed), ("predicted", assessed.predicted)):
        labels = np.asarray(adata.obs["perturbation"].astype(str))
        for label in assessed.labels:
            found[kind, label] = adata.X[labels == label]
    controls = assessed.panel.subset(assessed.parts.train_controls)
    found["control", CONTROL] = in_memory(controls.counts)
    return found


def _moments(counts: csr_matrix) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return mean, variance and zero fraction of each gene."""
    n = counts.shape[0]
    wide = counts.astype(np.float64)
    mean = np.asarray(wide.mean(axis=0)).ravel()
    square = np.asarray(wide.multiply(wide).mean(axis=0)).ravel()
    variance = (square - mean**2) * n / max(n - 1, 1)
    zero = 1.0 - np.diff(wide.tocsc().indptr) / n
    return mean, np.maximum(variance, 0.0), zero


def population_rows(assessed: Assessment) -> DataFrame:
    """Return mean, variance and zero fraction of raw counts, predicted, observed and control."""
    import pandas

    cells = _cells(assessed)
    control = _moments(cells["control", CONTROL])
    frames = []
    for label in assessed.labels:
        columns: dict[str, Any] = {"perturbation": label, "gene": assessed.panel.genes}
        sides = {
            "observed": _moments(cells["observed", label]),
            "predicted": _moments(cells["predicted", label]),
            "control": control,
        }
        for index, moment in enumerate(("mean", "variance", "zero")):
            for side, values in sides.items():
                columns[f"{side}_{moment}"] = values[index]
        frames.append(pandas.DataFrame(columns)[assessed.gated])
    return pandas.concat(frames, ignore_index=True)


def histogram_rows(assessed: Assessment) -> DataFrame:
    """Return count distributions of the genes that each perturbation changes most."""
    import pandas

    cells = _cells(assessed)
    control = cells["control", CONTROL]
    rows = effect_rows(assessed)
    position = {gene: column for column, gene in enumerate(assessed.panel.genes)}
    records = []
    for label in assessed.labels:
        own = rows[rows.perturbation == label]
        order = own.observed.abs().sort_values(ascending=False, kind="stable").index
        for gene in own.loc[order[:SHOWN_GENES], "gene"]:
            column = position[gene]
            sides = {"control": control, **{k: cells[k, label] for k in ("observed", "predicted")}}
            values = {k: counts[:, [column]].toarray().ravel() for k, counts in sides.items()}
            limit = int(np.quantile(np.concatenate(list(values.values())), CLIP))
            for kind, counts in values.items():
                clipped = np.minimum(counts.astype(int), max(limit, 1))
                share = np.bincount(clipped) / len(clipped)
                records += [
                    (label, gene, kind, count, fraction)
                    for count, fraction in enumerate(share)
                    if fraction > 0
                ]
    names = ["perturbation", "gene", "kind", "count", "fraction"]
    return pandas.DataFrame(records, columns=names)


def spread_rows(model: GPJEPA, assessed: Assessment, seed: int) -> DataFrame:
    """Return the sources of spread of the perturbations with the largest predicted effects.

    Without rows where there are too few control cells, or no gene, to measure a variance on.
    """
    import pandas

    sizes = assessed.effects.groupby("perturbation").effect.agg(lambda own: (own**2).sum())
    shown = sizes.sort_values(ascending=False, kind="stable").index[:SHOWN_SPREADS]
    start = assessed.panel.subset(assessed.parts.train_controls).to_anndata()
    try:
        return model.spread([str(label) for label in shown], control=start, seed=seed)
    except DataError:
        return pandas.DataFrame(columns=["perturbation", "source", "share", "error"])


def responder_rows(model: GPJEPA, assessed: Assessment, seed: int) -> DataFrame:
    """Return predicted shares of responding cells; no rows from a model without a mixture."""
    import pandas

    if model.bundle.model.responders is None:
        return pandas.DataFrame(columns=["perturbation", "fraction", "low", "high"])
    start = assessed.panel.subset(assessed.parts.train_controls).to_anndata()
    return model.responders(assessed.labels, control=start, seed=seed)


def latent_rows(model: GPJEPA, assessed: Assessment, seed: int) -> DataFrame:
    """Return the first two principal axes of teacher embeddings, fitted on observed cells."""
    import pandas
    from sklearn.decomposition import PCA

    observed = np.asarray(assessed.observed.obsm["X_embedding"])
    predicted = np.asarray(assessed.predicted.obsm["X_embedding"])
    axes = PCA(2, random_state=seed).fit(observed)
    parts = []
    for kind, adata, z in (
        ("observed", assessed.observed, observed),
        ("predicted", assessed.predicted, predicted),
    ):
        xy = axes.transform(z)
        labels = np.asarray(adata.obs["perturbation"].astype(str))
        kinds = np.where(labels == CONTROL, "control", kind)
        parts.append(
            pandas.DataFrame({"x": xy[:, 0], "y": xy[:, 1], "kind": kinds, "perturbation": labels})
        )
    points = pandas.concat(parts, ignore_index=True)
    if len(points) > SHOWN_CELLS:
        points = points.sample(SHOWN_CELLS, random_state=seed).sort_index()
    return points.round({"x": 4, "y": 4})
