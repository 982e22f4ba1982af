"""A linear read-out of frozen features: multinomial logistic regression."""

from __future__ import annotations

import warnings

import torch
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from torch import Tensor, nn

from tombola.data import DataSet

BATCH = 100  # examples whose features are computed at once, few enough for a cache
STRENGTH, ITERATIONS = 0.1, 200  # the inverse of the ridge's weight, and the most steps of L-BFGS


def read_out(features: nn.Module, loaded: DataSet) -> dict[str, float]:
    """Accuracy in points on the test set of a read-out that is fitted to the training set, and the steps it took.

    Features are standardised over the training set; those that do not change over it count as zero.
    """
    (x, y), (test, wanted) = loaded.train(), loaded.test()
    model = LogisticRegression(C=STRENGTH, max_iter=ITERATIONS, tol=1e-3)
    fitted = make_pipeline(StandardScaler(), model)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # the steps are recorded
        fitted.fit(_computed(features, x), y.numpy())
    found = torch.from_numpy(fitted.predict(_computed(features, test)))
    return {"accuracy": 100 * float((found == wanted).double().mean()), "iterations": int(model.n_iter_.max())}


def _computed(features: nn.Module, x: Tensor) -> object:
    """Features of all examples as an array in double precision, `(examples, features)`."""
    with torch.no_grad():
        return torch.cat([features(part).flatten(1) for part in x.split(BATCH)]).double().numpy()
