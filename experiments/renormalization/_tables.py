"""What the runs come to over the seeds: exponents, recoveries, predictions and how right they were; and as tables."""

from __future__ import annotations

from _statistics import area, mantel, verdicts
from collections.abc import Callable
from typing import Any

import numpy as np
from _common import interval

from tombola.renormalization import Flow, anomalous, drift
from tombola.transfer import Arm, Prediction, Rule, ZeroShot, predict_transfer, recovery

Config = Any  # that of run.py, which imports this module
PREDICTORS = (
    "source signal",
    "- distance",
    "- signal deficit",
    "- zero-shot error",
    "source images",
    "source classes",
    "- mask distance",
    "- barrier",
)
CHANCE = 0.9  # error of guessing among ten outputs
FACTORS = (1.0, 0.8, 0.6, 0.5, 0.4, 0.3, 0.2, 0.1)
LOW = 0.02  # of a barrier that says that two networks lie in one valley


def flow(body: dict[str, Any]) -> Flow:
    """A flow from its record."""
    errors = np.array(body["errors"]) if "errors" in body else None
    whole = np.array(body["counts"], np.int64)
    tables = (np.array(body[key], np.float64) for key in ("magnitudes", "squares"))
    return Flow(tuple(body["groups"]), np.array(body["sizes"], np.int64), whole, *tables, errors)


def table(runs: list[dict[str, Any]], config: Config) -> dict[str, Any]:
    """All of it, by part."""
    names = list(dict.fromkeys(one["part"] for one in runs))
    return {name: _part([one for one in runs if one["part"] == name], config) for name in names}


def _part(runs: list[dict[str, Any]], config: Config) -> dict[str, Any]:
    flows = {task: [flow(one["flows"][task]) for one in runs] for task in config.tasks}
    nulls = [flow(one["null"]) for one in runs]
    with_transfers = [one for one in runs if "transfers" in one]
    found = {
        "seeds": len(runs),
        "transfer seeds": len(with_transfers),
        "exponents": {task: _exponents(flows[task], nulls, config) for task in config.tasks},
    }
    if not with_transfers or len(runs) < 2:
        return found | {"pairs": []}
    pairs = _pairs(with_transfers, flows, nulls, runs[0]["skews"], config)
    truth = [pair for pair in pairs if pair["recovery"]["value"] is not None]
    return found | {
        "pairs": pairs,
        "refused": len(pairs) - len(truth),
        "predictors": _predictors(truth, config),
        "rules": _rules(truth, config),
        "twice": _twice(with_transfers, config),
    }


def _exponents(flows: list[Flow], nulls: list[Flow], config: Config) -> dict[str, Any]:
    """Drifts, the task signal, and errors of dense network and ticket."""
    exponents = drift(flows, window=config.window)
    signal = anomalous(exponents, nulls)
    ends = np.array([flow.errors[[0, -1]] for flow in flows if flow.errors is not None])
    return {
        "drift": exponents.to_json(),
        "signal": {"value": signal.task_signal, "low": signal.signal_low, "high": signal.signal_high},
        "dense error": interval(ends[:, 0].tolist()),
        "ticket error": interval(ends[:, 1].tolist()),
        "refusals": list(signal.refusals),
    }


def _pairs(
    runs: list[dict[str, Any]], flows: dict[str, list[Flow]], nulls: list[Flow], skews: dict[str, float], config: Config
) -> list[dict[str, Any]]:
    """Of each ordered pair of tasks the recovery, and what was said of it before."""
    rows = {}
    for one in runs:
        for row in one["transfers"]:
            rows.setdefault((row["source"], row["target"]), []).append(row)
    density = float(next(iter(flows.values()))[0].kept[-1] / next(iter(flows.values()))[0].sizes.sum())
    arms = {key: Arm([row["error"] for row in found], density) for key, found in rows.items()}
    pairs = []
    for (source, target), found in rows.items():
        if source in (None, target):
            continue
        shots = [ZeroShot(row["zero shot"], CHANCE, row["vetoed"]) for row in found]
        said = predict_transfer(
            flows[source],
            flows[target],
            null_a=nulls,
            null_b=nulls,
            zero_shots=shots,
            skews=(skews[source], skews[target]),
            window=config.window,
        )
        measured = recovery(arms[source, target], arms[target, target], arms[None, target])
        means = {key: float(np.mean([row[key] for row in found])) for key in ("zero shot", "mask distance", "barrier")}
        pairs.append({"source": source, "target": target, **measured.to_json(), "prediction": _short(said), **means})
    return pairs


