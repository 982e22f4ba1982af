import hashlib

import torch

from tombola.data import load


def test_sizes_values_and_scaling():
    digits = load("digits")
    assert digits.x_train.shape == (1437, 1, 8, 8)
    assert digits.x_test.shape == (360, 1, 8, 8)
    assert digits.x_train.dtype == torch.uint8
    assert (int(digits.x_train.min()), int(digits.x_train.max())) == (0, 16)
    inputs, _ = digits.train()
    assert (float(inputs.min()), float(inputs.max())) == (0.0, 1.0)
    assert digits.classes == 10


def test_every_class_has_a_fifth_of_its_examples_in_the_test_set():
    digits = load("digits")
    train, test = digits.y_train.bincount(), digits.y_test.bincount()
    assert ((test - (train + test) / 5).abs() < 1).all()


def test_no_example_is_lost_or_in_both_parts():
    from sklearn.datasets import load_digits

    def rows(x, y):
        return sorted((int(b), *map(int, a.reshape(-1))) for a, b in zip(x, y, strict=True))

    digits = load("digits")
    parts = rows(digits.x_train, digits.y_train) + rows(digits.x_test, digits.y_test)
    assert sorted(parts) == rows(*load_digits(return_X_y=True))


def test_the_split_is_this_one():
    digest = hashlib.sha256(load("digits").x_test.numpy().tobytes()).hexdigest()
    assert digest[:16] == "0f08003749ba625a"
