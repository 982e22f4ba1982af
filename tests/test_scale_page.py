"""The figures of the page on scale are those that were recorded."""

import json
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
RESULT = json.loads((ROOT / "experiments" / "scale" / "result.json").read_text())
PAGE = (ROOT / "docs" / "scale.md").read_text()
COSTS = {
    "microseconds": "microseconds",
    "its certificate": "certificate microseconds",
    "memory, bytes": "memory",
    "its certificate's, bytes": "memory of certificate",
    "in, bytes": "bytes in",
    "out, bytes": "bytes out",
    "ticket, bytes": "ticket bytes",
    "failures": "failures",
}
PLANS = {
    "weights of a layer": "weights of a layer",
    "CPU hours": "cpu hours",
    "hours of one layer": "hours of a layer",
    "worker, GB": "worker GB",
    "network, GB": "network GB",
    "sender, GB": "sender GB",
    "certificate, CPU hours": "certificate cpu hours",
    "certificate, GB": "certificate GB",
    "ticket, GB": "ticket GB",
}


NETWORKS = json.loads((ROOT / "experiments" / "whole_networks" / "result.json").read_text())["table"]
NETWORK = {
    "parameters": "weights",
    "seconds": "seconds",
    "of these the certificate": "certificate seconds",
    "GB above the target": "GB above the target",
    "parent / counting bound": "parent / bound",
    "weights that miss": "failures",
}


def rows(first):
    """A table of the page as records, by the head of its first column."""
    lines = PAGE[PAGE.index(f"| {first} |") :].split("\n\n")[0].splitlines()
    head, _, *body = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    return [dict(zip(head, cells, strict=True)) for cells in body]


def number(text):
    return float(re.match(r"[\d.,e]+", text).group().replace(",", ""))


@pytest.mark.parametrize("cost", COSTS)
def test_measured_costs_are_the_recorded_ones(cost):
    shown = {row["layer"]: number(row[cost]) for row in rows("layer")}
    assert shown == {name: pytest.approx(row[COSTS[cost]]["mean"], rel=0.01) for name, row in RESULT["table"].items()}


@pytest.mark.parametrize("cost", PLANS)
def test_the_plan_is_the_recorded_one(cost):
    shown = {number(row["weights"]): number(row[cost]) for row in rows("weights")}
    assert shown == {row["weights"]: pytest.approx(row[PLANS[cost]], rel=0.06) for row in RESULT["plan"]}


def test_the_plan_follows_from_the_measured_costs():
    slowest = max(row["microseconds"]["mean"] for row in RESULT["table"].values())
    for row in RESULT["plan"]:
        assert row["cpu hours"] * 3600 == pytest.approx(row["weights"] * slowest * 1e-6)


def test_whole_networks_are_those_of_the_record():
    found = rows("network")
    assert {row["network"] for row in found} == set(NETWORKS)
    for row in found:
        for head, key in NETWORK.items():
            recorded = NETWORKS[row["network"]][key]["mean"]
            assert float(row[head].replace(",", "")) == pytest.approx(recorded, rel=0.05), (row["network"], head)
