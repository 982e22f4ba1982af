"""Steps on rows of integers, one vector instruction or a few each, inside compiled kernels.

The compiler does not find these by itself: it cannot know that the rows of one array do not overlap. So the steps are
written as vector operations, which it maps to whatever the processor has (registers of 512 bits, two of 256, ...).

A row is row `i` of a C-contiguous integer array `(rows, lanes)`; lanes never mix. The sorting steps work on eight lanes
of 64 bits, the search on 64 lanes of 32 bits.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from llvmlite import ir
from numba import njit, types
from numba.core import cgutils
from numba.extending import intrinsic
from numpy.typing import NDArray

LANES = 8
ROW = ir.VectorType(ir.IntType(64), LANES)
SEARCH_LANES = 64
SEARCH_ROW = ir.VectorType(ir.IntType(32), SEARCH_LANES)


class Rows:
    """The rows of an array inside a kernel: `load` and `store` one by its number."""

    def __init__(self, context: Any, builder: Any, kind: Any, array: Any, row: Any = ROW) -> None:
        self.builder, self.row = builder, row
        view = context.make_array(kind)(context, builder, array)
        self.data, self.count = view.data, builder.extract_value(view.shape, 0)

    def place(self, number: Any) -> Any:
        """The address of a row."""
        lanes = ir.Constant(number.type, self.row.count)
        return self.builder.bitcast(self.builder.gep(self.data, [self.builder.mul(number, lanes)]), self.row.as_pointer())

    def load(self, number: Any) -> Any:
        """A row as a vector."""
        return self.builder.load(self.place(number), align=self.row.element.width // 8)

    def store(self, number: Any, vector: Any) -> None:
        """Writes a vector into a row."""
        self.builder.store(vector, self.place(number), align=self.row.element.width // 8)


def exchange(builder: Any, a: Any, b: Any) -> tuple[Any, Any]:
    """The smaller and the larger of two rows, lane by lane."""
    less = builder.icmp_signed("<", a, b)
    return builder.select(less, a, b), builder.select(less, b, a)


def half_cleaner(count: int) -> Any:
    """An operation that applies the last log2(count) steps of a bitonic merge to `count` rows, `stride` rows apart."""

    @intrinsic
    def clean(typing_context: Any, array: Any, first: Any, stride: Any) -> Any:
        def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            array, first, stride = arguments
            rows = Rows(context, builder, signature.args[0], array)
            offsets = [builder.mul(stride, ir.Constant(stride.type, k)) for k in range(count)]
            numbers = [builder.add(first, offset) for offset in offsets]
            held = [rows.load(number) for number in numbers]
            distance = count // 2
            while distance:
                for k in range(count):
                    if not k & distance:
                        held[k], held[k + distance] = exchange(builder, held[k], held[k + distance])
                distance //= 2
            for number, vector in zip(numbers, held, strict=True):
                rows.store(number, vector)
            return context.get_dummy_value()

        return types.void(array, types.int64, types.int64), generate

    return clean


clean_two, clean_four, clean_eight = half_cleaner(2), half_cleaner(4), half_cleaner(8)


@intrinsic
def unfold(typing_context: Any, array: Any, i: Any, length: Any, steps: Any, step: Any) -> Any:
    """First step of the merge of sorted rows 0..length-1 with themselves plus `steps[step]`, for rows i and length-1-i.

    Leaves in rows 0..length-1 and length..2*length-1 two bitonic sequences, all of the first below all of the second.
    """

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        array, i, length, steps, step = arguments
        rows = Rows(context, builder, signature.args[0], array)
        added = Rows(context, builder, signature.args[3], steps).load(step)
        mirror = builder.sub(builder.sub(length, i), ir.Constant(i.type, 1))
        one, two = rows.load(i), rows.load(mirror)
        low, high = exchange(builder, one, builder.add(two, added))
        mirror_low, mirror_high = exchange(builder, two, builder.add(one, added))
        rows.store(i, low)
        rows.store(mirror, mirror_low)
        rows.store(builder.add(length, mirror), high)
        rows.store(builder.add(length, i), mirror_high)
        return context.get_dummy_value()

    return types.void(array, types.int64, types.int64, steps, types.int64), generate


@intrinsic
def compare_neighbours(typing_context: Any, array: Any, first: Any, closest: Any) -> Any:
    """Compares rows first..first+3 with their next ones; keeps in `closest` the smallest gap and the lower of that pair.

    Only neighbours whose lowest bits differ count. `closest` is an array of two rows.
    """

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        array, first, closest = arguments
        rows = Rows(context, builder, signature.args[0], array)
        state = Rows(context, builder, signature.args[2], closest)
        zero, one = ir.Constant(first.type, 0), ir.Constant(first.type, 1)
        gap, lower = state.load(zero), state.load(one)
        held = [rows.load(builder.add(first, ir.Constant(first.type, k))) for k in range(5)]
        for low, high in zip(held[:-1], held[1:], strict=True):
            differ = builder.trunc(builder.xor(low, high), ir.VectorType(ir.IntType(1), LANES))
            distance = builder.sub(high, low)
            better = builder.and_(differ, builder.icmp_unsigned("<", distance, gap))
            gap, lower = builder.select(better, distance, gap), builder.select(better, low, lower)
        state.store(zero, gap)
        state.store(one, lower)
        return context.get_dummy_value()

    return types.void(array, types.int64, closest), generate


@intrinsic
def offer_pairs(
    typing_context: Any, pool: Any, first: Any, stop: Any, work: Any, rest: Any, code: Any, step: Any
) -> Any:
    """Offers all pairs of a row i of the pool, first <= i < stop, and a later row, as the last two of a subset.

    In 64 lanes. The workspace holds the smallest distance so far and its code in rows 0 and 1, and what is left of the
    target in row `rest`; where a pair comes closer, the code becomes `code + i * step`.
    """

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        pool, first, stop, work, rest, code, step = arguments
        rows = Rows(context, builder, signature.args[0], pool, SEARCH_ROW)
        state = Rows(context, builder, signature.args[3], work, SEARCH_ROW)
        zero, one = ir.Constant(first.type, 0), ir.Constant(first.type, 1)
        goal, nothing = state.load(rest), ir.Constant(SEARCH_ROW, None)
        best, best_code = (cgutils.alloca_once_value(builder, state.load(row)) for row in (zero, one))
        closest = cgutils.alloca_once_value(builder, nothing)
        with cgutils.for_range_slice(builder, first, stop, one, first.type) as (i, _):
            left, so_far = builder.sub(goal, rows.load(i)), builder.load(best)
            builder.store(so_far, closest)
            with cgutils.for_range_slice(builder, builder.add(i, one), rows.count, one, first.type) as (j, _):
                gap = builder.sub(left, rows.load(j))
                gap = builder.select(builder.icmp_signed("<", gap, nothing), builder.neg(gap), gap)
                builder.store(exchange(builder, gap, builder.load(closest))[0], closest)
            gap, its_code = builder.load(closest), splat(builder, builder.add(code, builder.mul(i, step)))
            better = builder.icmp_signed("<", gap, so_far)
            builder.store(gap, best)
            builder.store(builder.select(better, its_code, builder.load(best_code)), best_code)
        state.store(zero, builder.load(best))
        state.store(one, builder.load(best_code))
        return context.get_dummy_value()

    integer = types.int64
    return types.void(pool, integer, integer, work, integer, integer, integer), generate


def splat(builder: Any, number: Any) -> Any:
    """A row of the search that repeats one number, cut to 32 bits."""
    number = builder.trunc(number, SEARCH_ROW.element)
    vector = builder.insert_element(ir.Constant(SEARCH_ROW, ir.Undefined), number, ir.Constant(ir.IntType(32), 0))
    return builder.shuffle_vector(vector, vector, ir.Constant(SEARCH_ROW, None))


@njit(cache=True, nogil=True)
def clean(array: NDArray, distance: int) -> None:
    """Sorts every block of 2 * distance rows, each a bitonic sequence in every lane, three steps per pass of memory."""
    rows = len(array)
    while distance >= 4:
        stride = distance // 4
        for block in range(0, rows, 2 * distance):
            for first in range(block, block + stride):
                clean_eight(array, first, stride)
        distance //= 8
    if distance == 2:
        for first in range(0, rows, 4):
            clean_four(array, first, 1)
    elif distance == 1:
        for first in range(0, rows, 2):
            clean_two(array, first, 1)


@njit(cache=True, nogil=True)
def sorted_sums(array: NDArray, steps: NDArray) -> None:
    """Fills `array`, whose first row is given, with the sums of that row and every subset of `steps`, sorted per lane.

    O(2^h h) vector operations for h steps and 2^h rows: merge the sums so far with themselves plus the next step.
    """
    for step in range(len(steps)):
        length = 1 << step
        for i in range((length + 1) // 2):
            unfold(array, i, length, steps, step)
        clean(array[: 2 * length], length // 2)


@njit(cache=True, nogil=True)
def merge_halves(array: NDArray) -> None:
    """Sorts an array whose two halves are sorted in every lane."""
    rows = len(array)
    for i in range(rows // 2):
        clean_two(array, i, rows - 1 - 2 * i)
    clean(array, rows // 4)
