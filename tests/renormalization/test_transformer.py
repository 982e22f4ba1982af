"""A small transformer on a text task of its own, pruned by the same number of weights at every level."""

import copy

import numpy as np
import pytest
import torch
from torch import nn

from tombola.imp import imp
from tombola.isolation import isolated_random_state
from tombola.masks import bake_
from tombola.renormalization import by_part, empirical_null, end_to_end, flow_of, flow_report
from tombola.schedules import given, linear

transformers = pytest.importorskip("transformers")
LEVELS, LAST, STEPS, WORDS = 6, 0.4, 12, 20
PARTS = ("layer.0 attention", "layer.0 mlp", "layer.1 attention", "layer.1 mlp")


class Classifier(nn.Module):
    """BERT with random weights, from token numbers to the logits of two classes."""

    def __init__(self):
        super().__init__()
        sizes = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 48}
        config = transformers.BertConfig(vocab_size=WORDS, max_position_embeddings=12, **sizes)
        self.bert = transformers.BertForSequenceClassification(config).eval()  # without dropout

    def forward(self, tokens):
        return self.bert(tokens).logits


def examples(generator):
    """Sentences of ten words, and whether the first word comes before the middle of the dictionary."""
    tokens = torch.randint(WORDS, (64, 10), generator=generator)
    return tokens, (tokens[:, 0] < WORDS // 2).long()


def train(model, masks, *, start, stop, generator):
    """A training loop of a stranger's."""
    model = copy.deepcopy(model)
    optimiser = torch.optim.AdamW(model.parameters(), lr=3e-3)
    for _ in range(start, stop):
        tokens, classes = examples(generator)
        optimiser.zero_grad()
        nn.functional.cross_entropy(model(tokens), classes).backward()
        optimiser.step()
        bake_(model, masks)
    return model


def seen(seed, schedule):
    """The flow of one run by parts of blocks, and its initial weights."""
    with isolated_random_state(torch.Generator().manual_seed(seed)):
        net = Classifier()
    names = [name for name, value in net.named_parameters() if value.ndim == 2 and ".encoder." in name]
    levels = imp(net, train, stop=STEPS, schedule=schedule, names=names, seed=seed)
    pairs = ((dict(level.model.named_parameters()), level.masks) for level in levels)
    flow = flow_of(pairs, grouping=grouped, about={"seed": seed})
    parameters = dict(net.named_parameters())
    return flow, {name: parameters[name] for name in names}


def grouped(names):
    """By parts of blocks, without what is common to all names."""
    return {part.rpartition("encoder.")[2]: inside for part, inside in by_part(names).items()}


@pytest.fixture(scope="module")
def runs():
    return [seen(seed, linear(LEVELS, density=LAST)) for seed in (0, 1)]


def test_groups_are_the_parts_of_blocks(runs):
    flow, _ = runs[0]
    assert flow.groups == PARTS
    assert flow.sizes.tolist() == [4 * 32 * 32, 2 * 32 * 48] * 2


def test_time_is_that_of_densities_and_not_of_levels(runs):
    flow, _ = runs[0]
    np.testing.assert_allclose(flow.time, -np.log(1 - 0.1 * np.arange(LEVELS + 1)), atol=2e-4)
    steps = np.diff(flow.time)
    assert (np.diff(steps) > 0).all()  # the same number of weights is more and more of what is left
    assert steps[-1] > 1.4 * steps[0]


def test_exponents_are_per_unit_of_that_time(runs):
    flows = [flow for flow, _ in runs]
    nulls = [empirical_null(flow.kept, initial, grouping=grouped) for flow, initial in runs]
    report = flow_report(flows, null=nulls, window=(1, LEVELS))
    assert not any("schedule" in line for line in report.refusals)
    assert report.identity_residual < 1e-12
    for row, flow in zip(report.exponents.runs, flows, strict=True):
        logs = np.log(flow.magnitudes[1:])
        slopes = np.polyfit(flow.time[1:], logs - logs.mean(axis=1, keepdims=True), 1)[0]
        np.testing.assert_allclose(row, slopes, atol=1e-10)
    assert np.isfinite(report.anomalous.task_signal)
    found = report.to_json()
    assert all(found["drift"][part]["low"] < found["drift"][part]["high"] for part in PARTS)


def test_the_schedule_does_not_change_what_pruning_alone_does(runs):
    flow, initial = runs[0]
    total = int(flow.sizes.sum())
    geometric = given([LAST ** (k / 9) for k in range(1, 10)])(total)
    rates = []
    for kept in (flow.kept, np.array(geometric)):
        null = empirical_null(kept, initial, grouping=grouped)
        rates.append(flow_report([null], window=(0, len(kept) - 1), estimator=end_to_end).exponents.value)
    np.testing.assert_allclose(rates[0], rates[1], atol=1e-9)
    assert np.abs(rates[0]).max() > 0.01


def test_runs_of_different_schedules_share_an_interval_of_densities(runs):
    flows = [runs[0][0], seen(1, given([0.85, 0.7, 0.6, 0.5, LAST]))[0]]
    report = flow_report(flows, window=(0, 5))
    assert any("different schedules" in line for line in report.refusals)
    assert report.exponents.value is not None
