"""Time one program on one file: `python worker.py ours|scvi FILE BATCH THREADS`; one JSON line.

scVI runs in an environment of its own: nothing of gpjepa is imported for it. Rates are cells per
second of the process's own CPU time and of the clock; steps are medians.
"""

from __future__ import annotations

import json
import sys
import time
import warnings
from collections.abc import Callable
from contextlib import suppress
from itertools import pairwise
from statistics import median
from typing import Any

warnings.filterwarnings("ignore")
TRAIN, CELLS, SAMPLED = 20, 3000, 1000  # steps timed, cells embedded, cells decoded and sampled
Clock = tuple[float, float]


def now() -> Clock:
    """Return the clock and the CPU time of this process."""
    return time.perf_counter(), time.process_time()


def rate(cells: int, work: Callable[[], Any], rounds: int = 3) -> dict[str, float]:
    """Return cells per second, by the fastest of some rounds."""
    spans = []
    for _ in range(rounds):
        start = now()
        work()
        spans.append([b - a for a, b in zip(start, now(), strict=True)])
    wall, cpu = (min(column) for column in zip(*spans, strict=True))
    return {"wall": cells / wall, "cpu": cells / cpu}


def of_steps(clocks: list[Clock], batch: int) -> dict[str, float]:
    """Return cells per second of the median step after the first ten."""
    steps = list(pairwise(clocks[10:]))
    wall, cpu = (median(b[i] - a[i] for a, b in steps) for i in (0, 1))
    return {"wall": batch / wall, "cpu": batch / cpu}


def scvi(path: str, batch: int) -> dict[str, Any]:
    """Time scVI as its documentation trains it, with batch and perturbation as covariates."""
    import anndata
    import lightning.pytorch as lightning
    import numpy as np
    from scvi.model import SCVI

    clocks: list[Clock] = []

    class Clocks(lightning.Callback):
        def on_train_batch_end(self, *_: Any) -> None:
            clocks.append(now())
            if len(clocks) > TRAIN + 10:
                raise KeyboardInterrupt

    cells = anndata.read_h5ad(path)
    SCVI.setup_anndata(cells, batch_key="batch", categorical_covariate_keys=["perturbation"])
    model = SCVI(cells)
    quiet = {"enable_progress_bar": False, "logger": False, "accelerator": "cpu"}
    with suppress(KeyboardInterrupt, SystemExit):  # it stops after enough steps
        model.train(max_epochs=1, batch_size=batch, callbacks=[Clocks()], **quiet)
    model.is_trained_ = True
    model.module.eval()
    many, few = np.arange(CELLS), np.arange(SAMPLED)
    size = {"batch_size": 2048}
    return {
        "train": of_steps(clocks, batch),
        "embed": rate(CELLS, lambda: model.get_latent_representation(indices=many, **size)),
        "decode": rate(
            SAMPLED,
            lambda: model.get_normalized_expression(indices=few, return_numpy=True, **size),
        ),
        "sample": rate(
            SAMPLED, lambda: model.posterior_predictive_sample(indices=few, **size), rounds=2
        ),
    }


def ours(path: str, batch: int) -> dict[str, Any]:
    """Time both stages, embedding, decoding of means and populations of raw counts."""
    import anndata
    import numpy as np
    import torch

    from benchmarks.stages import Stepper, stage_of, trainee
    from gpjepa.inference.cells import CellTable
    from gpjepa.inference.embed import embed_cells
    from gpjepa.inference.respond import draw_sources, respond
    from gpjepa.model.perturbation import Condition

    prepared = trainee(anndata.read_h5ad(path), batch)
    found: dict[str, Any] = {}
    for name in ("a", "bc"):
        stage = stage_of(prepared, name)
        stepper, clocks = Stepper(stage), []
        for _ in range(TRAIN + 11):
            stepper()
            clocks.append(now())
        found[f"train_{name}"] = of_steps(clocks, batch)
    model, data = stage.model.eval().requires_grad_(False), prepared.prepared
    table = data.training.table.take(np.arange(CELLS))
    found["embed"] = rate(CELLS, lambda: embed_cells(model.encoder, table))
    latent = torch.from_numpy(embed_cells(model.encoder, table))[:SAMPLED]
    with torch.no_grad():
        found["decode"] = rate(SAMPLED, lambda: model.decoder.mean_shares(latent).numpy())
    controls = CellTable(data.controls.table.counts, data.controls.table.library)
    members = torch.from_numpy(data.vocabulary.encode([data.observed.labels[0]] * SAMPLED))
    covariates = torch.zeros((SAMPLED, data.training.covariates.shape[1]), dtype=torch.long)
    asked, source = Condition(members, covariates, None), draw_sources(len(controls), SAMPLED, 0)
    found["sample"] = rate(SAMPLED, lambda: respond(model, controls, asked, source, None, 0))
    return found


if __name__ == "__main__":
    import torch

    kind, file, size, threads = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
    torch.set_num_threads(threads)
    print(json.dumps({"ours": ours, "scvi": scvi}[kind](file, size)))
