"""The laws that source values follow, each a fixed map from 32 random bits to one float32.

Only operations that IEEE 754 rounds correctly are used (+, -, *, /, sqrt) and exact ones (frexp, ldexp), in one order,
so every device and every platform gives the same bits; library logarithms and exponentials would not.

[Wichura1988] "Algorithm AS 241: The percentage points of the normal distribution", Applied Statistics 37(3).
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import ClassVar

LN2_HIGH, LN2_LOW = 0.693147180369123816490, 1.90821492927058770002e-10  # their sum is ln 2; the first has zeros at its end


def _check_positive(law: str, **fields: float) -> None:
    for name, value in fields.items():
        if not (math.isfinite(value) and value > 0):
            raise ValueError(f"{law}: {name} must be a positive finite number, got {value}")


@dataclass(frozen=True)
class Uniform:
    """Uniform on (-half_width, half_width): odd multiples of `half_width * 2**-24`, symmetric and never zero."""

    half_width: float = 1.0
    name: ClassVar[str] = "uniform"
    code: ClassVar[int] = 0

    def __post_init__(self) -> None:
        _check_positive(self.name, half_width=self.half_width)

    @property
    def parameters(self) -> tuple[float, float]:
        """The two numbers that the kernels take."""
        return self.half_width, 0.0


@dataclass(frozen=True)
class Normal:
    """Normal with mean 0 and standard deviation `std`, by the inverse distribution function [Wichura1988]."""

    std: float = 1.0
    name: ClassVar[str] = "normal"
    code: ClassVar[int] = 1

    def __post_init__(self) -> None:
        _check_positive(self.name, std=self.std)

    @property
    def parameters(self) -> tuple[float, float]:
        """The two numbers that the kernels take."""
        return self.std, 0.0


@dataclass(frozen=True)
class SignedConstant:
    """`magnitude` or `-magnitude`, each with probability one half."""

    magnitude: float = 1.0
    name: ClassVar[str] = "signed_constant"
    code: ClassVar[int] = 2

    def __post_init__(self) -> None:
        _check_positive(self.name, magnitude=self.magnitude)

    @property
    def parameters(self) -> tuple[float, float]:
        """The two numbers that the kernels take."""
        return self.magnitude, 0.0


@dataclass(frozen=True)
class LogUniform:
    """A random sign times a magnitude whose logarithm is uniform between those of `low` and `high`."""

    low: float
    high: float = 1.0
    name: ClassVar[str] = "log_uniform"
    code: ClassVar[int] = 3

    def __post_init__(self) -> None:
        _check_positive(self.name, low=self.low, high=self.high)
        if self.low >= self.high:
            raise ValueError(f"log_uniform: low must be below high, got {self.low} and {self.high}")

    @property
    def parameters(self) -> tuple[float, float]:
        """The two numbers that the kernels take: the lower end and the logarithm of the ratio."""
        return self.low, natural_log(self.high / self.low)


Law = Uniform | Normal | SignedConstant | LogUniform
LAWS = {law.name: law for law in (Uniform, Normal, SignedConstant, LogUniform)}


def law_to_json(law: Law) -> dict[str, str | float]:
    """The law as a JSON object: its name and its fields."""
    return {"law": law.name, **asdict(law)}


def law_from_json(record: dict[str, str | float]) -> Law:
    """The law that `law_to_json` wrote.

    Raises:
        ValueError: if the name or the fields are not those of a known law.
    """
    fields = dict(record)
    name = fields.pop("law", None)
    if name not in LAWS:
        raise ValueError(f"unknown law {name!r}; known are {', '.join(LAWS)}")
    try:
        return LAWS[str(name)](**{key: float(value) for key, value in fields.items()})
    except TypeError:
        raise ValueError(f"law {name} does not take the fields {sorted(fields)}") from None


def natural_log(x: float) -> float:
    """The natural logarithm of a positive number from correctly rounded operations alone (error below 2 ulp).

    Example:
        >>> abs(natural_log(10.0) - 2.302585092994046) < 1e-15
        True
    """
    mantissa, exponent = math.frexp(x)
    if mantissa < math.sqrt(0.5):
        mantissa, exponent = mantissa * 2, exponent - 1
    s = (mantissa - 1) / (mantissa + 1)
    square, series = s * s, 0.0
    for odd in range(21, 0, -2):
        series = series * square + 1 / odd
    return exponent * LN2_HIGH + (exponent * LN2_LOW + 2 * s * series)
