import copy
from itertools import combinations

import pytest
import torch
from tests.sketch.nets import all_masks, inputs_for, jacobian, made
from torch import nn

from tombola.allocate import uniform
from tombola.masks import kept_count
from tombola.select import top
from tombola.sketch import sketch, sketch_report

INF = float("inf")


def magnitudes(net):
    return {name: value.detach().abs() for name, value in net.named_parameters() if value.ndim > 1}


def errors_of(columns, weights, masks):
    """Of each layer, relative to what it contributes, by the full Jacobian."""
    found = {}
    for name, phi in columns.items():
        missing = (weights[name] * ~masks[name]).flatten()
        found[name] = float((phi @ missing).square().sum() / (phi @ weights[name].flatten()).square().sum())
    return found


@pytest.mark.parametrize("kind", ["mlp", "conv", "residual"])
@pytest.mark.parametrize("allocate", [None, uniform])
def test_the_error_of_the_largest_scores_is_that_of_the_jacobian(kind, allocate, generator):
    net, shape = made(kind)
    batches, scores = inputs_for(shape, 4, generator), magnitudes(net)
    columns, weights = jacobian(copy.deepcopy(net), batches, all_masks(net))
    report = sketch_report(net, batches, scores, densities=[0.7, 0.3], generator=generator, allocate=allocate, passes=1)
    assert [(row.density, row.layer) for row in report.rows] == [(d, name) for d in (0.7, 0.3) for name in scores]
    for row in report.rows:
        shapes = {name: tuple(score.shape) for name, score in scores.items()}
        total = sum(score.numel() for score in scores.values())
        kept = top(scores, allocate(shapes, row.density) if allocate else kept_count(total, row.density))
        assert row.top == pytest.approx(errors_of(columns, weights, kept)[row.layer], rel=1e-9, abs=1e-12)
        assert (row.kept_top, row.size) == (int(kept[row.layer].sum()), scores[row.layer].numel())


@pytest.mark.parametrize("allocate", [None, uniform])
def test_the_error_of_chance_is_the_mean_over_all_masks(allocate, generator):
    net = nn.Sequential(nn.Linear(2, 2, bias=False), nn.Tanh(), nn.Linear(2, 1, bias=False)).double()
    batches = inputs_for((2,), 3, generator)
    columns, weights = jacobian(copy.deepcopy(net), batches, all_masks(net))
    report = sketch_report(
        net, batches, magnitudes(net), densities=[0.5], generator=generator, allocate=allocate, passes=1
    )
    first, last = [("0.weight", i) for i in range(4)], [("2.weight", i) for i in range(2)]
    alone = [combinations(first, 2), combinations(last, 1)]
    sets = alone if allocate else [combinations(first + last, 3)]
    found = {name: [] for name in weights}
    for chosen in (set(kept) for pool in sets for kept in pool):
        masks = {
            name: torch.tensor([(name, i) in chosen for i in range(w.numel())]).view(w.shape)
            for name, w in weights.items()
        }
        for name, error in errors_of(columns, weights, masks).items():
            if allocate is None or any(place[0] == name for place in chosen):
                found[name].append(error)
    for row in report.rows:
        assert row.random == pytest.approx(sum(found[row.layer]) / len(found[row.layer]), rel=1e-9)
        assert row.kept_random == pytest.approx(row.size / 2)


@pytest.mark.parametrize("allocate", [None, uniform])
def test_the_error_of_drawn_masks_is_near_that_of_many_draws(allocate, generator):
    net = nn.Sequential(nn.Linear(20, 30, bias=False), nn.ReLU(), nn.Linear(30, 1, bias=False)).double()
    for value in net.parameters():
        torch.nn.init.normal_(value, generator=generator)
    batches, scores = inputs_for((20,), 30, generator), magnitudes(net)
    columns, weights = jacobian(copy.deepcopy(net), batches, all_masks(net))
    report = sketch_report(net, batches, scores, densities=[0.3], generator=generator, allocate=allocate, passes=1)
    shapes = {name: tuple(score.shape) for name, score in scores.items()}
    kept = uniform(shapes, 0.3) if allocate else kept_count(630, 0.3)
    drawn = [sketch()(scores, kept, generator=generator) for _ in range(300)]
    for row in report.rows:
        measured = torch.tensor([errors_of(columns, weights, masks)[row.layer] for masks in drawn]).double()
        error = float(measured.std()) / 300**0.5
        assert abs(row.sampled - float(measured.mean())) < 3 * error + 0.005  # few weights: the limit is not reached
        counts = torch.tensor([int(masks[row.layer].sum()) for masks in drawn]).double()
        assert row.kept_sampled == pytest.approx(float(counts.mean()), rel=0.05)


