"""Compare our formulas with cell-eval2's where both define the same thing, on the same files.

Our plain functions are given what cell-eval2 takes: all genes, panel sums as libraries, pseudobulks
at 50,000 counts, the observed control on both sides, and its own calls of significant genes.
Needs an environment (0.7 GB).
"""

from __future__ import annotations

import argparse
import json
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import anndata
import numpy as np
import pandas
from scipy.sparse import csr_matrix

from benchmarks.cell_eval.command import cell_eval, results
from benchmarks.cell_eval.speed import write_pair
from benchmarks.environments import environment
from gpjepa.evaluation import differential, effect
from gpjepa.evaluation.pseudobulk import group_pseudobulk
from gpjepa.evaluation.rank_sums import rank_sums

CONTROL = "non-targeting"
TARGET_SUM = 50_000.0  # of cell-eval2's pseudobulks
TOLERANCE = 1e-6


@dataclass(frozen=True, eq=False)
class Side:
    """Cells of one file: counts, panel sums and labels."""

    counts: csr_matrix
    library: np.ndarray
    labels: np.ndarray

    @classmethod
    def read(cls, path: Path) -> Side:
        """Read raw counts with the column that cell-eval2 looks at."""
        adata = anndata.read_h5ad(path)
        counts = csr_matrix(adata.X, dtype=np.float32)
        library = np.asarray(counts.sum(axis=1), dtype=np.float64).ravel()
        return cls(counts, library, adata.obs["target"].astype(str).to_numpy())

    def of(self, label: str) -> tuple[csr_matrix, np.ndarray]:
        """Return the counts and libraries of one label."""
        cells = np.flatnonzero(self.labels == label)
        return self.counts[cells], self.library[cells]

    def states(self, labels: Sequence[str]) -> np.ndarray:
        """Return the pseudobulk of every label, [labels, G]."""
        codes = pandas.Index(labels).get_indexer(self.labels)
        return group_pseudobulk(self.counts, self.library, codes, len(labels), TARGET_SUM)


def ours(
    predicted: Side, observed: Side, labels: Sequence[str], genes: np.ndarray
) -> dict[str, np.ndarray]:
    """Return our values by the name of cell-eval2, one per perturbation."""
    control = observed.states([CONTROL])[0]
    first, second = (side.states(labels) for side in (predicted, observed))
    change, truth = first - control, second - control
    other = ~np.isin(genes, labels)  # it ranks without the target genes of all perturbations
    return {
        "expr_mae": effect.normalised_mae(change, truth) * np.abs(truth).mean(axis=1),
        "expr_mse": effect.l2(change, truth) ** 2 / genes.size,
        "delta_mae": effect.normalised_mae(change, truth) * np.abs(truth).mean(axis=1),
        "delta_mse": effect.l2(change, truth) ** 2 / genes.size,
        "delta_pearson": effect.pearson(change, truth),
        "pds_cosine": effect.discrimination(change[:, other], truth[:, other]),
        "pds_l2": effect.centroid_accuracy(first[:, other], second[:, other]),
    }


def of_calls(tables: Mapping[str, pandas.DataFrame], labels: Sequence[str]) -> dict:
    """Return what we make of its own tables of differential expression."""
    wide = {
        (side, column): table.pivot(index="target", columns="feature", values=column).loc[labels]
        for side, table in tables.items()
        for column in ("p_adj", "log2_fold_change")
    }
    calls = {side: wide[side, "p_adj"].to_numpy() < 0.05 for side in tables}
    folds = [wide[side, "log2_fold_change"].to_numpy() for side in ("pred", "real")]
    return {
        "de_wilcoxon_sig_recall": differential.recall(calls["pred"], calls["real"]),
        "de_wilcoxon_direction_match": differential.direction_agreement(*folds, calls["real"]),
    }


def p_values(
    side: Side, control: Side, table: pandas.DataFrame, labels: Sequence[str], genes: np.ndarray
) -> dict[str, float]:
    """Compare our p-values with those of its table, relative to the latter.

    It ranks values in single precision, which can tell equal rates apart: a few genes differ.
    """
    cells = [side.of(label) for label in labels]
    counts, libraries = zip(*cells, strict=True)
    found = rank_sums(counts, libraries, *control.of(CONTROL))
    rows = pandas.Index(labels).get_indexer(table["target"])
    columns = pandas.Index(genes).get_indexer(table["feature"])
    theirs = table["p_value"].to_numpy()
    gap = np.abs(found[rows, columns] - theirs) / np.maximum(theirs, 1e-300)
    return {"share_equal": float((gap <= TOLERANCE).mean()), "largest": float(gap.max())}


def tables(out: Path) -> dict[str, pandas.DataFrame]:
    """Read the tables of differential expression that cell-eval2 wrote."""
    script = "import sys, polars; polars.read_parquet(sys.argv[1]).write_csv(sys.argv[1] + '.csv')"
    found = {}
    for side in ("pred", "real"):
        path = out / f"de_{side}.parquet"
        subprocess.run([str(environment("cell_eval")), "-c", script, str(path)], check=True)
        found[side] = pandas.read_csv(f"{path}.csv")
    return found


def compared(mine: np.ndarray, theirs: np.ndarray) -> dict[str, object]:
    """Compare two rows of values where both are defined: cell-eval2 wants 10 significant genes."""
    known = np.isfinite(mine) & np.isfinite(theirs)
    gap = float(np.abs(mine[known] - theirs[known]).max(initial=0.0 if known.any() else np.inf))
    return {"largest_difference": gap, "n": int(known.sum()), "equal": gap <= TOLERANCE}


def main(arguments: Sequence[str] | None = None) -> int:
    """Print one JSON document; return 1 when a definition that coincides gives other numbers."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks agree", description=__doc__)
    parser.add_argument("--perturbations", type=int, default=20)
    parser.add_argument("--cells", type=int, default=60)
    parser.add_argument("--genes", type=int, default=600)
    chosen = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as name:
        paths = write_pair(
            Path(name), chosen.perturbations, chosen.cells, chosen.genes, controls=300
        )[:2]
        out = Path(name) / "theirs"
        cell_eval(*paths, out, preset="v2", extra=["--write-degenes"])
        found, de = results(out), tables(out)
        predicted, observed = map(Side.read, paths)
        genes = anndata.read_h5ad(paths[0], backed="r").var_names.to_numpy().astype(str)
    labels = sorted(set(observed.labels) - {CONTROL})
    values = {**ours(predicted, observed, labels, genes), **of_calls(de, labels)}
    same = {
        metric: compared(mine, np.array([found.get((x, metric), np.nan) for x in labels]))
        for metric, mine in values.items()
    }
    tests = {
        side: p_values(cells, observed, de[side], labels, genes)
        for side, cells in (("pred", predicted), ("real", observed))
    }
    equal = all(bool(each["equal"]) for each in same.values())
    print(json.dumps({"equal": equal, "metrics": same, "p_values": tests}, indent=1))
    return 0 if equal else 1
