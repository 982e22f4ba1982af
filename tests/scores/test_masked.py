import threading

import pytest
import torch
from tests.problems.small_networks import arguments
from torch import nn

from tombola.scores import snip
from tombola.scores._masked import masked_copy


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
