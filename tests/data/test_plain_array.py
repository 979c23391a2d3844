from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from gpjepa.data import plain_array as module
from gpjepa.data.plain_array import PlainArray, Runs, plain_array

ENTRIES = 5_000
LAYOUTS: dict[str, dict[str, Any]] = {
    "contiguous": {},
    "chunked": {"chunks": (300,)},
    "extendable": {"chunks": (64,), "maxshape": (None,)},
    "one chunk": {"chunks": (ENTRIES,)},
}


def values(kind: str = "f4") -> np.ndarray:
    return np.random.default_rng(0).integers(0, 9000, ENTRIES).astype(kind)


def opened(path: Path, mixed: bool = True, **layout: Any) -> h5py.Dataset:
    """Return a dataset whose chunks lie among those of another, in no order."""
    given = values()
    with h5py.File(path, "w") as file:
        if not mixed or "chunks" not in layout:
            file.create_dataset("data", data=given, **layout)
        else:
            for name in ("data", "other"):
                file.create_dataset(name, (ENTRIES,), "f4", **layout)
            size = layout["chunks"][0]
            starts = np.arange(0, ENTRIES, size)
            starts[1:] = np.random.default_rng(1).permutation(starts[1:])
            for count, start in enumerate(starts.tolist()):
                here = slice(start, start + size)
                file["data"][here] = given[here]
                if count % 3 == 0:
                    file["other"][here] = given[here]
                file.flush()  # chunks are given their place as they are written
    return h5py.File(path, "r")["data"]


