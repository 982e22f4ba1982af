"""Numbers that the normal and the log-uniform law are made of, the same for every implementation."""

from __future__ import annotations

import math

import numpy as np

LN2_HIGH = 0.693147180369123816490  # ends in zeros, so that its product with an exponent is exact
LN2_LOW = 1.90821492927058770002e-10  # the rest of ln 2
INVERSE_LN2 = 1.4426950408889634
SQRT_HALF = math.sqrt(0.5)
LOG_SERIES = np.array([1 / odd for odd in range(21, 0, -2)])  # of artanh(s) / s in s * s, highest power first
EXP_SERIES = np.array([1 / math.factorial(k) for k in range(13, -1, -1)])

ROOT_START, ROOT_STEPS = (1.2, 0.16), 4  # of Heron's method for the root of a number from 2 to 25

# Numerators and denominators of AS 241 [Wichura1988], highest power first: the centre and the shoulders. Its far tails
# begin at a probability of exp(-25), below the 2**-33 that is the least here.
# fmt: off
CENTRE = np.array([
    [2509.0809287301226727, 33430.575583588128105, 67265.770927008700853, 45921.953931549871457,
     13731.693765509461125, 1971.5909503065514427, 133.14166789178437745, 3.387132872796366608],
    [5226.495278852854561, 28729.085735721942674, 39307.89580009271061, 21213.794301586595867,
     5394.1960214247511077, 687.1870074920579083, 42.313330701600911252, 1.0],
])
SHOULDER = np.array([
    [7.7454501427834140764e-4, 0.0227238449892691845833, 0.24178072517745061177, 1.27045825245236838258,
     3.64784832476320460504, 5.7694972214606914055, 4.6303378461565452959, 1.42343711074968357734],
    [1.05075007164441684324e-9, 5.475938084995344946e-4, 0.0151986665636164571966, 0.14810397642748007459,
     0.68976733498510000455, 1.6763848301838038494, 2.05319162663775882187, 1.0],
])
# fmt: on
