"""Every latent head through the command, on one trained encoder."""

from __future__ import annotations

import json
from pathlib import Path

import anndata
import pandas
import pytest
from safetensors.torch import load_file

SPLIT = ("--split", "unseen-combination", "--device", "cpu", "--json")
SHORT = ("head.fitting_steps=6", "head.evaluations=4")


@pytest.fixture(scope="module")
def encoder(screen: Path) -> Path:
    from gpjepa.cli.main import run

    out = screen.parent / "encoder-for-heads"
    sizes = ("encoder.latent=8", "encoder.hidden=16", "encoder.layers=1", "pretrain.min_steps=6")
    settings = [word for size in (*sizes, "pretrain.max_steps=6") for word in ("--set", size)]
    assert run(["pretrain", str(screen), "--out", str(out), *SPLIT[:-1], *settings]) == 0
    return out


def outside(run: Path) -> dict[str, bytes]:
    """Return the bytes of every tensor of a run but its head's."""
    tensors = load_file(run / "model.safetensors")
    return {k: v.numpy().tobytes() for k, v in tensors.items() if not k.startswith("model.head.")}


def test_every_head_trains_and_predicts_and_changes_nothing_else(
    command, tiny, screen: Path, encoder: Path, tmp_path: Path
) -> None:
    found = {}
    for head in ("variational", "diffusion", "flow", "auto"):
        run, cells = tmp_path / head, tmp_path / f"{head}.h5ad"
        asked = ("--encoder", encoder, "--head", head, *SPLIT, *tiny(*SHORT))
        done = command("train", screen, "--out", run, *asked)
        assert done.code == 0, done.err
        chosen = done.document.get("head", "variational")
        assert json.loads((run / "config.json").read_text())["head"]["kind"] == chosen
        label = json.loads((run / "split.json").read_text())["test"][0]
        predicted = command("predict", run, "-p", label, "--cells", 40, "--out", cells, "--json")
        assert predicted.code == 0, predicted.err
        assert anndata.read_h5ad(cells).n_obs == 40
        found[head] = outside(run)
        if head == "variational":
            assert not (run / "head.json").exists()
            continue
        told = json.loads((run / "head.json").read_text())
        assert (told["asked"], told["kind"]) == (head, chosen)
        assert told["reason"] == done.document["head_reason"]
        assert (chosen == head) is (head != "auto")
        fitted = "head" in set(pandas.read_csv(run / "history.csv")["stage"])
        assert fitted is (head != "auto")
    first = found["variational"]
    own = load_file(encoder / "model.safetensors")
    assert all(
        v.numpy().tobytes() == first[f"model.{k}"]
        for k, v in own.items()
        if k.startswith("encoder.")
    )
    assert all(parts == first for parts in found.values())