def runs(seed: int, most: int = 90) -> tuple[Runs, np.ndarray]:
    """Return runs, some empty, some twice, some next to each other, and what they are to give."""
    rng = np.random.default_rng(seed)
    edges = np.sort(rng.integers(0, ENTRIES + 1, 400))
    rows = np.sort(rng.integers(0, 399, most))
    starts, stops = edges[rows], edges[rows + 1]
    order = rng.permutation(most) if seed % 2 else np.arange(most)
    ends = np.cumsum((stops - starts)[order])
    places = np.empty(most, np.int64)
    places[order] = ends - (stops - starts)[order]
    lists = [values()[starts[i] : stops[i]] for i in order]
    return Runs(starts, stops, places), np.concatenate(lists)


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("gap", [0, 12, 10**4])
def test_runs_come_to_their_places(
    layout: str, gap: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = opened(tmp_path / "x.h5", **LAYOUTS[layout])
    for stretch, pieces in ((2**18, 1024), (37, 5)):
        monkeypatch.setattr(module, "_STRETCH", stretch)
        monkeypatch.setattr(module, "_PIECES", pieces)
        plain = plain_array(data)
        assert plain is not None
        for seed in range(6):
            wanted, expected = runs(seed)
            out = np.full(len(expected), -1, np.float32)
            plain.read(wanted, out, gap)
            np.testing.assert_array_equal(out, expected)


def test_neighbours_are_one_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plain = plain_array(opened(tmp_path / "x.h5", mixed=False, **LAYOUTS["chunked"]))
    assert plain is not None
    calls: list[int] = []
    read = os.preadv

    def counted(handle: int, parts: Sequence[Any], at: int) -> int:
        calls.append(len(parts))
        return read(handle, parts, at)

    monkeypatch.setattr(os, "preadv", counted)
    out = np.empty(ENTRIES, np.float32)
    starts = np.arange(0, ENTRIES, 10)
    plain.read(Runs(starts, starts + 10, starts), out)
    assert calls == [1]
    backwards = Runs(starts, starts + 10, ENTRIES - 10 - starts)
    plain.read(backwards, out)
    assert calls[1:] == [len(starts)]
    apart = Runs(starts[::5], starts[::5] + 10, starts[: len(starts[::5])])
    plain.read(apart, out[: len(starts[::5]) * 10], gap=40)
    assert calls[2:] == [2 * len(starts[::5]) - 1]


def test_a_file_system_may_give_less_than_is_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = plain_array(opened(tmp_path / "x.h5"))
    assert plain is not None
    monkeypatch.setattr(os, "preadv", lambda handle, parts, at: _few(handle, parts[0], at))
    wanted, expected = runs(1)
    out = np.empty(len(expected), np.float32)
    plain.read(wanted, out, gap=5)
    np.testing.assert_array_equal(out, expected)


def _few(handle: int, part: memoryview, at: int) -> int:
    given = os.pread(handle, min(len(part), 7), at)
    part[: len(given)] = given
    return len(given)


def test_the_end_of_a_file_is_an_error(tmp_path: Path) -> None:
    data = opened(tmp_path / "x.h5")
    plain = plain_array(data)
    assert plain is not None
    os.truncate(tmp_path / "x.h5", int(data.id.get_offset()) + 400)
    out = np.empty(100, np.float32)
    plain.read(Runs(*(np.array([x]) for x in (0, 100, 0))), out)
    np.testing.assert_array_equal(out, values()[:100])
    with pytest.raises(OSError, match="the file ends at byte"):
        plain.read(Runs(*(np.array([x]) for x in (1, 101, 0))), out)


@pytest.mark.parametrize(
    "layout",
    [
        {"compression": "gzip"},
        {"compression": "lzf"},
        {"shuffle": True, "chunks": (100,)},
        {"fletcher32": True},
        {"dtype": ">f4"},
        {"dtype": "f8"},
        {"dtype": "i8"},
        {"dtype": "f2"},
        {"external": "elsewhere"},
    ],
    ids=str,
)
def test_what_lies_there_otherwise_is_left_to_hdf5(layout: dict[str, Any], tmp_path: Path) -> None:
    with h5py.File(tmp_path / "x.h5", "w") as file:
        if "external" in layout:
            layout = {"external": [(str(tmp_path / "y"), 0, h5py.h5f.UNLIMITED)]}
        file.create_dataset("data", data=values(), **layout)
    assert plain_array(h5py.File(tmp_path / "x.h5")["data"]) is None


def test_an_unusual_file_is_left_to_hdf5(tmp_path: Path) -> None:
    path = tmp_path / "x.h5"
    with h5py.File(path, "w", userblock_size=512) as file:
        file["data"] = values()
    assert plain_array(h5py.File(path)["data"]) is None
    opened(path)
    assert plain_array(h5py.File(path, driver="core")["data"]) is None
    with h5py.File(path, "w") as file:
        file.create_dataset("data", (ENTRIES,), "f4", chunks=(100,))[:200] = 1
        file.create_dataset("never", (ENTRIES,), "f4")
        layout = h5py.VirtualLayout((ENTRIES,), "f4")
        layout[:] = h5py.VirtualSource(file["data"])
        file.create_virtual_dataset("virtual", layout)
        odd = h5py.h5t.NATIVE_INT32.copy()
        odd.set_precision(24)
        space = h5py.h5s.create_simple((ENTRIES,))
        h5py.h5d.create(file.id, b"odd", odd, space)
        file["odd"][:] = np.arange(ENTRIES)
    with h5py.File(path) as file:
        assert [name for name in file if plain_array(file[name]) is not None] == []
    assert plain_array(values()) is None


@pytest.mark.parametrize("kind", ["f4", "i4", "u4"])
def test_numbers_of_four_bytes_are_read_as_they_are(kind: str, tmp_path: Path) -> None:
    with h5py.File(tmp_path / "x.h5", "w") as file:
        file["data"] = values(kind)
    plain = plain_array(h5py.File(tmp_path / "x.h5")["data"])
    assert isinstance(plain, PlainArray)
    out = np.empty(ENTRIES, kind)
    plain.read(Runs(*(np.array([x]) for x in (0, ENTRIES, 0))), out)
    np.testing.assert_array_equal(out, values(kind))


def test_a_file_that_was_closed_is_not_taken_for_another(tmp_path: Path) -> None:
    data = opened(tmp_path / "x.h5")
    plain = plain_array(data)
    assert plain is not None
    data.file.close()
    with open(tmp_path / "x.h5", "rb"), pytest.raises(ValueError):
        plain.read(Runs(*(np.array([x]) for x in (0, 9, 0))), np.empty(9, np.float32))
