"""What is compared: linear models on features, their penalty chosen within the training fold, and a trained network."""

from __future__ import annotations

import time
import warnings
from typing import Any

from sklearn.compose import TransformedTargetRegressor
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression, RidgeClassifierCV, RidgeCV
from sklearn.model_selection import GridSearchCV
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

PENALTIES = (1e-4, 1e-3, 1e-2, 0.1, 1.0, 10.0, 100.0, 1e3, 1e4)  # of ridge regression; of classes, of their indicators
INVERSE_PENALTIES = (0.01, 0.1, 1.0, 10.0, 100.0)  # of logistic regression
DECAYS = (1e-3, 1e-2, 0.1, 1.0, 10.0)  # of the network's weights
TRAINING = {"learning_rate_init": 3e-3, "batch_size": 32, "max_iter": 100, "random_state": 0}  # Adam, 100 epochs


def linear(candidates: list[Any], model: str, train: Any, test: Any) -> dict[str, float]:  # noqa: ANN401
    """The best by inner cross-validation of some feature maps, each with a penalty chosen in the same way.

    Args:
        candidates: transformers.
        model: "R^2" or "ridge", which leave one out to choose the penalty, or "logistic", which takes three folds.
        train: inputs, and what is wanted of them.
        test: the same.
    """
    started, made = time.perf_counter(), []
    for features in candidates:
        choices = {
            "R^2": RidgeCV(PENALTIES),
            "ridge": RidgeClassifierCV(PENALTIES),
            "logistic": GridSearchCV(LogisticRegression(max_iter=1000), {"C": INVERSE_PENALTIES}, cv=3),
        }
        made.append(fitted(make_pipeline(features, StandardScaler(), choices[model]), train))
    best = max(made, key=lambda one: one[-1].best_score_)
    spent, started = time.perf_counter() - started, time.perf_counter()
    values = best[:-1].transform(test[0])
    seconds = time.perf_counter() - started
    last = best[-1].best_estimator_ if model == "logistic" else best[-1]
    trained = last.coef_.size + (1 if last.coef_.ndim == 1 else len(last.coef_))
    return {"score": float(last.score(values, test[1])), "fit": spent, "transform": seconds, "trained": trained}


def network(parameters: int, model: str, train: Any, test: Any) -> dict[str, float]:  # noqa: ANN401
    """A network of one hidden layer and about so many parameters; its decay is chosen by inner cross-validation."""
    outputs = 1 if model == "R^2" or train[1].max() < 2 else int(train[1].max()) + 1
    width = max(2, (parameters - outputs) // (train[0].shape[1] + 1 + outputs))
    made = (MLPRegressor if model == "R^2" else MLPClassifier)(hidden_layer_sizes=(width,), **TRAINING)
    plain = TransformedTargetRegressor(made, transformer=StandardScaler()) if model == "R^2" else made
    search = GridSearchCV(plain, {"regressor__alpha" if model == "R^2" else "alpha": DECAYS}, cv=3)
    started = time.perf_counter()
    whole = fitted(make_pipeline(StandardScaler(), search), train)
    spent, started = time.perf_counter() - started, time.perf_counter()
    score = float(whole.score(*test))
    best = whole[-1].best_estimator_.regressor_ if model == "R^2" else whole[-1].best_estimator_
    trained = sum(part.size for part in (*best.coefs_, *best.intercepts_))
    return {"score": score, "fit": spent, "transform": time.perf_counter() - started, "trained": trained}


def fitted(model: Any, train: Any) -> Any:  # noqa: ANN401
    """The model, fitted; a solver that stops at its limit is taken as it is."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        return model.fit(*train)