def _short(said: Prediction) -> dict[str, Any]:
    """What of a prediction is kept."""
    evidence = said.evidence
    return {
        "probability": said.probability,
        "verdict": said.verdict,
        "source signal": evidence["task_signals"]["source"]["value"],
        "target signal": evidence["task_signals"]["target"]["value"],
        "distance": evidence["universality"]["distance"],
        "class": evidence["universality"]["verdict"],
        "p": evidence["universality"]["p_value"],
        "vetoed": evidence["zero_shot"]["is_vetoed"],
        "same skew": evidence["sign_alignment"]["is_same_sign"],
        "refusals": evidence["refusals"],
    }


def _score(name: str, pair: dict[str, Any], config: Config) -> float:
    """What a predictor says of a pair, larger for more hope."""
    said, task = pair["prediction"], config.tasks[pair["source"]]
    values = {
        "source signal": lambda: said["source signal"],
        "- distance": lambda: -said["distance"],
        "- signal deficit": lambda: -max(0.0, said["target signal"] - said["source signal"]),
        "- zero-shot error": lambda: -pair["zero shot"],
        "source images": lambda: float(task.images),
        "source classes": lambda: float(task.last - task.first + 1),
        "- mask distance": lambda: -pair["mask distance"],
        "- barrier": lambda: -pair["barrier"],
    }
    try:
        return float(values[name]())
    except TypeError:  # there is no such number
        return float("nan")


def _predictors(pairs: list[dict[str, Any]], config: Config) -> dict[str, Any]:
    """How well each one orders the pairs."""
    tasks, found = list(config.tasks), {}
    outcome = np.full((len(tasks), len(tasks)), np.nan)
    for pair in pairs:
        outcome[tasks.index(pair["source"]), tasks.index(pair["target"])] = pair["recovery"]["value"]
    for name in PREDICTORS:
        matrix = np.full_like(outcome, np.nan)
        for pair in pairs:
            matrix[tasks.index(pair["source"]), tasks.index(pair["target"])] = _score(name, pair, config)
        usable = np.isfinite(matrix) & np.isfinite(outcome)
        ranked = mantel(matrix, outcome, permutations=config.permutations)
        found[name] = ranked | {"area": area(matrix[usable], outcome[usable] > config.enough)}
    return found


def _rules(pairs: list[dict[str, Any]], config: Config) -> dict[str, Any]:
    """Verdicts of the rule and of simpler ones."""
    pairs = [pair for pair in pairs if pair["prediction"]["verdict"] != "undecided"]
    truth = np.array([pair["recovery"]["value"] > config.enough for pair in pairs], bool)
    rule = Rule()

    def without_veto(pair: dict[str, Any]) -> bool:
        said = pair["prediction"]
        return rule.says(said["source signal"], said["target signal"], is_vetoed=False)

    said = {
        "the rule": lambda pair: pair["prediction"]["verdict"] == "transfers",
        "the rule without veto": without_veto,
        "the veto alone": lambda pair: not pair["prediction"]["vetoed"],
        "exponents of one class": lambda pair: pair["prediction"]["class"] == "same",
        "skews of one sign": lambda pair: pair["prediction"]["same skew"],
        "barrier below 2 % (after training)": lambda pair: pair["barrier"] < LOW,
        "always yes": lambda pair: True,
    }
    scaled = [_rescaled(pair, pairs, truth) for pair in pairs]
    said["the rule, its scale fitted to other tasks"] = lambda pair: scaled[pairs.index(pair)]
    found = {name: verdicts(np.array([bool(says(pair)) for pair in pairs], bool), truth) for name, says in said.items()}
    probabilities = np.array([pair["prediction"]["probability"] for pair in pairs], float)
    brier = float(((probabilities - truth) ** 2).mean()) if len(pairs) else None
    base = float(truth.mean() * (1 - truth.mean())) if len(pairs) else None
    return {"verdicts": found, "brier": brier, "brier of the base rate": base}


def _rescaled(pair: dict[str, Any], pairs: list[dict[str, Any]], truth: np.ndarray) -> bool:
    """What the rule says with both thresholds times a factor, the best one for pairs without the tasks of this one."""
    ends = {pair["source"], pair["target"]}
    others = [k for k, other in enumerate(pairs) if not ends & {other["source"], other["target"]}]

    def says(one: dict[str, Any], factor: float) -> bool:
        said, rule = one["prediction"], Rule(deficit=0.05 * factor, least_signal=0.15 * factor)
        return rule.says(said["source signal"], said["target signal"], is_vetoed=said["vetoed"])

    right = [sum(says(pairs[k], factor) == truth[k] for k in others) for factor in FACTORS]
    return says(pair, FACTORS[int(np.argmax(right))])


