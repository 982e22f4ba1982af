import threading
from functools import partial

import pytest
import torch
from tests.problems.small_networks import NETWORKS, arguments
from tests.scores.definition import closely
from torch import nn
from torch.nn.functional import cross_entropy

from tombola.scores import grasp, hts, prospr, snip
from tombola.scores._masked import is_separable, masked_copy


class Counted:
    """A hook that cannot be copied."""

    def __init__(self):
        self.lock, self.calls = threading.Lock(), 0

    def __call__(self, *seen):
        self.calls += 1


def test_hooks_are_left_out_of_the_copy_whatever_they_hold():
    given, hook = arguments("mlp"), Counted()
    wanted = snip(**given)
    layer = given["model"][0]
    handles = [
        layer.register_forward_hook(hook),
        layer.register_forward_pre_hook(hook),
        layer.register_full_backward_hook(hook),
        layer.register_full_backward_pre_hook(hook),
        layer.weight.register_hook(hook),
    ]
    torch.testing.assert_close(snip(**given), wanted, rtol=0, atol=0)
    assert hook.calls == 0
    given["model"](given["batches"][0][0].requires_grad_()).sum().backward()
    assert hook.calls == len(handles)


def test_the_copy_reads_tied_weights_as_one():
    given = arguments("tied")
    with masked_copy(given["model"], given["masks"], given["generator"]) as copy:
        weights = {key: torch.zeros_like(value) for key, value in copy.weights().items()}
        bias, last = given["model"][2].bias, given["model"][4]
        held = copy.outputs({"0.weight": weights["0.weight"]}, given["batches"][0][0])
    torch.testing.assert_close(held, last(bias.relu()).expand(8, 3))


def test_scores_have_the_precision_of_the_model_where_outputs_would_have_less():
    given = arguments("mlp")
    given |= {"model": given["model"].float(), "batches": [(x.float(), y) for x, y in given["batches"]]}
    wanted = snip(**given)
    with torch.autocast("cpu", torch.bfloat16), torch.no_grad():
        assert given["model"](given["batches"][0][0]).dtype == torch.bfloat16
        torch.testing.assert_close(snip(**given), wanted, rtol=0, atol=0)


@pytest.mark.usefixtures("untouched")
def test_what_modules_draw_follows_from_the_generator():
    class Noisy(nn.Module):
        def forward(self, x):
            return x + torch.randn_like(x)

    model = nn.Sequential(Noisy(), *arguments("mlp")["model"])
    given = {key: value for key, value in arguments("mlp").items() if key not in ("model", "masks", "generator")}
    masks = {"1.weight": torch.ones(8, 6, dtype=torch.bool)}
    first, again, other = (
        snip(model, **given, masks=masks, generator=torch.Generator().manual_seed(seed))["1.weight"]
        for seed in (0, 0, 1)
    )
    assert first.equal(again)
    assert not first.equal(other)


def test_batch_statistics_concern_batch_norm_alone():
    model = nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2), nn.Dropout())
    masks = {"0.weight": torch.ones(2, 2, dtype=torch.bool)}
    with masked_copy(model.eval(), masks, torch.Generator(), batch_statistics=True) as copy:
        assert [part.training for part in copy.module.modules()] == [False, False, True, False]
    assert not any(part.training for part in model.modules())


def separable(given, **options):
    with masked_copy(given["model"], given["masks"], given["generator"], **options) as copy:
        return is_separable(copy, given["batches"], given["loss"], copy.weights())


@pytest.mark.parametrize("name", NETWORKS)
def test_batches_are_separable_unless_examples_see_each_other(name):
    given = arguments(name)
    assert separable(given)
    assert separable(given, batch_statistics=True) == (name == "mlp")  # which has no batch norm
    weighted = partial(cross_entropy, weight=torch.tensor([1.0, 2.0, 5.0], dtype=torch.float64))
    assert not separable(given | {"loss": weighted})
    assert not separable(given | {"loss": partial(cross_entropy, reduction="sum")})


def test_batches_are_not_separable_where_batch_norm_has_no_statistics_of_its_own():
    given = arguments("mlp")
    given["model"].append(nn.BatchNorm1d(3, track_running_stats=False).double())
    assert not separable(given)


SIZES = []


class Recorded(nn.Module):
    """Writes down how many examples come by while a graph is made."""

    def forward(self, x):
        if torch.is_grad_enabled():
            SIZES.append(len(x))
        return x


@pytest.mark.parametrize(
    ("score", "whole"),
    [(partial(grasp, batch_statistics=False), [8, 4]), (partial(hts, probes=3), [8, 4]), (prospr, [8, 4, 8, 8, 4])],
    ids=["grasp", "hts", "prospr"],
)
def test_graphs_of_second_order_are_of_a_quarter_of_a_batch_and_scores_those_of_whole_ones(score, whole, monkeypatch):
    given = arguments("mlp", 0.6)
    given["model"].append(Recorded())
    SIZES.clear()
    found = score(**given)
    assert SIZES[: len(whole)] == whole
    assert set(SIZES[len(whole) :]) == {1, 2}
    for module in ("_grasp", "_prospr", "_second_order"):
        monkeypatch.setattr(f"tombola.scores.{module}.is_separable", lambda *given: False)
    given["generator"].manual_seed(0)
    closely(score(**given), found, 1e-13)


@pytest.mark.parametrize("name", NETWORKS)
def test_a_loss_that_is_no_mean_is_not_cut(name):
    """Whole and cut would differ: weights of classes make the mean one of each part alone."""
    given = arguments(name)
    given["loss"] = partial(cross_entropy, weight=torch.tensor([1.0, 2.0, 5.0], dtype=torch.float64))
    given["batches"] = given["batches"][:1]
    with masked_copy(given["model"], given["masks"], given["generator"]) as copy:
        leaves = {key: weight.clone().requires_grad_() for key, weight in copy.weights().items()}
        x, y = given["batches"][0]
        slopes = torch.autograd.grad(
            given["loss"](copy.outputs(leaves, x), y), list(leaves.values()), create_graph=True
        )
        speed = sum(slope.square().sum() for slope in slopes) / 2
        products = torch.autograd.grad(speed, list(leaves.values()))
    wanted = {key: leaf.detach() * product for (key, leaf), product in zip(leaves.items(), products, strict=True)}
    closely(grasp(**given, temperature=1.0, batch_statistics=False), wanted)
