"""The handwritten digits that come with scikit-learn."""

from __future__ import annotations

import numpy as np

LARGEST = 16  # a pixel counts the dark points of a 4 x 4 block


def read_digits() -> dict[str, np.ndarray]:
    """1437 training and 360 test images of 8 x 8 pixels with values 0 to 16, the same split always.

    The examples are sorted by class, within a class by a fixed pseudorandom key, and every fifth is a test example:
    each class has a fifth of its examples in the test set, up to one.
    """
    from sklearn.datasets import load_digits

    images, labels = (np.asarray(part) for part in load_digits(return_X_y=True))
    images, labels = images.reshape(-1, 8, 8).astype(np.uint8), labels.astype(np.int64)
    keys = np.random.PCG64(0).random_raw(len(labels))  # the raw stream, which numpy promises not to change
    is_test = np.zeros(len(labels), bool)
    is_test[np.lexsort((keys, labels))[::5]] = True
    return {
        "x_train": images[~is_test],
        "y_train": labels[~is_test],
        "x_test": images[is_test],
        "y_test": labels[is_test],
    }
