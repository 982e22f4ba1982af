"""Drawing without replacement where only those weights get a full random number whose fate depends on it."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import torch
from torch import Tensor

from tombola.select import largest
from tombola.sketch._pool import Chances

SAMPLE, HALVINGS = 2**14, 60
LEVELS = 2**16  # of the coarse random numbers
LARGE, SLACK = 1e4, 1e-4  # the second is more than rounding makes of six digits


@dataclass(frozen=True)
class Window:
    """Two times, as logarithms: what arrives before the first stays, what arrives after the second goes."""

    low: float = -math.inf
    high: float = math.inf


@dataclass(eq=False)
class _Race:
    """What is known of the arrivals: certain ones, and the others piece by piece with their places and keys."""

    chosen: Tensor
    sure: int = 0
    starts: list[int] = field(default_factory=list)
    places: list[Tensor] = field(default_factory=list)
    keys: list[Tensor] = field(default_factory=list)


def drawn(chances: Chances, kept: int, generator: torch.Generator) -> Tensor:
    """`(numel,)` bool, `kept` of them True: drawn one after the other without replacement.

    A weight with the chance `p` arrives at the time `E / p`, E exponential, and the first to arrive stay: that is the
    order of the keys `log(p) - log(E)`. `E = -log(1 - V)` with a uniform V, of which 16 bits are drawn for every weight
    and the others only where these leave open on which side of a threshold the weight arrives. A sample says between
    which two times the last one arrives. If it misleads, all weights get their other bits; the law is the same.

    Args:
        chances: at least `kept` of them are positive.
        kept: how many stay.
        generator: of the bits.
    """
    words = torch.empty(-(-chances.numel // 4), dtype=torch.int64, device=generator.device)
    levels = words.random_(-(2**63), None, generator=generator).cpu().view(torch.int16)[: chances.numel]
    race, window = _Race(torch.zeros(chances.numel, dtype=torch.bool)), _window(chances, kept)
    _run(race, chances, levels, window, None, generator)
    early, late = (
        race.sure + sum(int((key >= -time).sum()) for key in race.keys) for time in (window.low, window.high)
    )
    if not early <= kept <= late:
        race.sure = 0
        _run(race, chances, levels, Window(), window, generator)
    for start, places, found in zip(race.starts, race.places, largest(race.keys, kept - race.sure), strict=True):
        race.chosen[start:][places[found]] = True
    return race.chosen


def _run(
    race: _Race, chances: Chances, levels: Tensor, window: Window, done: Window | None, generator: torch.Generator
) -> None:
    """Notes who surely arrives before a window, and the keys of who may arrive in it and not in one that is done."""
    start = 0
    for piece in chances.pieces():
        stop = start + piece.numel()
        level = levels[start:stop].float() + LEVELS / 2
        sure, open_ = _sides(chances, piece, level, window)
        if done is not None:
            open_ &= ~_sides(chances, piece, level, done)[1]
        race.chosen[start:stop] = sure
        race.sure += int(sure.count_nonzero())
        places = open_.nonzero().flatten()
        rest = torch.rand(len(places), dtype=torch.float64, generator=generator, device=generator.device).cpu()
        uniform = ((level[places] + rest) / LEVELS).clamp_(1e-300, 1 - 2**-53)
        race.starts.append(start)
        race.places.append(places)
        race.keys.append(chances.logs(piece[places]) - uniform.neg_().log1p_().neg_().log_())
        start = stop


def _sides(chances: Chances, piece: Tensor, level: Tensor, window: Window) -> tuple[Tensor, Tensor]:
    """Who surely arrives before a window, and who else may arrive before its end.

    With x the chance times the end, and `c < 1` times that the beginning: V, between `level` and `level + 1`, is
    compared with `2 x / (2 + x) >= 1 - exp(-x)`, and with `c (1 - 1 / (1 + x + x^2 / 2)) <= 1 - exp(-c x)`.
    """
    if window.high == math.inf:
        return torch.zeros_like(level, dtype=torch.bool), chances.logs(piece) > -torch.inf
    x = chances.times(piece, window.high).clamp_(max=LARGE)
    more, share = x + 2, math.exp(window.low - window.high)
    double = more * x
    sure = level + 1 <= double.div_(double + 2).mul_(LEVELS * share * (1 - SLACK))
    return sure, sure ^ (level < x.div_(more).mul_(2 * LEVELS * (1 + SLACK)))


def _window(chances: Chances, kept: int) -> Window:
    """Between which two times the last weight arrives, by a sample: five standard deviations to both sides.

    The stride has no factor 2 or 3, as kernels and layers have, which would show in the sample.
    """
    step = chances.numel // SAMPLE // 6 * 6 + 1
    sample = torch.cat([chances.logs(piece[::step]) for piece in chances.pieces()])
    finite = sample[sample.isfinite()]
    if step == 1 or not len(finite):
        return Window()
    grown = chances.numel / len(sample)
    ends = -float(finite.max()) - 40, -float(finite.min()) + 4

    def arrived(log_time: float) -> Tensor:
        return (sample + log_time).float().exp_().neg_().expm1_().neg_()

    def time(number: int | float) -> float:
        low, high = ends
        for _ in range(HALVINGS):
            middle = (low + high) / 2
            low, high = (low, middle) if float(arrived(middle).sum()) * grown > number else (middle, high)
        return high

    spread = 5 * (math.sqrt(kept) + grown * math.sqrt(len(sample)) * float(arrived(time(kept)).std())) + 5
    none, all_ = kept - spread <= 0, kept + spread >= grown * len(finite)
    return Window(-math.inf if none else time(kept - spread), math.inf if all_ else time(kept + spread))
