"""Rows of integers as vectors inside compiled kernels: what the sorting and the searching steps are written in.

The compiler does not turn loops over such rows into vector instructions by itself: it cannot know that two rows of one
array do not overlap. So the steps are written as vector operations, which it maps to whatever the processor has
(registers of 512 bits, two of 256, ...).

A row is row `i` of a C-contiguous integer array `(rows, lanes)`; lanes never mix.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

from llvmlite import ir
from numba.extending import intrinsic

Kind: TypeAlias = Any  # a type of numba
Value: TypeAlias = Any  # a value, a builder or a type of llvmlite, whose annotations are incomplete
Step: TypeAlias = tuple[Kind, Callable[[Value, Value, Kind, Value], Value]]


def vector_step(function: Callable[..., Step]) -> Callable[..., None]:
    """An operation for kernels from a function that writes its instructions; kernels omit the typing context."""
    return intrinsic(function)


class Rows:
    """The rows of one array argument: `load` and `store` one by its number."""

    def __init__(self, context: Value, builder: Value, kind: Kind, array: Value, row: Value) -> None:
        view = context.make_array(kind)(context, builder, array)
        self.builder, self.row = builder, row
        self.data, self.count = view.data, builder.extract_value(view.shape, 0)

    def place(self, number: Value) -> Value:
        """The address of a row."""
        first = self.builder.mul(number, ir.Constant(number.type, self.row.count))
        return self.builder.bitcast(self.builder.gep(self.data, [first]), self.row.as_pointer())

    def load(self, number: Value) -> Value:
        """A row as a vector."""
        return self.builder.load(self.place(number), align=self.row.element.width // 8)

    def store(self, number: Value, vector: Value) -> None:
        """Writes a vector into a row."""
        self.builder.store(vector, self.place(number), align=self.row.element.width // 8)


def exchange(builder: Value, a: Value, b: Value) -> tuple[Value, Value]:
    """The smaller and the larger of two rows, lane by lane."""
    less = builder.icmp_signed("<", a, b)
    return builder.select(less, a, b), builder.select(less, b, a)


def distance(builder: Value, a: Value, b: Value) -> Value:
    """|a - b|, lane by lane."""
    gap = builder.sub(a, b)
    return builder.select(builder.icmp_signed("<", gap, ir.Constant(gap.type, None)), builder.neg(gap), gap)


def splat(builder: Value, number: Value, row: Value) -> Value:
    """A row that repeats one number, cut to the width of the row's elements."""
    lane = ir.IntType(32)
    single = builder.insert_element(ir.Constant(row, None), builder.trunc(number, row.element), ir.Constant(lane, 0))
    return builder.shuffle_vector(single, single, ir.Constant(ir.VectorType(lane, row.count), None))
