"""The inner step of the search by size: pairs of candidates, offered to 64 instances at once as 32-bit integers."""

from __future__ import annotations

from llvmlite import ir
from numba import types
from numba.core import cgutils

from tombola.subset_sum._rows import Kind, Rows, Step, Value, distance, exchange, splat, vector_step

LANES = 64  # four registers of 512 bits, eight of 256
ROW = ir.VectorType(ir.IntType(32), LANES)
BEST, CODE, REST = 0, 1, 2  # rows of the workspace


@vector_step
def offer_pairs(
    typing_context: object, pool: Kind, first: Kind, stop: Kind, work: Kind, rest: Kind, code: Kind, step: Kind
) -> Step:
    """Offers all pairs of a row i of the pool, first <= i < stop, and a later row, as the last two of a subset.

    The workspace holds the smallest distance so far and its code in rows `BEST` and `CODE`, and what is left of the
    target in row `rest`; where a pair comes closer, the code becomes `code + i * step`. Which later row it was is not
    kept: that is cheaper to find again for the one subset that wins than to carry along for all.
    """

    def generate(context: Value, builder: Value, signature: Kind, arguments: Value) -> Value:
        pool, first, stop, work, rest, code, step = arguments
        rows = Rows(context, builder, signature.args[0], pool, ROW)
        state = Rows(context, builder, signature.args[3], work, ROW)
        numbers = [ir.Constant(first.type, number) for number in (BEST, CODE)]
        one, goal = ir.Constant(first.type, 1), state.load(rest)
        best, best_code = (cgutils.alloca_once_value(builder, state.load(number)) for number in numbers)
        closest = cgutils.alloca_once(builder, ROW)
        with cgutils.for_range_slice(builder, first, stop, one, first.type) as (i, _):
            left, so_far = builder.sub(goal, rows.load(i)), builder.load(best)
            builder.store(so_far, closest)
            with cgutils.for_range_slice(builder, builder.add(i, one), rows.count, one, first.type) as (j, _):
                gap = distance(builder, left, rows.load(j))
                builder.store(exchange(builder, gap, builder.load(closest))[0], closest)
            gap = builder.load(closest)
            its_code = splat(builder, builder.add(code, builder.mul(i, step)), ROW)
            better = builder.icmp_signed("<", gap, so_far)
            builder.store(gap, best)
            builder.store(builder.select(better, its_code, builder.load(best_code)), best_code)
        for number, slot in zip(numbers, (best, best_code), strict=True):
            state.store(number, builder.load(slot))
        return context.get_dummy_value()

    integer = types.int64
    return types.void(pool, integer, integer, work, integer, integer, integer), generate
