from __future__ import annotations

import pytest
import torch
from safetensors.torch import save_file

from gpjepa.core.errors import CheckpointError
from gpjepa.inference.tensors import read_tensors


@pytest.mark.parametrize("metadata", [None, {"format": "gpjepa-1", "kind": "encoder"}])
def test_tensors_and_metadata_are_read_as_they_were_written(tmp_path, metadata) -> None:
    written = {"a": torch.randn(3, 2), "b": torch.tensor(4), "c": torch.zeros(0)}
    save_file(written, tmp_path / "x.safetensors", metadata)
    tensors, found = read_tensors(tmp_path / "x.safetensors")
    assert set(tensors) == set(written)
    assert all(torch.equal(tensors[name], written[name]) for name in written)
    assert found == (metadata or {})


@pytest.mark.parametrize("content", [b"", b"not a tensor", b"\x08\x00\x00\x00\x00\x00\x00\x00{}"])
def test_a_damaged_file_is_refused_by_name(tmp_path, content) -> None:
    path = tmp_path / "x.safetensors"
    path.write_bytes(content)
    with pytest.raises(CheckpointError) as caught:
        read_tensors(path)
    assert str(caught.value).startswith(f"file {str(path)!r} cannot be read as safetensors (")
    assert "restore it or train again" in str(caught.value)


def test_a_missing_file_is_refused(tmp_path) -> None:
    with pytest.raises(CheckpointError, match="cannot be read as safetensors .*No such file"):
        read_tensors(tmp_path / "x.safetensors")
