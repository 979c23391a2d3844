from __future__ import annotations

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from gpjepa.core.errors import CheckpointError
from gpjepa.inference.evidence import ARRAYS, FILE, Evidence, load_evidence, save_evidence


def evidence() -> Evidence:
    rng = np.random.default_rng(0)
    measured, error, denoised, deviation = np.abs(rng.normal(size=(4, 3, 5)))
    return Evidence(("A", "A+B", "B"), measured, error, denoised, deviation, *np.ones((2, 5)))


def test_sums_are_of_measured_singles_and_unknown_without_one() -> None:
    own = evidence()
    found = own.sums(("A+B", "A", "A+C"))
    assert np.array_equal(found[0], own.measured[0] + own.measured[2])
    assert np.array_equal(found[1], own.measured[0])
    assert np.isnan(found[2]).all()
    assert np.array_equal(own.error_of_sums(("A+B",))[0], own.error[0] ** 2 + own.error[2] ** 2)


def test_members_never_measured_add_no_doubt_of_their_own_cells() -> None:
    own = evidence()
    assert np.array_equal(own.doubt(("A+C",))[0], own.deviation[0] ** 2)
    assert np.array_equal(own.doubt(("C",))[0], np.zeros(5))


def test_labels_of_members_measured_alone_are_told_apart() -> None:
    own = evidence()
    assert own.alone("A+B")
    assert not own.alone("A+C")
    assert not own.alone("control")


def test_the_response_of_a_gene_is_over_single_perturbations() -> None:
    own = evidence()
    square = own.denoised**2 + own.deviation**2
    assert np.allclose(own.response, (square[0] + square[2]) / 2)
    assert np.allclose(own.mean, own.measured.mean(axis=0))


def test_evidence_survives_a_directory_in_single_precision(tmp_path) -> None:
    own = evidence()
    save_evidence(tmp_path, own)
    back = load_evidence(tmp_path)
    assert back.labels == own.labels
    for name in ARRAYS:
        assert np.allclose(getattr(back, name), getattr(own, name), rtol=1e-6)


def test_a_run_without_evidence_has_none_and_a_damaged_file_is_refused(tmp_path) -> None:
    assert load_evidence(tmp_path) is None
    (tmp_path / FILE).write_bytes(b"no tensors")
    with pytest.raises(CheckpointError, match="cannot be read as safetensors"):
        load_evidence(tmp_path)


def test_a_run_saved_before_the_error_of_the_control_was_kept_has_none(tmp_path) -> None:
    own = evidence()
    save_evidence(tmp_path, own)
    arrays = load_file(tmp_path / FILE)
    del arrays["shared"]
    save_file(arrays, tmp_path / FILE, {"labels": '["A", "A+B", "B"]'})
    back = load_evidence(tmp_path)
    assert not back.shared.any()
    assert np.allclose(back.measured, own.measured)
