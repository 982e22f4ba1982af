import pytest
import torch
from tests.problems.small_networks import NETWORKS, arguments
from tests.scores.definition import closely, dense, mean_loss, times, with_weights
from torch import nn
from torch.nn.functional import mse_loss

from tombola.scores import force, snip


def test_a_pruned_weight_that_would_help_more_worked_by_hand():
    model = nn.Linear(2, 1, bias=False)
    model.weight.data = torch.tensor([[1.0, 5.0]])
    masks = {"weight": torch.tensor([[True, False]])}
    # the residual is 1 * 1 + 0 - 3 = -2 without the second weight; slopes -2 * (1, 1), times the dense weights
    batches = [(torch.tensor([[1.0, 1.0]]), torch.tensor([[3.0]]))]
    found = force(model, batches, masks=masks, loss=lambda out, y: mse_loss(out, y) / 2, generator=torch.Generator())
    assert found["weight"].tolist() == [[2.0, 10.0]]


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize("batch_statistics", [False, True])
def test_it_is_the_gradient_at_pruned_weights_times_dense_ones(name, batch_statistics):
    given = arguments(name, 0.6)
    weights = dense(given)
    held = {key: (weights[key] * mask).requires_grad_() for key, mask in given["masks"].items()}
    model = with_weights(given["model"], held, batch_statistics=batch_statistics)
    slopes = torch.autograd.grad(mean_loss(model, given["batches"], given["loss"]), list(held.values()))
    wanted = {key: value.abs() for key, value in times(weights, dict(zip(held, slopes, strict=True))).items()}
    assert any(bool((wanted[key][~mask] > 0).any()) for key, mask in given["masks"].items())
    closely(force(**given, batch_statistics=batch_statistics), wanted)


@pytest.mark.parametrize("name", NETWORKS)
def test_on_the_dense_network_it_is_snip(name):
    given = arguments(name)
    torch.testing.assert_close(force(**given), snip(**given), rtol=0, atol=0)


def test_kept_weights_score_as_in_snip_and_only_pruned_ones_otherwise():
    given = arguments("convolutional", 0.6)
    found, other = force(**given), snip(**given)
    for key, mask in given["masks"].items():
        torch.testing.assert_close(found[key][mask], other[key][mask], rtol=0, atol=0)
        assert not other[key][~mask].any()


def test_a_pruned_weight_that_is_not_finite_is_refused():
    given = arguments("mlp")
    given["masks"]["0.weight"][0, 0] = False
    with torch.no_grad():
        given["model"][0].weight[0, 0] = torch.inf
    with pytest.raises(ValueError, match=r"'0\.weight' are not all finite"):
        force(**given)
