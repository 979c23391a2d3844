"""What one of several processes computes for the tests: `python worker.py FOLDER`."""

from __future__ import annotations

import importlib.util
import sys
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import torch

from gpjepa.core.config import Config
from gpjepa.core.random import torch_stream
from gpjepa.core.ranks import Rows
from gpjepa.data.perturbseq import read
from gpjepa.inference.cells import CellTable
from gpjepa.model.gpjepa import WorldModel
from gpjepa.model.sparse_counts import SparseCounts
from gpjepa.objectives.across import Across
from gpjepa.objectives.vicreg import vicreg
from gpjepa.training.measured_effects import MeasuredEffects
from gpjepa.training.pair_batch import pairing_of
from gpjepa.training.pairs import make_pairs
from gpjepa.training.pipeline import seeded_encoder, seeded_world_model
from gpjepa.training.prepare import Prepared, prepare
from gpjepa.training.processes import Processes, open_fabric
from gpjepa.training.stage import Plan
from gpjepa.training.stage_a import StageA
from gpjepa.training.stage_bc import EffectTargets, StageBC
from gpjepa.training.trainer import Objective, train_stage
from gpjepa.training.validation import make_validation

FIT = {"epochs": 1, "min_steps": 8, "max_steps": 8, "group_size": 8, "validations": 4}
CONFIGS: dict[str, dict[str, Any]] = {
    "even": {"fit": {**FIT, "batch_size": 32}},
    "uneven": {
        "fit": {**FIT, "batch_size": 24},
        "head": {"free_bits": 0.3},
        "pretrain": {"batch_size": 33},
    },
    "predictive": {"head": {"recognition": "predictive"}, "predictor": {"pairing": "random"}},
    "mean": {"predictor": {"state": "mean"}},
}


