"""The main job, whole, on embedded real data."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path
from typing import Any

from gpjepa.api.evaluate_run import evaluate_model
from gpjepa.api.model import GPJEPA
from gpjepa.api.options import RoleOptions, RunOptions
from gpjepa.api.plan_request import GoalRequest, SetRequest
from gpjepa.api.plan_run import plan_file
from gpjepa.api.plan_settings import Search
from gpjepa.api.run import begin, read_data_record
from gpjepa.api.train_run import train_data
from gpjepa.core.config import Config
from gpjepa.core.errors import DataError
from gpjepa.data.datasets import export
from gpjepa.data.gene_features import set_matrix
from gpjepa.data.labels import members_of
from gpjepa.data.partition import Split
from gpjepa.data.perturbseq import PerturbSeq
from gpjepa.data.splits import demo_split
from gpjepa.report.page import render

DATASET = "norman-k562"


def run_demo(out: Path, options: RunOptions, config: Config | None = None) -> dict[str, Any]:
    """Train on norman-k562, predict what was held out, compare and report.

    Held out are the doubles whose singles are measured and three singles that are in no double.
    Writes the data, the run and report.html into `out`; deterministic for a seed.
    """
    started = time.perf_counter()
    begin(out, force=options.force, resume=False)
    source = out / f"{DATASET}.h5ad"
    out.mkdir(parents=True, exist_ok=True)
    export(DATASET, source, force=True)
    roles = RoleOptions()
    data = roles.read(str(source), options.announce)
    options.apply_threads(data.n_genes)
    split = demo_split(data, options.seed, set(set_matrix().position))
    chosen = config or Config()
    trained = train_data(
        data, str(source), out, split, roles, chosen, encoder=None, resume=False, options=options
    )
    model = GPJEPA.load(out, options.device)
    folder = out / "evaluation"
    told = evaluate_model(model, data, out, folder, options, read_data_record(out))
    plan = plan_to_held_out(out, data, split, options)
    report = render(out, out / "report.html", force=True)
    return {
        "run": str(out),
        "training_seconds": trained["seconds"],
        "seconds": round(time.perf_counter() - started, 1),
        "headline": told["headline"],
        "notes": told["notes"],
        "plan": plan,
        "report": str(report),
    }


def plan_to_held_out(out: Path, data: PerturbSeq, split: Split, options: RunOptions) -> str | None:
    """Plan towards a held-out double, whose cells no training has seen, and return the file.

    The goal is the double with the most cells that is another state than control; None where
    there is no such double.
    """
    doubles = [label for label in split.test if len(members_of(label)) > 1]
    doubles.sort(key=lambda label: (-int((data.labels == label).sum()), label))
    chosen, again = Search(seed=options.seed), replace(options, force=True)
    for label in doubles:
        goal = GoalRequest(condition=label)
        try:
            told = plan_file(out, out / "plan.csv", goal, SetRequest(), chosen, again, compare=True)
        except DataError:  # it does not differ from control
            continue
        return str(told["out"])
    return None
