import math

import pytest
import torch
from torch import nn

from tombola import Source, construct
from tombola.random_source import Normal, Uniform
from tombola.strong import neuron_subnetwork, required_neurons

BOUND = 2.0


def coefficient(w):
    return BOUND * torch.tanh(3 * w[:, 0])


def sphere(count, dimension, *, seed):
    x = torch.randn(count, dimension, generator=torch.Generator().manual_seed(seed))
    return x / x.norm(dim=1, keepdim=True)


@pytest.fixture(scope="module")
def example():
    """Inputs on the sphere of five dimensions and the mean over 400,000 w, whose own error is below .001."""
    x, total = sphere(300, 5, seed=1), torch.zeros(300, dtype=torch.float64)
    weights = sphere(400_000, 5, seed=2)
    for block in weights.split(20_000):
        total += torch.relu(x @ block.T).double() @ coefficient(block).double()
    return x, total / len(weights)


def rms_error(example, neurons, seeds):
    x, wanted = example
    squares, kept = [], []
    for seed in seeds:
        found = neuron_subnetwork(coefficient, bound=BOUND, neurons=neurons, dimension=5, source=Source(seed))
        squares.append((found(x)[:, 0].detach().double() - wanted).square().mean())
        kept.append(found.kept.double().mean())
    return math.sqrt(float(torch.stack(squares).mean())), float(torch.stack(kept).mean())


def test_which_neurons_are_kept_by_hand():
    # alpha = C: all neurons with positive u; alpha = -C / 4: those with -1/2 <= u < 0
    outer = Source(3).tensor("out.weight", Uniform(1.0), (1, 50))[0]
    for alpha, wanted in ((8.0, outer > 0), (-2.0, (outer >= -0.5) & (outer < 0)), (0.0, outer > 2)):
        found = neuron_subnetwork(
            lambda w, alpha=alpha: torch.full((len(w),), alpha), bound=8.0, neurons=50, dimension=3, source=Source(3)
        )
        assert found.kept.tolist() == wanted.tolist()
        assert found.scale == 4 * 8 / 50


def test_kept_neurons_have_the_weights_of_the_source():
    found = neuron_subnetwork(coefficient, bound=BOUND, neurons=40, dimension=5, source=Source(0))
    normal = Source(0).tensor("in.weight", Normal(1.0), (40, 5))[found.kept]
    inner, _, outer = found.network
    torch.testing.assert_close(inner.weight.detach(), normal / normal.norm(dim=1, keepdim=True))
    assert outer.weight.detach().equal(Source(0).tensor("out.weight", Uniform(1.0), (1, 40))[:, found.kept])


def test_the_error_falls_with_the_root_of_the_number_of_neurons(example):
    errors = {}
    for neurons, seeds in ((500, range(20)), (5_000, range(10)), (50_000, range(4))):
        errors[neurons], kept = rms_error(example, neurons, seeds)
        assert errors[neurons] < math.sqrt(8 * BOUND**2 / (3 * neurons))
        assert 0.37 < kept < 0.43
    slope = math.log(errors[50_000] / errors[500]) / math.log(100)
    assert -0.6 < slope < -0.4


def test_as_many_neurons_as_required_meet_the_error(example):
    neurons = required_neurons(0.1, 0.2, BOUND)
    assert neurons == math.ceil(8 * 4 / (3 * 0.01 * 0.2))
    x, wanted = example
    misses = 0
    for seed in range(20):
        found = neuron_subnetwork(coefficient, bound=BOUND, neurons=neurons, dimension=5, source=Source(seed))
        misses += float((found(x)[:, 0].detach().double() - wanted).square().mean()) > 0.1**2
    assert misses <= 0.2 * 20


@pytest.fixture(scope="module")
def hard():
    """One ReLU neuron with |w| = d^2 and a bias of three deviations, normal inputs, and its values there."""
    d = 15
    generator = torch.Generator().manual_seed(0)
    weight = torch.randn(d, generator=generator)
    net = nn.Sequential(nn.Linear(d, 1), nn.ReLU(), nn.Linear(1, 1, bias=False))
    with torch.no_grad():
        net[0].weight.copy_(weight[None] / weight.norm() * d**2)
        net[0].bias.fill_(-3.0 * d**2)
        net[2].weight.fill_(1.0)
        x = torch.randn(100_000, d, generator=generator)
        return net, x, net(x)[:, 0].double()


def unexplained(values, wanted):
    """The least squared error of a combination of columns `(n, k)`, over the variance."""
    solution = torch.linalg.lstsq(values, wanted[:, None]).solution[:, 0]
    return float((values @ solution - wanted).square().mean() / wanted.var())


def test_no_scale_of_a_thinned_network_gives_one_wide_neuron(hard):
    net, x, wanted = hard
    along = net[0].weight[0].detach() / 15**2
    for alpha in (
        lambda w: torch.ones(len(w)),
        lambda w: torch.tanh(5 * w @ along),
        lambda w: torch.cos(9 * w @ along),
    ):
        found = neuron_subnetwork(alpha, bound=1.0, neurons=2000, dimension=15, source=Source(0))
        assert unexplained(found(x).detach().double(), wanted) > 0.9


def test_no_choice_of_neurons_and_weights_does_either(hard):
    # least squares over all coefficients at once: no mask, thinning or scale on these neurons can do better
    _, x, wanted = hard
    everything = neuron_subnetwork(lambda w: torch.ones(len(w)), bound=1.0, neurons=400, dimension=15, source=Source(1))
    features = torch.relu(everything.network[0](x)).detach().double()
    assert features.shape[1] > 150
    assert unexplained(torch.cat([features, torch.ones(len(x), 1)], dim=1), wanted) > 0.9


def test_pruning_single_weights_gives_it(hard):
    net, x, wanted = hard
    ticket = construct(net, torch.zeros(1, 15), seed=3)
    assert ticket.record["report"]["failures"] == 0
    error = (ticket.module()(x)[:, 0].detach().double() - wanted).square().mean() / wanted.var()
    assert float(error) < 0.01


@pytest.mark.parametrize("changed", [{"bound": 0.0}, {"bound": math.inf}, {"neurons": 0}, {"dimension": -1}])
def test_numbers_that_are_not_positive_are_refused(changed):
    options = {"bound": BOUND, "neurons": 10, "dimension": 5, "source": Source(0)} | changed
    with pytest.raises(ValueError, match=f"{next(iter(changed))} must be a positive finite number"):
        neuron_subnetwork(coefficient, **options)
    with pytest.raises(ValueError, match=r"delta is a probability in \(0, 1\], got 2"):
        required_neurons(0.1, 2.0, 1.0)


@pytest.mark.parametrize("factor", [1.1, math.nan])
def test_coefficients_above_the_bound_are_refused(factor):
    with pytest.raises(ValueError, match=r"no coefficient may be above the bound 1.0 in magnitude; the largest is"):
        neuron_subnetwork(lambda w: torch.full((len(w),), factor), bound=1.0, neurons=10, dimension=5, source=Source(0))