def tiny() -> ModuleType:
    path = Path(__file__).parents[1] / "training" / "tiny.py"
    spec = importlib.util.spec_from_file_location("tiny", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def config_of(name: str) -> Config:
    made: Config = tiny().make_config(**CONFIGS[name])
    return made


def prepared(config: Config) -> Prepared:
    data = read(tiny().make_cells(batches=2), batch="batch", announce=False)
    return prepare(data, tiny().make_split(data), config, None)


def stage_a(ready: Prepared, config: Config, table: CellTable | None = None) -> StageA:
    encoder = seeded_encoder(ready.moments, config, 0)
    blocks = np.arange(len(ready.genes)) % 4
    torch.manual_seed(0)
    return StageA(encoder, table or ready.training.table, blocks, config, seed=0)


def stage_bc(ready: Prepared, config: Config) -> StageBC:
    model: WorldModel = seeded_world_model(ready, config, 0)
    measured: MeasuredEffects = ready.observed
    effect, error = (torch.from_numpy(x).float() for x in (measured.effect, measured.error))
    vocabulary, target = ready.vocabulary, ready.moments.target
    source = make_pairs(ready.training, measured.labels, vocabulary, config, 0)
    judge = make_validation(ready.controls, ready.validation, vocabulary, target, 0)
    pairing = pairing_of(config.predictor.pairing)
    targets = EffectTargets(effect, error, target)
    return StageBC(model, None, targets, source, pairing, config, judge)


def plan(steps: int = 8, identity: str = "run") -> Plan:
    return Plan(
        steps=steps,
        steps_per_epoch=4,
        interval=4,
        learning_rate=1e-3,
        weight_decay=1e-4,
        clip=1.0,
        seed=0,
        patience=5,
        identity=identity,
    )


def doubled(stage: Any) -> Any:
    """Return a stage in double precision, where sums of many large terms keep their digits."""
    single = stage.batch

    def batch(step: int, device: torch.device) -> Any:
        found = single(step, device)
        wide = {
            name: replace(value, value=value.value.double())
            if isinstance(value, SparseCounts)
            else value.double()
            for name, value in vars(found).items()
            if name in ("counts", "control", "library", "control_library")
        }
        return replace(found, **wide)

    stage.double()
    stage.batch = batch
    return stage


def gradients(stage: Any, processes: Processes, step: int = 1) -> dict[str, np.ndarray]:
    """Return the gradients that the optimizer gets, and the terms that the history has."""
    if processes.ranks.size > 1:
        stage.share(processes.ranks)
    objective = Objective(stage, plan())
    stage.train()
    wrapped = processes.fabric.setup_module(objective)
    total = wrapped(step, torch.device("cpu"))
    processes.fabric.backward(total)
    assert objective.terms is not None
    values = processes.averaged([term.value.item() for term in objective.terms.terms])
    found = {"terms": np.array(values)}
    for name, parameter in stage.named_parameters():
        if parameter.grad is not None:
            found[name] = parameter.grad.numpy().copy()
    return found


def moments(processes: Processes) -> dict[str, np.ndarray]:
    """Return the VICReg terms of the rows here and those elsewhere, and their gradient."""
    generator = torch.Generator().manual_seed(3)
    both = torch.randn((2, 21, 6), generator=generator) @ torch.randn((6, 6), generator=generator)
    rows: Rows = processes.ranks.rows(21)
    here = both[:, rows.here].clone().requires_grad_()
    across = Across(rows)
    found = vicreg(here[0], here[1], across)
    mean, deviation = across.mean(here[0]), across.deviation(here[0])
    grad = torch.autograd.grad(found.total(), here)[0] / processes.ranks.size
    told = {"variance": found.variance, "covariance": found.covariance, "mean": mean}
    arrays = {name: value.detach().numpy() for name, value in told.items()}
    near = processes.averaged([found.invariance.item()])
    return {
        **arrays,
        "deviation": deviation.detach().numpy(),
        "invariance": np.array(near),
        "gradient": grad.numpy(),
    }


def shares(stage: StageA, bc: StageBC, processes: Processes) -> dict[str, np.ndarray]:
    """Return the libraries of the cells, and the perturbations, that this process sees."""
    device = torch.device("cpu")
    if processes.ranks.size > 1:
        stage.share(processes.ranks)
        bc.share(processes.ranks)
    found = {}
    for step in range(3):
        batch, pairs = stage.batch(step, device), bc.batch(step, device)
        found[f"a{step}"] = batch.library.numpy()
        found[f"targets{step}"] = pairs.library.numpy()
        found[f"controls{step}"] = pairs.control_library.numpy()
        found[f"groups{step}"] = pairs.perturbation[pairs.group].numpy()
    return found


def trained(processes: Processes, folder: Path | None = None, **how: Any) -> dict[str, np.ndarray]:
    """Return the weights, teachers and history of short runs of all stages."""
    config = config_of("uneven")
    ready, found = prepared(config), {}
    for stage in (stage_a(ready, config), stage_bc(ready, config)):
        progress = train_stage(stage, plan(**how), processes.fabric, folder)
        for name, value in stage.state_dict().items():
            found[f"{stage.name}/{name}"] = value.numpy()
        rows = [row["value"] for row in progress.history]
        found[f"{stage.name}/history"] = np.array(rows)
    return found


def draws() -> np.ndarray:
    return torch.rand(3, generator=torch_stream(0, "test")).numpy()


def everything(processes: Processes) -> dict[str, np.ndarray]:
    found: dict[str, np.ndarray] = {}

    def keep(prefix: str, part: dict[str, np.ndarray]) -> None:
        found.update({f"{prefix}:{name}": value for name, value in part.items()})

    for name in CONFIGS:
        config = config_of(name)
        ready = prepared(config)
        if name != "mean":
            keep(f"gradients a {name}", gradients(stage_a(ready, config), processes))
        keep(f"gradients bc {name}", gradients(stage_bc(ready, config), processes))
    config = config_of("uneven")
    ready = prepared(config)
    keep("double bc", gradients(doubled(stage_bc(ready, config)), processes))
    counts = ready.training.table.counts
    numbered = CellTable(counts, np.arange(counts.shape[0]) + 100.0)
    stages = (stage_a(ready, config, numbered), stage_bc(ready, config))
    keep("shares", shares(*stages, processes))
    keep("moments", moments(processes))
    keep("trained", trained(processes))
    return found


if __name__ == "__main__":
    torch.set_num_threads(1)
    together = Processes(open_fabric("cpu"))
    out = Path(sys.argv[1]) / f"rank{together.ranks.rank}.npz"
    np.savez(out, **everything(together))  # type: ignore[arg-type]
    together.meet()