def _twice(runs: list[dict[str, Any]], config: Config) -> list[dict[str, Any]]:
    """Recoveries at the longer budget."""
    found = []
    for k, (source, target) in enumerate(config.twice):
        arms = [Arm([one["twice"][k][name] for one in runs], 1.0) for name in ("carried", "native", "random")]
        found.append({"source": source, "target": target, "times": config.longer, **recovery(*arms).to_json()})
    return found


def markdown(found: dict[str, Any]) -> str:
    """The tables of the README."""
    return "\n\n".join(block for name, part in found.items() for block in _blocks(name, part))


def _blocks(name: str, part: dict[str, Any]) -> list[str]:
    blocks = [_signals(name, part)]
    if not part["pairs"]:
        return blocks
    matrices = [_matrix(name, part, "recovery", _recovered), _matrix(name, part, "said to transfer", _said)]
    return [*blocks, *matrices, _ranks(name, part), _right(name, part)]


def _signals(name: str, part: dict[str, Any]) -> str:
    lines = [_line([f"{name}, {part['seeds']} seeds", "task signal", "drifts", "dense error, %", "ticket's error, %"])]
    lines.append("|---" * 5 + "|")
    for task, row in part["exponents"].items():
        drifts = ", ".join(_number(group["value"], "+.2f") for group in row["drift"].values())
        errors = (f"{100 * row[key]['mean']:.1f}" for key in ("dense error", "ticket error"))
        lines.append(_line([task, _span(row["signal"]), drifts, *errors]))
    return "\n".join(lines)


def _matrix(name: str, part: dict[str, Any], said: str, cell: Callable[[dict[str, Any]], str]) -> str:
    """Sources as rows, targets as columns."""
    tasks = list(part["exponents"])
    at = {(pair["source"], pair["target"]): pair for pair in part["pairs"]}
    lines = [_line([f"{name}: {said}", *tasks]), "|---" * (len(tasks) + 1) + "|"]
    for source in tasks:
        lines.append(_line([source, *("" if target == source else cell(at[source, target]) for target in tasks)]))
    return "\n".join(lines)


def _recovered(pair: dict[str, Any]) -> str:
    """A recovery, or a hyphen."""
    return _number(pair["recovery"]["value"], ".2f")


def _said(pair: dict[str, Any]) -> str:
    """A verdict."""
    said = pair["prediction"]
    shown = {"transfers": "yes", "does not transfer": "no"}.get(said["verdict"], "?")
    return shown + (" (veto)" if said["vetoed"] else "")


def _ranks(name: str, part: dict[str, Any]) -> str:
    lines = [_line([f"{name}: predictor", "Spearman", "p (Mantel)", "area"]), "|---" * 4 + "|"]
    for predictor, row in part["predictors"].items():
        lines.append(
            _line(
                [
                    predictor,
                    *(_number(row[key], ".2f") for key in ("spearman",)),
                    _number(row["p"], ".4f"),
                    _number(row["area"], ".2f"),
                ]
            )
        )
    return "\n".join(lines)


def _right(name: str, part: dict[str, Any]) -> str:
    keys = ("accuracy", "precision", "recall", "transferred after no")
    lines = [_line([f"{name}: verdict", "said yes", *keys]), "|---" * 6 + "|"]
    for rule, row in part["rules"]["verdicts"].items():
        yes = f"{row['said yes']} of {row['pairs']}"
        lines.append(_line([rule, yes, *(_number(row[key], ".2f") for key in keys)]))
    lines += ["", _line([f"{name}: pair at the longer budget", "recovery", "gap, points"]), "|---" * 3 + "|"]
    for row in part["twice"]:
        gap = {key: None if value is None else 100 * value for key, value in row["gap"].items()}
        pair = f"{row['source']} to {row['target']}, {row['times']} times the steps"
        lines.append(_line([pair, _span(row["recovery"]), _span(gap, ".1f")]))
    return "\n".join(lines)


def _span(found: dict[str, float | None], form: str = ".2f") -> str:
    if found["value"] is None or found["low"] is None:
        return _number(found["value"], form)
    return f"{found['value']:{form}} ({found['low']:{form}} to {found['high']:{form}})"


def _number(value: float | None, form: str) -> str:
    return "-" if value is None else f"{value:{form}}"


def _line(cells: list[str]) -> str:
    return f"| {' | '.join(cells)} |"
