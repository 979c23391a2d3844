from __future__ import annotations

import numpy as np

from gpjepa.data.room import Room


def test_memory_is_used_again_while_it_is_large_enough() -> None:
    room = Room()
    values, genes = room.of(100)
    assert (values.shape, values.dtype, genes.shape, genes.dtype) == (
        *((100,), np.float32),
        *((100,), np.int32),
    )
    for fewer in (100, 40, 103):
        again, columns = room.of(fewer)
        assert len(again) == len(columns) == fewer
        assert np.shares_memory(values, again)
        assert np.shares_memory(genes, columns)
    more, _ = room.of(200)
    assert len(more) == 200
    assert not np.shares_memory(values, more)


def test_values_and_columns_lie_apart() -> None:
    values, genes = Room().of(50)
    values[:], genes[:] = 1.0, 7
    assert (values == 1.0).all()
    assert (genes == 7).all()
