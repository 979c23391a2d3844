"""Embedded tables as AnnData: effects, distances, single-gene counts, classes, references."""

from __future__ import annotations

import numpy as np
import pandas as pd
from anndata import AnnData
from scipy.sparse import csr_matrix

from gpjepa.data.references import COLLECTIONS, baseline, interaction_classes, read_collection
from gpjepa.data.resources import checked

Float = np.ndarray


def norman_effects() -> AnnData:
    """Return the effects of Norman's singles and doubles in X, conditions x genes."""
    with np.load(checked("norman_effects.npz"), allow_pickle=False) as bundle:
        singles, doubles = bundle["single_labels"].tolist(), bundle["double_labels"].tolist()
        effects = np.concatenate([bundle["single_effects"], bundle["double_effects"]])
        genes = bundle["genes"].tolist()
    labels = singles + doubles
    kinds = ["single"] * len(singles) + ["double"] * len(doubles)
    obs = pd.DataFrame({"perturbation": labels, "kind": kinds}, index=labels)
    return AnnData(effects.astype(np.float32), obs=obs, var=pd.DataFrame(index=genes))


def centroids(distances: Float, origin: int) -> Float:
    """Return the points whose squared distances are half the energy distances.

    With squared Euclidean distances E = 2‖Δmean‖², so classical scaling of E/2 gives the
    condition means up to rotation; rows are points, `origin` is the row moved to zero.
    Axes are ordered by variance, each with its largest loading positive.
    """
    half = np.asarray(distances, dtype=np.float64) / 2
    centred = half - half.mean(axis=0) - half.mean(axis=1)[:, None] + half.mean()
    values, vectors = np.linalg.eigh(-centred / 2)
    keep = np.argsort(values)[::-1]
    keep = keep[values[keep] > 1e-9 * values.max()]
    points: Float = vectors[:, keep] * np.sqrt(values[keep])
    largest = points[np.abs(points).argmax(axis=0), np.arange(points.shape[1])]
    points = points * np.sign(largest)
    return points - points[origin]


def norman_distances() -> AnnData:
    """Return Norman's energy distances in obsp and the centroids they imply in obsm."""
    frame = pd.read_csv(checked("norman_distances.csv.gz"), index_col=0)
    labels = [str(label) for label in frame.index]
    members = [0 if label == "control" else label.count("+") + 1 for label in labels]
    obs = pd.DataFrame({"perturbation": labels, "members": members}, index=labels)
    table = AnnData(obs=obs)
    table.obsp["distances"] = frame.to_numpy(np.float64)
    table.obsm["X_centroid"] = centroids(table.obsp["distances"], labels.index("control"))
    return table


def norman_singles() -> AnnData:
    """Return raw counts of 23 genes in the cells with one or no perturbed gene."""
    frame = pd.read_csv(
        checked("norman_singles_23_genes.tsv.gz"), sep="\t", keep_default_na=False, na_values=[]
    )
    genes = [str(name) for name in frame.columns[3:]]
    obs = pd.DataFrame(
        {
            "perturbation": pd.Categorical(frame["arm"].astype(str)),
            "gemgroup": pd.Categorical(frame["gemgroup"].astype(str)),
            "total_umi": frame["total_umi"].to_numpy(np.float64),
        }
    )
    obs.index = pd.Index([f"cell{row}" for row in range(len(frame))])
    counts = csr_matrix(frame[genes].to_numpy(np.float32))
    return AnnData(counts, obs=obs, var=pd.DataFrame(index=genes))


def interaction_class_table() -> AnnData:
    """Return Norman's interaction classes as an obs table."""
    classes = interaction_classes()
    obs = pd.DataFrame({"perturbation": list(classes), "class": list(classes.values())})
    obs.index = pd.Index(list(classes))
    return AnnData(obs=obs)


def baseline_table(name: str) -> AnnData:
    """Return a baseline as one row of relative expression with NB sizes in var."""
    frame = baseline(name)
    row = frame["relative_expression"].to_numpy(np.float64)[None, :]
    var = pd.DataFrame({"expression_size": frame["expression_size"].to_numpy(np.float64)})
    var.index = pd.Index([str(gene) for gene in frame.index])
    return AnnData(row, obs=pd.DataFrame(index=["relative_expression"]), var=var)


def gene_set_table() -> AnnData:
    """Return gene-set membership as a sparse 0/1 matrix, genes x sets."""
    rows = [(key, *entry) for key in COLLECTIONS for entry in read_collection(key)]
    genes = sorted(set().union(*(members for *_, members in rows)))
    position = {gene: index for index, gene in enumerate(genes)}
    indices = [np.sort([position[gene] for gene in members]) for *_, members in rows]
    indptr = np.cumsum([0, *(len(entry) for entry in indices)])
    flat = np.concatenate(indices)
    by_set = csr_matrix(
        (np.ones(len(flat), dtype=np.float32), flat, indptr), shape=(len(rows), len(genes))
    )
    var = pd.DataFrame(
        {"collection": [row[0] for row in rows], "title": [row[2] for row in rows]},
        index=[row[1] for row in rows],
    )
    return AnnData(by_set.T.tocsr(), obs=pd.DataFrame(index=genes), var=var)
