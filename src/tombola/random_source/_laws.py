"""The laws that source values follow, each a fixed map from 32 random bits to one float32.

Only the four operations that every library rounds correctly are used, and exact ones (frexp, ldexp), in one order, so
every device and every platform gives the same bits; library logarithms, exponentials and even roots would not.

[Wichura1988] "Algorithm AS 241: The percentage points of the normal distribution", Applied Statistics 37(3).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, ClassVar

from ._tables import LN2_HIGH, LN2_LOW, LOG_SERIES, SQRT_HALF

SMALLEST, LARGEST = 2.0**-100, 2.0**100  # sizes whose values are normal numbers in float32


def _check_sizes(law: str, **sizes: float) -> None:
    for name, size in sizes.items():
        if not SMALLEST <= size <= LARGEST:
            raise ValueError(f"{law}: {name} must lie between 2**-100 and 2**100, got {size}")


@dataclass(frozen=True)
class Uniform:
    """Uniform on (-half_width, half_width), symmetric and never zero.

    Values are odd multiples of `half_width * 2**-24`, rounded to float32.

    Raises:
        ValueError: unless 2**-100 <= half_width <= 2**100.
    """

    half_width: float = 1.0
    name: ClassVar[str] = "uniform"
    code: ClassVar[int] = 0

    def __post_init__(self) -> None:
        _check_sizes(self.name, half_width=self.half_width)

    @property
    def parameters(self) -> tuple[float, float]:
        """The two numbers that the kernels take."""
        return float(self.half_width), 0.0


@dataclass(frozen=True)
class Normal:
    """Normal with mean 0 and standard deviation `std`, by the inverse distribution function [Wichura1988].

    Its 2**32 values lie at the probabilities (k + 1/2) / 2**32, so none is larger than 6.4 `std`.

    Raises:
        ValueError: unless 2**-100 <= std <= 2**100.
    """

    std: float = 1.0
    name: ClassVar[str] = "normal"
    code: ClassVar[int] = 1

    def __post_init__(self) -> None:
        _check_sizes(self.name, std=self.std)

    @property
    def parameters(self) -> tuple[float, float]:
        """The two numbers that the kernels take."""
        return float(self.std), 0.0


@dataclass(frozen=True)
class SignedConstant:
    """`magnitude` or `-magnitude`, each with probability one half.

    Raises:
        ValueError: unless 2**-100 <= magnitude <= 2**100.
    """

    magnitude: float = 1.0
    name: ClassVar[str] = "signed_constant"
    code: ClassVar[int] = 2

    def __post_init__(self) -> None:
        _check_sizes(self.name, magnitude=self.magnitude)

    @property
    def parameters(self) -> tuple[float, float]:
        """The two numbers that the kernels take."""
        return float(self.magnitude), 0.0


@dataclass(frozen=True)
class LogUniform:
    """A random sign times a magnitude whose logarithm is uniform between those of `low` and `high`.

    Raises:
        ValueError: unless 2**-100 <= low < high <= 2**100.
    """

    low: float
    high: float = 1.0
    name: ClassVar[str] = "log_uniform"
    code: ClassVar[int] = 3

    def __post_init__(self) -> None:
        _check_sizes(self.name, low=self.low, high=self.high)
        if self.low >= self.high:
            raise ValueError(f"log_uniform: low must be below high, got {self.low} and {self.high}")

    @property
    def parameters(self) -> tuple[float, float]:
        """The two numbers that the kernels take: the lower end and the logarithm of the ratio."""
        return float(self.low), natural_log(self.high / self.low)


Plain = Uniform | Normal | SignedConstant | LogUniform


@dataclass(frozen=True)
class Mirrored:
    """Rows in pairs: row 2k is row k of a tensor of another law, and row 2k + 1 is minus that.

    A ReLU layer whose weights come in such pairs, on both of its sides, looks linear: `relu(z) - relu(-z) = z`.

    Example:
        >>> from tombola.random_source import Source
        >>> values = Source(1).block("fc", Mirrored(Uniform(1.0)), range(4), range(3))
        >>> bool((values[::2] == -values[1::2]).all())
        True
    """

    base: Plain
    name: ClassVar[str] = "mirrored"


Law = Plain | Mirrored
LAWS = {law.name: law for law in (Uniform, Normal, SignedConstant, LogUniform)}


def law_to_json(law: Law) -> dict[str, Any]:
    """The law as a JSON object: its name and its numbers.

    Example:
        >>> law_to_json(LogUniform(0.5))
        {'law': 'log_uniform', 'low': 0.5, 'high': 1.0}
    """
    if isinstance(law, Mirrored):
        return {"law": law.name, "base": law_to_json(law.base)}
    return {"law": law.name} | {name: float(value) for name, value in asdict(law).items()}


def law_from_json(record: Mapping[str, Any]) -> Law:
    """The law that `law_to_json` wrote.

    Raises:
        ValueError: if the name or the numbers are not those of a known law.

    Example:
        >>> law_from_json({"law": "cauchy", "scale": 1.0})
        Traceback (most recent call last):
        ValueError: unknown law 'cauchy'; known are uniform, normal, signed_constant, log_uniform, mirrored
    """
    name = record.get("law")
    if name == Mirrored.name:
        base = record.get("base")
        if set(record) != {"law", "base"} or not isinstance(base, Mapping) or base.get("law") == name:
            raise ValueError(f"law {name} takes another law as its base; got {dict(record)}")
        found = law_from_json(base)
        assert not isinstance(found, Mirrored)
        return Mirrored(found)
    law = LAWS.get(name) if isinstance(name, str) else None
    if law is None:
        raise ValueError(f"unknown law {name!r}; known are {', '.join([*LAWS, Mirrored.name])}")
    numbers = {key: value for key, value in record.items() if key != "law"}
    wanted = [field.name for field in fields(law)]
    if set(numbers) != set(wanted) or not all(type(value) in (int, float) for value in numbers.values()):
        raise ValueError(f"law {name} takes numbers for {', '.join(wanted)}; got {numbers}")
    return law(**{key: float(value) for key, value in numbers.items()})


def natural_log(x: float) -> float:
    """The natural logarithm of a positive number from correctly rounded operations alone (error below 4 ulp).

    Example:
        >>> abs(natural_log(10.0) - 2.302585092994046) < 1e-15
        True
    """
    mantissa, exponent = math.frexp(x)
    if mantissa < SQRT_HALF:
        mantissa, exponent = mantissa * 2, exponent - 1
    s = (mantissa - 1) / (mantissa + 1)
    series = 0.0
    for coefficient in LOG_SERIES.tolist():
        series = series * (s * s) + coefficient
    return exponent * LN2_HIGH + (exponent * LN2_LOW + 2 * s * series)