def test_a_layer_that_loses_all_its_weights_shows(generator):
    net, shape = made("without biases")
    scores = magnitudes(net)
    scores["2.weight"] *= 1e-6
    report = sketch_report(net, inputs_for(shape, 4, generator), scores, densities=[0.2], generator=generator)
    lost = next(row for row in report.rows if row.layer == "2.weight")
    assert (lost.kept_top, lost.preferred) == (0, "random")
    assert lost.top == pytest.approx(1)
    assert lost.kept_random == pytest.approx(0.2 * 48, rel=0.1)


def test_weights_that_are_pruned_already_count_as_zero(generator):
    net, shape = made("mlp")
    scores = magnitudes(net)
    scores["0.weight"][:, 1:] = -INF
    masks = {name: score > -INF for name, score in scores.items()}
    batches = inputs_for(shape, 4, generator)
    columns, weights = jacobian(copy.deepcopy(net), batches, masks)
    report = sketch_report(net, batches, scores, densities=[0.2], generator=generator, passes=1)
    assert [row.size for row in report.rows] == [5, 5]
    assert sum(row.kept_random for row in report.rows) == pytest.approx(5)
    wanted = errors_of(columns, weights, top(scores, 5))
    for row in report.rows:
        assert row.top == pytest.approx(wanted[row.layer], rel=1e-9, abs=1e-12)


def test_keeping_everything_loses_nothing(generator):
    net, shape = made("mlp")
    report = sketch_report(net, inputs_for(shape, 2, generator), magnitudes(net), densities=[1.0], generator=generator)
    for row in report.rows:
        assert (row.top, row.sampled, row.random) == pytest.approx((0, 0, 0), abs=1e-12)
        assert row.preferred == "top"


def test_the_table_holds_the_rows(generator):
    net, shape = made("mlp")
    report = sketch_report(net, inputs_for(shape, 2, generator), magnitudes(net), densities=[0.5], generator=generator)
    table = report.table()
    assert [line["layer"] for line in table] == ["0.weight", "3.weight"]
    assert all(line["preferred"] == row.preferred for line, row in zip(table, report.rows, strict=True))
    assert all(
        line["top"] == row.top and line["kept_top"] == row.kept_top
        for line, row in zip(table, report.rows, strict=True)
    )


@pytest.mark.usefixtures("untouched")
def test_nothing_of_the_model_changes(generator):
    net, shape = made("conv")
    net.train()
    before = {name: value.clone() for name, value in net.state_dict().items()}
    sketch_report(net, inputs_for(shape, 2, generator), magnitudes(net), densities=[0.5], generator=generator)
    torch.testing.assert_close(dict(net.state_dict()), before, rtol=0, atol=0)
    assert net.training
    assert all(value.grad is None for value in net.parameters())


def test_what_cannot_be_reported_is_refused(generator):
    net, shape = made("mlp")
    batches, scores = inputs_for(shape, 2, generator), magnitudes(net)

    def refused(message, densities=(0.5,), scores=scores, **options):
        with pytest.raises(ValueError, match=message):
            sketch_report(net, batches, scores, densities=densities, generator=generator, **options)

    refused("scores of '0.weight' are negative", scores={"0.weight": -scores["0.weight"]})
    refused("hold NaN", scores={"0.weight": scores["0.weight"] * torch.nan})
    refused("density is the kept fraction", densities=[1.5])
    half = {name: score.masked_fill(score < 0.2, -INF) for name, score in scores.items()}
    refused("weights, and .* are left", densities=[1.0], scores=half)
    refused("weights of '0.weight', and .* are left", densities=[1.0], scores=half, allocate=uniform)
    refused("'0.weight' contributes nothing", scores=scores | {"0.weight": torch.full((5, 4), -INF)}, densities=[0.1])


@pytest.mark.gpu
def test_a_network_on_a_gpu(generator):
    net, shape = made("conv")
    batches = inputs_for(shape, 3, generator)
    here = sketch_report(net, batches, magnitudes(net), densities=[0.4], generator=generator, passes=1)
    net, batches = net.cuda(), [(x.cuda(), y.cuda()) for x, y in batches]
    there = sketch_report(net, batches, magnitudes(net), densities=[0.4], generator=generator, passes=1)
    for first, second in zip(here.rows, there.rows, strict=True):
        assert (second.top, second.sampled, second.random) == pytest.approx((first.top, first.sampled, first.random))
