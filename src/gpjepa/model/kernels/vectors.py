"""Sums of rows of a table that stay in the processor's registers until they are whole; numba.

A compiler keeps no sums of its own making in registers across entries, so the instructions are
written out here: `LANES` numbers at a time, of `WIDE` vectors or of one.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import types
from numba.core.cgutils import unpack_tuple
from numba.extending import intrinsic

LANES = 16
WIDE = 4  # vectors that are summed side by side; eight registers of 256 bits
FUSED = ("contract",)  # a product and a sum may be one instruction


def _place(context: Any, builder: Any, kind: Any, value: Any) -> tuple[Any, Any]:
    """Return where an array begins and how long its rows are."""
    array = context.make_array(kind)(context, builder, value)
    return array.data, unpack_tuple(builder, array.shape)[-1]


def _sums(builder: Any, to: Any, entries: Any, row_of: Any, vectors: int) -> None:
    """Add the entries from `entries[0]` to `entries[1]` to what is at `to`.

    `row_of` gives a row's address and its factor.
    """
    kind = ir.VectorType(ir.FloatType(), LANES)
    pointer, number = kind.as_pointer(), ir.IntType(64)
    ends = [builder.gep(to, [number(LANES * v)]) for v in range(vectors)]
    ends = [builder.bitcast(end, pointer) for end in ends]
    before = [builder.load(end, align=4) for end in ends]
    start = builder.basic_block
    head, body = builder.append_basic_block(), builder.append_basic_block()
    done = builder.append_basic_block()
    builder.branch(head)
    builder.position_at_end(head)
    entry, sums = builder.phi(number), [builder.phi(kind) for _ in range(vectors)]
    entry.add_incoming(entries[0], start)
    for total, first in zip(sums, before, strict=True):
        total.add_incoming(first, start)
    builder.cbranch(builder.icmp_signed("<", entry, entries[1]), body, done)
    builder.position_at_end(body)
    row, factor = row_of(entry)
    one = builder.insert_element(ir.Constant(kind, ir.Undefined), factor, ir.IntType(32)(0))
    lanes = ir.Constant(ir.VectorType(ir.IntType(32), LANES), [0] * LANES)
    factors = builder.shuffle_vector(one, one, lanes)
    for v, total in enumerate(sums):
        own = builder.bitcast(builder.gep(row, [number(LANES * v)]), pointer)
        product = builder.fmul(factors, builder.load(own, align=4), flags=FUSED)
        total.add_incoming(builder.fadd(total, product, flags=FUSED), builder.basic_block)
    entry.add_incoming(builder.add(entry, number(1)), builder.basic_block)
    builder.branch(head)
    builder.position_at_end(done)
    for total, end in zip(sums, ends, strict=True):
        builder.store(total, end, align=4)


def _adder(vectors: int) -> Any:
    """Return what adds entries to so many vectors of a row."""

    @intrinsic
    def add(typing: Any, out: Any, row: Any, at: Any, table: Any, places: Any, values: Any,
            first: Any, stop: Any) -> Any:  # fmt: skip
        def generate(context: Any, builder: Any, signature: Any, given: Any) -> Any:
            kinds, number = signature.args, ir.IntType(64)
            to, wide = _place(context, builder, kinds[0], given[0])
            source, width = _place(context, builder, kinds[3], given[3])
            where, _ = _place(context, builder, kinds[4], given[4])
            factors, _ = _place(context, builder, kinds[5], given[5])

            def row_of(entry: Any) -> tuple[Any, Any]:
                place = builder.load(builder.gep(where, [entry]))
                place = place if place.type == number else builder.sext(place, number)
                begin = builder.add(builder.mul(place, width), given[2])
                return builder.gep(source, [begin]), builder.load(builder.gep(factors, [entry]))

            begin = builder.add(builder.mul(given[1], wide), given[2])
            entries = (given[6], given[7])
            _sums(builder, builder.gep(to, [begin]), entries, row_of, vectors)
            return context.get_dummy_value()

        number = types.intp
        return types.void(out, number, number, table, places, values, number, number), generate

    return add


add_wide, add_narrow = _adder(WIDE), _adder(1)
