"""Check that cell-eval2 reads what `gpjepa predict --format cell-eval` writes.

Trains for a moment on the embedded cells of the demo, predicts held-out perturbations, writes the
observed side and runs `cell-eval2 run --preset vcc2026`. Needs an environment (0.7 GB).
"""

from __future__ import annotations

import argparse
import json
import math
import tempfile
from collections.abc import Sequence
from pathlib import Path

import anndata
import numpy as np

import gpjepa
from benchmarks.cell_eval.command import cell_eval, results
from benchmarks.cell_eval.command import gpjepa as our_command

QUICK = ("pretrain.epochs=1", "pretrain.min_steps=0", "fit.epochs=1", "fit.min_steps=0")


def chosen_labels(adata: anndata.AnnData) -> list[str]:
    """Return three combinations, and the three perturbed genes that are measured best."""
    data = gpjepa.read(adata, announce=False)
    total = dict(zip(data.genes, np.asarray(data.counts.sum(axis=0)).ravel(), strict=True))
    singles = [label for label in data.perturbations if label in total]
    pairs = [label for label in data.perturbations if "+" in label]
    return sorted(singles, key=lambda label: -total[label])[:3] + pairs[:3]


def observed_side(source: Path, predicted: Path, out: Path) -> list[str]:
    """Write the observed cells of the predicted labels and genes under its default names."""
    guess, truth = anndata.read_h5ad(predicted), anndata.read_h5ad(source)
    data = gpjepa.read(truth, announce=False)
    labels = np.where(data.labels == "control", "non-targeting", data.labels)
    wanted = sorted(set(guess.obs["target"].astype(str)))
    truth.obs["target"] = labels.astype(str)
    kept = truth[np.isin(labels, wanted)][:, guess.var_names].copy()
    kept.uns.clear()
    kept.write_h5ad(out)
    return wanted


def main(arguments: Sequence[str] | None = None) -> int:
    """Print one JSON document; return 1 when a perturbation is missing from the results."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks accept", description=__doc__)
    parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        source, run, predicted = folder / "norman.h5ad", folder / "run", folder / "predicted.h5ad"
        our_command("data", "export", "norman-k562", "--out", str(source))
        labels = chosen_labels(anndata.read_h5ad(source))
        settings = [part for setting in QUICK for part in ("--set", setting)]
        our_command("train", str(source), "--out", str(run), *settings)
        asked = [part for label in labels for part in ("-p", label)]
        our_command(
            "predict", str(run), *asked, "--cells", "100", "--out", str(predicted),
            "--format", "cell-eval",
        )  # fmt: skip
        wanted = observed_side(source, predicted, folder / "observed.h5ad")
        cell_eval(predicted, folder / "observed.h5ad", folder / "theirs")
        found = results(folder / "theirs")
    scored = {label for label, _ in found}
    accepted = scored == set(wanted) - {"non-targeting"}
    means = {
        metric: float(np.nanmean([value for (_, name), value in found.items() if name == metric]))
        for metric in sorted({metric for _, metric in found})
        if any(not math.isnan(value) for (_, name), value in found.items() if name == metric)
    }
    print(
        json.dumps({"accepted": accepted, "perturbations": sorted(scored), "mean": means}, indent=1)
    )
    return 0 if accepted else 1
