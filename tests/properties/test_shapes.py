"""The shapes in the signatures of model and objectives hold while a model trains and predicts."""

from __future__ import annotations

import subprocess
import sys

CODE = """
import importlib, pkgutil, typing
from jaxtyping import install_import_hook

with install_import_hook(["gpjepa.model", "gpjepa.objectives"], "beartype.beartype"):
    import gpjepa.model.distributions, gpjepa.model.variational
    for seam in (gpjepa.model.distributions.CountDistribution, gpjepa.model.variational.LatentHead):
        typing.runtime_checkable(seam)
    import gpjepa.objectives
    for package in (gpjepa.model, gpjepa.objectives):
        for module in pkgutil.iter_modules(package.__path__, package.__name__ + "."):
            importlib.import_module(module.name)

import gpjepa
from jaxtyping import TypeCheckError
from gpjepa.model.distributions import nonzero_gain
import torch

try:
    nonzero_gain(torch.ones(2), torch.ones(3), torch.ones(2))
except TypeCheckError:
    print("checked")

adata, _ = gpjepa.simulate(gpjepa.SimulationConfig(
    preset="free",
    free={"genes": 30, "perturbed": 5, "pairs": 3, "panel_share": 0.3, "base_log_sd": 0.5},
    cells={"control": 60, "perturbed": 24},
))
data = gpjepa.read(adata, announce=False)
model = gpjepa.GPJEPA(data, gpjepa.Config(
    encoder={"latent": 6, "hidden": 12},
    predictor={"width": 16, "heads": 2, "layers": 1, "pairing": "random"},
    decoder={"distribution": "zinb"},
    pretrain={"epochs": 1, "min_steps": 2, "batch_size": 64},
    fit={"epochs": 1, "min_steps": 2, "max_steps": 2, "validations": 1},
), data.split("unseen-combination", seed=0))
model.pretrain()
model.fit()
print(model.predict(list(data.perturbations[:2]), cells=5).shape)
"""


def test_shapes_hold_from_training_to_prediction() -> None:
    done = subprocess.run(
        [sys.executable, "-c", CODE], capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert done.stdout.splitlines() == ["checked", "(10, 30)"]
