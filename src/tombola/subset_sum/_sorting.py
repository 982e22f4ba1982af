"""Sorted subset sums of eight instances at a time, by bitonic merges of rows of eight 64-bit integers.

- Batcher1968: Batcher, "Sorting networks and their applications", AFIPS 32.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import numpy as np
from llvmlite import ir
from numba import njit, types

from tombola.subset_sum._rows import Kind, Rows, Step, Value, exchange, vector_step

LANES = 8
ROW = ir.VectorType(ir.IntType(64), LANES)


def half_cleaner(count: int) -> Callable[..., None]:
    """An operation that applies the last log2(count) steps of a bitonic merge to `count` rows, `stride` rows apart."""

    @vector_step
    def clean_rows(typing_context: object, array: Kind, first: Kind, stride: Kind) -> Step:
        def generate(context: Value, builder: Value, signature: Kind, arguments: Value) -> Value:
            array, first, stride = arguments
            rows = Rows(context, builder, signature.args[0], array, ROW)
            numbers = [builder.add(first, builder.mul(stride, ir.Constant(stride.type, k))) for k in range(count)]
            held = [rows.load(number) for number in numbers]
            apart = count // 2
            while apart:
                for k in range(count):
                    if not k & apart:
                        held[k], held[k + apart] = exchange(builder, held[k], held[k + apart])
                apart //= 2
            for number, vector in zip(numbers, held, strict=True):
                rows.store(number, vector)
            return context.get_dummy_value()

        return types.void(array, types.int64, types.int64), generate

    return clean_rows


clean_two, clean_four, clean_eight = half_cleaner(2), half_cleaner(4), half_cleaner(8)


@vector_step
def unfold(typing_context: object, array: Kind, i: Kind, length: Kind, steps: Kind, step: Kind) -> Step:
    """First step of the merge of sorted rows 0..length-1 with themselves plus `steps[step]`, for rows i and length-1-i.

    Leaves in rows 0..length-1 and length..2*length-1 two bitonic sequences, all of the first below all of the second.
    """

    def generate(context: Value, builder: Value, signature: Kind, arguments: Value) -> Value:
        array, i, length, steps, step = arguments
        rows = Rows(context, builder, signature.args[0], array, ROW)
        added = Rows(context, builder, signature.args[3], steps, ROW).load(step)
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


@vector_step
def compare_neighbours(typing_context: object, array: Kind, first: Kind, closest: Kind) -> Step:
    """Compares rows first..first+3 with their next ones; keeps in `closest` the smallest gap and the lower of its pair.

    Only neighbours whose lowest bits differ count. `closest` is an array of two rows.
    """

    def generate(context: Value, builder: Value, signature: Kind, arguments: Value) -> Value:
        array, first, closest = arguments
        rows = Rows(context, builder, signature.args[0], array, ROW)
        state = Rows(context, builder, signature.args[2], closest, ROW)
        zero, one = ir.Constant(first.type, 0), ir.Constant(first.type, 1)
        gap, lower = state.load(zero), state.load(one)
        held = [rows.load(builder.add(first, ir.Constant(first.type, k))) for k in range(5)]
        for low, high in pairwise(held):
            differ = builder.trunc(builder.xor(low, high), ir.VectorType(ir.IntType(1), LANES))
            between = builder.sub(high, low)
            better = builder.and_(differ, builder.icmp_unsigned("<", between, gap))
            gap, lower = builder.select(better, between, gap), builder.select(better, low, lower)
        state.store(zero, gap)
        state.store(one, lower)
        return context.get_dummy_value()

    return types.void(array, types.int64, closest), generate


@njit(cache=True, nogil=True)
def clean(array: np.ndarray, distance: int) -> None:
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
def sorted_sums(array: np.ndarray, steps: np.ndarray) -> None:
    """Fills `array`, whose first row is given, with the sums of that row and every subset of `steps`, sorted per lane.

    O(2^h h) vector operations for h steps and 2^h rows: merge the sums so far with themselves plus the next step
    [Batcher1968].
    """
    for step in range(len(steps)):
        length = 1 << step
        for i in range((length + 1) // 2):
            unfold(array, i, length, steps, step)
        clean(array[: 2 * length], length // 2)


@njit(cache=True, nogil=True)
def merge_halves(array: np.ndarray) -> None:
    """Sorts an array whose two halves are sorted in every lane."""
    rows = len(array)
    for i in range(rows // 2):
        clean_two(array, i, rows - 1 - 2 * i)
    clean(array, rows // 4)
