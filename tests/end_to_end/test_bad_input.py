"""What the command refuses: the message, the exit code, and nothing written."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import anndata
import numpy as np
import pytest
from anndata import AnnData
from scipy import sparse

Damage = Callable[[AnnData], AnnData]


def with_x(change: Callable[[np.ndarray], np.ndarray]) -> Damage:
    def damage(cells: AnnData) -> AnnData:
        cells.X = change(cells.X.toarray().astype(np.float64))
        return cells

    return damage


def with_value(value: float) -> Damage:
    def change(counts: np.ndarray) -> np.ndarray:
        counts[3, 5] = value
        return counts

    return with_x(change)


def with_labels(change: Callable[[np.ndarray], object]) -> Damage:
    def damage(cells: AnnData) -> AnnData:
        labels = np.array(cells.obs["perturbation"].astype(str), dtype=object)
        cells.obs["perturbation"] = change(labels)
        return cells

    return damage


def _missing(labels: np.ndarray) -> np.ndarray:
    labels[7] = None
    return labels


def _two_controls(labels: np.ndarray) -> np.ndarray:
    rows = np.flatnonzero(labels == "control")
    labels[rows[: len(rows) // 2]] = "DMSO"
    return labels


def _named(attribute: str, name: Callable[[np.ndarray], object]) -> Damage:
    def damage(cells: AnnData) -> AnnData:
        setattr(cells, attribute, name(np.array(getattr(cells, attribute), dtype=object)))
        return cells

    return damage


def _first_twice(names: np.ndarray) -> np.ndarray:
    names[1] = names[0]
    return names


def _renamed_column(cells: AnnData) -> AnnData:
    cells.obs = cells.obs.rename(columns={"perturbation": "what_was_done"})
    return cells


def _small_totals(cells: AnnData) -> AnnData:
    cells.obs["total_counts"] = 1.0
    return cells


BAD: dict[str, tuple[Damage, str]] = {
    "log-normalised": (
        with_x(lambda x: np.log1p(1e4 * x / np.maximum(x.sum(1, keepdims=True), 1))),
        "log",
    ),
    "scaled": (with_x(lambda x: (x - x.mean(0)) / (x.std(0) + 1)), "scaled"),
    "negative": (with_value(-2.0), "negative"),
    "nan": (with_value(np.nan), "NaN or infinite"),
    "infinite": (with_value(np.inf), "NaN or infinite"),
    "no control": (with_labels(lambda x: np.where(x == "control", "GENE99", x)), "control"),
    "ambiguous control": (with_labels(_two_controls), "DMSO"),
    "no column": (_renamed_column, "what_was_done"),
    "missing label": (with_labels(_missing), "missing values"),
    "gene twice": (_named("var_names", _first_twice), "gene name occurs more than once"),
    "cell twice": (_named("obs_names", _first_twice), "cell name occurs more than once"),
    "no cells": (lambda cells: cells[:0].copy(), "0 cells"),
    "no genes": (lambda cells: cells[:, :0].copy(), "0 genes"),
    "low totals": (_small_totals, "below the sum over the genes"),
}


def listing(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def told(outcome, code: int, kind: str, *texts: str) -> None:
    """Assert the exit code, one line on stderr beginning with error, and the same in JSON."""
    last = outcome.err.splitlines()[-1]
    assert outcome.code == code, outcome.err
    assert last.startswith("error: "), outcome.err
    assert "Traceback" not in outcome.err
    assert outcome.document["error"]["type"] == kind
    for text in texts:
        assert text in last, last


@pytest.mark.parametrize("verb", ["check", "train", "pretrain"])
@pytest.mark.parametrize("name", BAD)
@pytest.mark.filterwarnings("ignore")
def test_bad_data_exit_with_3_and_write_nothing(
    command, tiny, screen: Path, tmp_path: Path, name: str, verb: str
) -> None:
    damage, text = BAD[name]
    file, out = tmp_path / "bad.h5ad", tmp_path / "run"
    damage(anndata.read_h5ad(screen)).write_h5ad(file)
    rest = () if verb == "check" else ("--out", out, *tiny())
    told(command(verb, file, *rest, "--json"), 3, "DataError", text)
    assert not out.exists()


@pytest.mark.parametrize(
    ("option", "value", "text"),
    [
        ("--perturbation", "guide", "perturbation column 'guide' is not known"),
        ("--control", "mock", "holds none of mock"),
        ("--layer", "raw_counts", "layer 'raw_counts' is not known"),
        ("--library", "depth", "library column 'depth' is not known"),
        ("--batch", "lane", "batch column 'lane' is not known"),
        ("--dose", "uM", "dose column 'uM' is not known"),
    ],
)
def test_a_role_that_is_not_there_exits_with_3(
    command, screen: Path, tmp_path: Path, option: str, value: str, text: str
) -> None:
    done = command("train", screen, "--out", tmp_path / "run", option, value, "--json")
    told(done, 3, "DataError", text)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("share", [0.0, 0.3, 0.9])
def test_a_file_that_is_not_h5ad_or_truncated_exits_with_3(
    command, screen: Path, tmp_path: Path, share: float
) -> None:
    whole = screen.read_bytes()
    for content in (whole[: int(share * len(whole))], b"counts"):
        (tmp_path / "bad.h5ad").write_bytes(content)
        done = command("train", tmp_path / "bad.h5ad", "--out", tmp_path / "run", "--json")
        told(done, 3, "DataError", "bad.h5ad", "expected")
        assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("setting", "texts"),
    [
        ("fit.epoch=4", ("'fit.epoch' is not known", "did you mean 'epochs'?")),
        ("fitt.epochs=4", ("'fitt' is not known", "did you mean 'fit'?")),
        ("fit.epochs=0", ("'fit.epochs' is 0", "greater than or equal to 1")),
        ("fit.learning_rate=-1", ("'fit.learning_rate' is -1", "greater than 0")),
        ("loss.kl=nan", ("'loss.kl' is nan", "finite")),
        ("encoder.latent=many", ("'encoder.latent' is 'many'", "integer")),
        ("decoder.distribution=poisson", ("'decoder.distribution' is 'poisson'", "'nb'")),
        ("epochs", ("'epochs' is not understood", "section.key=value")),
    ],
)
def test_settings_that_are_unknown_or_out_of_range_exit_with_2(
    command, screen: Path, tmp_path: Path, setting: str, texts: tuple[str, ...]
) -> None:
    for verb in ("train", "pretrain"):
        done = command(verb, screen, "--out", tmp_path / "run", "--set", setting, "--json")
        told(done, 2, "ConfigError", *texts)
        assert not (tmp_path / "run").exists()


def test_a_config_file_that_is_missing_or_no_toml_exits_with_2(
    command, screen: Path, tmp_path: Path
) -> None:
    for content in (None, "fit = [", "[fit]\nepoch = 3\n"):
        file = tmp_path / "c.toml"
        if content is not None:
            file.write_text(content)
        done = command("train", screen, "--out", tmp_path / "run", "--config", file, "--json")
        told(done, 2, "ConfigError", "epoch" if content and "epoch" in content else "c.toml")
        assert not (tmp_path / "run").exists()


def test_an_unknown_split_exits_with_2(command, screen: Path, tmp_path: Path) -> None:
    done = command("train", screen, "--out", tmp_path / "run", "--split", "unsen", "--json")
    told(done, 2, "ConfigError", "'unsen'")
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("verb", ["train", "pretrain", "embed", "predict", "simulate"])
def test_an_existing_output_exits_with_2_and_is_left_alone(
    command, screen: Path, trained: Path, tmp_path: Path, verb: str
) -> None:
    folder, file = tmp_path / "out", tmp_path / "out.file"
    folder.mkdir()
    (folder / "model.safetensors").write_text("mine")
    file.write_text("mine")
    arguments = {
        "train": (screen, "--out", folder),
        "pretrain": (screen, "--out", folder),
        "embed": (trained, screen, "--out", file),
        "predict": (trained, "-p", "GENE01", "--out", file),
        "simulate": ("--out", file),
    }[verb]
    before = listing(tmp_path)
    told(command(verb, *arguments, "--json"), 2, "OutputExistsError", "exists already", "--force")
    assert listing(tmp_path) == before


def test_an_existing_evaluation_exits_with_2_and_is_left_alone(
    command, trained: Path, tmp_path: Path
) -> None:
    run = Path(shutil.copytree(trained, tmp_path / "run"))
    (run / "evaluation").mkdir()
    (run / "evaluation" / "metrics.json").write_text("mine")
    before = listing(run)
    told(command("evaluate", run, "--json"), 2, "OutputExistsError", "--force")
    assert listing(run) == before


def test_an_unknown_perturbation_exits_with_4_and_suggests_names(
    command, trained: Path, tmp_path: Path
) -> None:
    known = json.loads((trained / "vocabulary.json").read_text())["members"]
    wrong = known[0] + "0"
    done = command("predict", trained, "-p", wrong, "--out", tmp_path / "p.h5ad", "--json")
    told(done, 4, "VocabularyError", f"'{wrong}' is not known (6 names; closest:", known[0])
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("extra", "text"),
    [
        (("--cells", "0"), "--cells"),
        (("--cells", "many"), "--cells"),
        (("--seed", "-1"), "--seed"),
        (("--threads", "0"), "--threads"),
        (("--device", "tpu"), "--device"),
        (("--format", "csv"), "--format"),
        (("--loud",), "--loud"),
    ],
)
def test_usage_errors_exit_with_2(
    command, trained: Path, tmp_path: Path, extra: tuple[str, ...], text: str
) -> None:
    done = command("predict", trained, "-p", "A", "--out", tmp_path / "p.h5ad", *extra)
    assert done.code == 2, done.err
    assert done.err.startswith("error: ")
    assert text in done.err
    assert list(tmp_path.iterdir()) == []


def test_cuda_where_there_is_none_exits_with_2(
    command, screen: Path, tmp_path: Path, monkeypatch
) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    done = command("train", screen, "--out", tmp_path / "run", "--device", "cuda", "--json")
    told(done, 2, "ConfigError", "no CUDA device", "'cpu'")
    assert not (tmp_path / "run").exists()


def _foreign(run: Path) -> None:
    from safetensors.numpy import save_file

    save_file({"weight": np.zeros(3, np.float32)}, run / "model.safetensors")


def _truncated(run: Path) -> None:
    path = run / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-40])


BROKEN: dict[str, tuple[Callable[[Path], object], str]] = {
    "missing": (lambda run: (run / "model.safetensors").unlink(), "has no model.safetensors"),
    "truncated": (_truncated, "cannot be read as safetensors"),
    "foreign": (_foreign, "was not written by gpjepa"),
    "not there": (shutil.rmtree, "is not a directory"),
}


@pytest.mark.parametrize("verb", ["predict", "embed", "evaluate", "info"])
@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_run_exits_with_4_and_nothing_is_written(
    command, screen: Path, trained: Path, tmp_path: Path, name: str, verb: str
) -> None:
    damage, text = BROKEN[name]
    run = Path(shutil.copytree(trained, tmp_path / "run"))
    damage(run)
    before = listing(tmp_path)
    rest = {
        "predict": (run, "-p", "GENE01", "--out", tmp_path / "p.h5ad"),
        "embed": (run, screen, "--out", tmp_path / "e.h5ad"),
        "evaluate": (run, "--out", tmp_path / "scores"),
        "info": (run,),
    }[verb]
    told(command(verb, *rest, "--json"), 4, "CheckpointError", text)
    assert listing(tmp_path) == before


def test_a_broken_encoder_exits_with_4(
    command, tiny, screen: Path, trained: Path, tmp_path: Path
) -> None:
    encoder = Path(shutil.copytree(trained, tmp_path / "encoder"))
    _truncated(encoder)
    done = command(
        *("train", screen, "--out", tmp_path / "run", "--encoder", encoder, "--json"),
        *("--split", "unseen-combination", *tiny()),
    )
    told(done, 4, "CheckpointError", "cannot be read as safetensors")
    assert not (tmp_path / "run").exists()


def test_an_encoder_of_another_split_of_the_same_cells_exits_with_4(
    command, tiny, screen: Path, trained: Path, tmp_path: Path
) -> None:
    done = command(
        *("train", screen, "--out", tmp_path / "run", "--encoder", trained, "--json"),
        *("--split", "unseen-perturbation", *tiny()),
    )
    told(done, 4, "CheckpointError", "pretrained on another split of the same cells")
    assert not (tmp_path / "run").exists()


def test_resuming_nothing_exits_with_2_and_another_run_with_4(
    command, tiny, screen: Path, trained: Path, tmp_path: Path
) -> None:
    split = ("--split", "unseen-combination", "--device", "cpu", "--resume", "--json")
    done = command("train", screen, "--out", tmp_path / "run", *split, *tiny())
    told(done, 2, "ConfigError", "no checkpoints", "leave out --resume")
    assert not (tmp_path / "run").exists()
    run = Path(shutil.copytree(trained, tmp_path / "copy"))
    before = listing(run)
    done = command("train", screen, "--out", run, *split, "--seed", 5, *tiny())
    told(done, 4, "CheckpointError", "is of another run")
    assert listing(run) == before


def test_missing_genes_at_embed_exit_with_3_and_shuffled_ones_give_the_same(
    command, screen: Path, trained: Path, tmp_path: Path
) -> None:
    cells = anndata.read_h5ad(screen)
    few, shuffled = tmp_path / "few.h5ad", tmp_path / "shuffled.h5ad"
    lost = cells.var_names[4]
    cells[:, cells.var_names != lost].copy().write_h5ad(few)
    done = command("embed", trained, few, "--out", tmp_path / "e.h5ad", "--json")
    told(done, 3, "DataError", f"1 of 30 genes are missing from the data ({lost})")
    assert not (tmp_path / "e.h5ad").exists()

    order = np.random.default_rng(0).permutation(cells.n_vars)
    wider = sparse.hstack([cells.X[:, order], sparse.csr_matrix((cells.n_obs, 1))]).tocsr()
    extra = AnnData(X=wider, obs=cells.obs)
    extra.var_names = [*cells.var_names[order], "GENE-NEW"]
    extra.write_h5ad(shuffled)
    found = []
    for number, file in enumerate((screen, shuffled)):
        out = tmp_path / f"{number}.h5ad"
        assert command("embed", trained, file, "--out", out).code == 0
        found.append(anndata.read_h5ad(out).obsm["X_gpjepa"])
    assert np.array_equal(*found)


def test_an_interrupted_run_cannot_predict_and_says_what_to_do(
    command, trained: Path, tmp_path: Path
) -> None:
    run = Path(shutil.copytree(trained, tmp_path / "run"))
    (run / "model.safetensors").unlink()
    done = command("predict", run, "-p", "GENE01", "--out", tmp_path / "p.h5ad", "--json")
    told(done, 4, "CheckpointError", "expected a finished run", "--resume")
