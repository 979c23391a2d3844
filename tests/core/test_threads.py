from __future__ import annotations

import os
import subprocess
import sys

import pytest
import torch
from threadpoolctl import threadpool_info

from gpjepa.core.threads import set_threads, single_threaded, steady_threads, torch_threads

SMALL_FIT = """
import hashlib
import numpy as np
from anndata import AnnData
from pandas import DataFrame
from scipy.sparse import csr_matrix
import gpjepa

rng = np.random.default_rng(0)
rate = np.exp(rng.normal(0.0, 1.0, 400))
labels = np.repeat(["control", *"ABCDE", "A+B", "C+D"], (700, *[70] * 7))
shift = {name: rng.normal(0.0, 0.5, 400) * (name != "control") for name in sorted(set(labels))}
counts = rng.poisson(rate * np.exp(np.stack([shift[name] for name in labels])))
cells = AnnData(csr_matrix(counts.astype(np.float32)), DataFrame({"perturbation": labels}))
few = {"epochs": 1, "min_steps": 3, "max_steps": 3}
config = gpjepa.Config(perturbation={"features": []}, pretrain=few, fit=few)
model = gpjepa.GPJEPA(gpjepa.read(cells, announce=False), config, device="cpu")
model.pretrain()
model.fit()
digest = hashlib.sha256()
for tensor in model.bundle.model.state_dict().values():
    digest.update(tensor.numpy().tobytes())
print(digest.hexdigest())
"""


def _blas_threads() -> set[int]:
    return {pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"}


def test_small_panels_get_one_thread_unless_told_otherwise() -> None:
    assert torch_threads(100) == 1
    assert torch_threads(100, 3) == 3
    assert torch_threads(2000) is None
    assert torch_threads(None) is None


def test_threads_are_as_before_after_a_fit_that_fails() -> None:
    torch_before, blas_before = torch.get_num_threads(), _blas_threads()
    seen: list[object] = []

    def fit() -> None:
        with steady_threads(100, 2):
            seen.extend((torch.get_num_threads(), _blas_threads()))
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fit()
    assert seen == [2, {1}]
    assert torch.get_num_threads() == torch_before
    assert _blas_threads() == blas_before


def test_single_threaded_holds_for_every_pool() -> None:
    with single_threaded():
        assert {pool["num_threads"] for pool in threadpool_info()} == {1}


def test_a_process_keeps_the_threads_that_were_chosen() -> None:
    code = (
        "from gpjepa.core.threads import set_threads\n"
        "from threadpoolctl import threadpool_info\n"
        "set_threads(None, 1)\n"
        "print({pool['num_threads'] for pool in threadpool_info()})"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "OMP_NUM_THREADS": "2"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == "{1}"


def test_without_a_choice_wide_panels_are_left_alone() -> None:
    before = torch.get_num_threads()
    set_threads(5000)
    assert torch.get_num_threads() == before


@pytest.mark.slow
def test_a_fit_does_not_depend_on_the_threads_of_the_environment() -> None:
    found = []
    for threads in ("1", "2"):
        limits = {"OMP_NUM_THREADS": threads, "OPENBLAS_NUM_THREADS": threads}
        done = subprocess.run(
            [sys.executable, "-c", SMALL_FIT],
            env={**os.environ, **limits},
            capture_output=True,
            text=True,
            check=True,
        )
        found.append(done.stdout.strip().splitlines()[-1])
    assert found[0] == found[1]
