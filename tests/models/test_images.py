import math

import pytest

from tombola.models._images import checked_image, scaled


def test_an_image_that_just_fits():
    assert checked_image("net", [3, 8, 9], 1, width=0.1, smallest=8) == (3, 8, 9)


@pytest.mark.parametrize(
    ("shape", "size"),
    [
        ((3, 8, 7), "3 x 8 x 7"),
        ((0, 8, 8), "0 x 8 x 8"),
        ((64,), "64"),
        ((1, 3, 8, 8), "1 x 3 x 8 x 8"),
        ((), "a single"),
    ],
)
def test_what_is_no_image_or_too_small_is_refused(shape, size):
    with pytest.raises(ValueError, match=f"net takes images .* of at least 8 x 8, but an example has {size}"):
        checked_image("net", shape, 10, smallest=8)


def test_numbers_that_are_not_positive_are_refused():
    with pytest.raises(ValueError, match="at least one class, got 0"):
        checked_image("net", (1, 8, 8), 0)
    for width in (0.0, -1.0, math.inf, math.nan):
        with pytest.raises(ValueError, match="positive number"):
            checked_image("net", (1, 8, 8), 10, width=width)


@pytest.mark.parametrize(
    ("units", "width", "wanted"), [(64, 1.0, 64), (64, 0.5, 32), (16, 0.1, 2), (16, 0.001, 1), (3, 1.5, 4)]
)
def test_widths_are_rounded_and_never_vanish(units, width, wanted):
    assert scaled(units, width) == wanted
