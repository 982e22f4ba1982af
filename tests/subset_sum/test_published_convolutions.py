"""The published experiment on the 2,572 convolution weights of a LeNet-5, each with a pool of its own.

[daCunha2022] da Cunha, Natale, Viennot, "Proving the lottery ticket hypothesis for convolutional neural networks", ICLR
2022: cached results of its code for pools of n numbers uniform on (-1, 1). From n = 20 on its median errors are at the
tolerance of the integer-programming solver, so they are not compared there.
"""

import numpy as np
import pytest

from tombola.subset_sum import nearest

PUBLISHED = {5: (2.6e-2, 0.892), 10: (1.1e-3, 0.566), 15: (4.4e-5, 1.79e-2), 20: (None, 7.3e-4), 25: (None, 7.7e-5)}


def errors(n, seed):
    """Errors of all weights, and the largest one relative to the largest weight."""
    random = np.random.default_rng(seed)
    weights = np.concatenate([random.normal(0, 0.2, 156), random.normal(0, 0.12, 2416)]).astype(np.float32)
    found = nearest(random.uniform(-1, 1, (weights.size, n)).astype(np.float32), weights).error
    return found, float(found.max() / np.abs(weights).max())


@pytest.mark.parametrize("n", PUBLISHED)
def test_errors_of_many_weights_are_as_published(n):
    median, largest = PUBLISHED[n]
    runs = [errors(n, seed) for seed in range(4)]
    if median is not None:
        assert np.median(np.concatenate([found for found, _ in runs])) == pytest.approx(median, rel=0.25)
    typical = np.exp(np.mean([np.log(worst) for _, worst in runs]))  # a maximum is ruled by a few lopsided pools
    assert 0.2 < typical / largest < 5
