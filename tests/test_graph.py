import numpy as np
import pytest
import torch
import torch.nn.functional as F
from tests.problems.targets import relu_network
from torch import Tensor, nn

from tombola.errors import UnsupportedModuleError
from tombola.graph import SUPPORTED, read_graph


class Net(nn.Module):
    """Three linear layers and a forward that is given as a function."""

    def __init__(self, run):
        super().__init__()
        self.a, self.b, self.c = nn.Linear(6, 4), nn.Linear(4, 4), nn.Linear(4, 2)
        self.register_buffer("offset", torch.ones(4))
        self._run = run

    def forward(self, x: Tensor) -> Tensor:
        return self._run(self, x)


class TwoInputs(nn.Module):
    def __init__(self):
        super().__init__()
        self.a = nn.Linear(6, 4)

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        return self.a(x) + y


def computed(layers, x):
    """What the layers say the network computes, in float64."""
    for layer in layers:
        x = x @ layer.weight.double().T + (0 if layer.bias is None else layer.bias.double())
        x = x.relu() if layer.relu else x
    return x


def described(layers):
    return [(layer.name, tuple(layer.weight.shape), layer.bias is not None, layer.relu) for layer in layers]


def test_the_layers_of_a_small_network_by_hand():
    net = nn.Sequential(nn.Flatten(), nn.Linear(6, 4), nn.ReLU(), nn.Dropout(0.5), nn.Linear(4, 2, bias=False))
    layers = read_graph(net, torch.zeros(3, 2, 3)).layers
    assert described(layers) == [("1", (4, 6), True, True), ("4", (2, 4), False, False)]
    assert layers[0].parameters + layers[1].parameters == 4 * 6 + 4 + 2 * 4
    torch.testing.assert_close(layers[0].bias, net[1].bias.detach(), rtol=0, atol=0)


CHAINS = {
    "module relu": lambda n, x: n.c(nn.ReLU()(n.a(x))),
    "module relu in place": lambda n, x: n.c(nn.ReLU(inplace=True)(n.a(x))),
    "function relu": lambda n, x: n.c(F.relu(n.a(x))),
    "torch relu": lambda n, x: n.c(torch.relu(n.a(x))),
    "method relu": lambda n, x: n.c(n.a(x).relu()),
    "relu in place, result unused": lambda n, x: (lambda h: (h.relu_(), n.c(h))[1])(n.a(x)),
    "relu twice": lambda n, x: n.c(n.a(x).relu().relu()),
    "function linear": lambda n, x: n.c(F.linear(x, n.a.weight, n.a.bias).relu()),
    "identity": lambda n, x: n.c(nn.Identity()(n.a(x)).relu()),
    "dropout": lambda n, x: n.c(F.dropout(n.a(x), 0.5, training=n.training).relu()),
    "dropout module": lambda n, x: n.c(nn.Dropout(0.3).eval()(n.a(x)).relu()),
    "flatten": lambda n, x: n.c(torch.flatten(n.a(x), 1).relu()),
    "flatten module": lambda n, x: n.c(nn.Flatten()(n.a(x)).relu()),
    "reshape": lambda n, x: n.c(n.a(x.reshape(len(x), -1)).relu()),
    "view": lambda n, x: n.c(n.a(x.view(-1, 6)).relu()),
    "contiguous": lambda n, x: n.c(n.a(x).contiguous().clone().relu()),
    "unused branch": lambda n, x: (n.b(n.a(x)), n.c(n.a(x).relu()))[1],
}


@pytest.mark.parametrize("run", CHAINS.values(), ids=CHAINS)
def test_every_way_to_write_a_chain_reads_the_same(run):
    net = Net(run).train()
    layers = read_graph(net, torch.zeros(2, 6)).layers
    assert described(layers) == [("a", (4, 6), True, True), ("c", (2, 4), True, False)]
    assert {layer.name for layer in layers} <= {name.removesuffix(".weight") for name, _ in net.named_parameters()}
    x = torch.randn(5, 6, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(computed(layers, x.double()), net.eval()(x).double(), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("biases", [(True, True), (True, False), (False, True), (False, False)])
def test_two_layers_with_nothing_between_them_are_their_composition(biases):
    net = nn.Sequential(nn.Linear(6, 5, bias=biases[0]), nn.Linear(5, 3, bias=biases[1]), nn.ReLU(), nn.Linear(3, 2))
    layers = read_graph(net, torch.zeros(1, 6)).layers
    assert described(layers) == [("0*1", (3, 6), any(biases), True), ("3", (2, 3), True, False)]
    x = torch.randn(9, 6, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(computed(layers, x), net.double()(x), rtol=1e-5, atol=1e-6)


def test_a_layer_that_is_used_twice_is_two_layers():
    shared = nn.Linear(6, 6)
    layers = read_graph(nn.Sequential(shared, nn.ReLU(), shared, nn.ReLU(), shared), torch.zeros(1, 6)).layers
    names = [layer.name for layer in layers]
    assert len(set(names)) == 3
    assert names[1:] == [f"{names[0]}@2", f"{names[0]}@3"]


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.usefixtures("untouched")
def test_the_model_is_left_as_it_was(training):
    net = relu_network(6, 5, 3, bias=True).train(training)
    net.fc2.train(not training)
    before = {name: value.clone() for name, value in net.state_dict().items()}
    layers = read_graph(net, torch.zeros(1, 6)).layers
    assert [net.training, net.fc1.training, net.fc2.training] == [training, training, not training]
    assert all(parameter.grad is None and parameter.requires_grad for parameter in net.parameters())
    assert not layers[0].weight.requires_grad
    for name, value in net.state_dict().items():
        torch.testing.assert_close(value, before[name], rtol=0, atol=0)


def test_a_model_in_training_is_in_training_again_after_an_error():
    net = nn.Sequential(nn.Linear(6, 4), nn.Hardswish()).train()
    with pytest.raises(UnsupportedModuleError):
        read_graph(net, torch.zeros(1, 6))
    assert net.training
    assert net[1].training


IMAGE = torch.zeros(2, 1, 4, 4)
UNSUPPORTED = {
    "a transposed convolution": (nn.Sequential(nn.ConvTranspose2d(1, 1, 2), nn.Flatten()), "0", "conv_tr", IMAGE),
    "circular padding": (nn.Conv2d(1, 1, 3, padding=1, padding_mode="circular"), "", "pad", IMAGE),
    "hardswish": (nn.Sequential(nn.Linear(6, 4), nn.Hardswish()), "1", "hardswish", None),
    "selu": (nn.Sequential(nn.Linear(6, 4), nn.SELU()), "1", "selu", None),
    "magnitudes": (Net(lambda n, x: n.c(n.a(x).abs())), "", "abs", None),
    "a quotient": (Net(lambda n, x: n.a(x) / (n.b(n.a(x)).abs() + 1)), "", "div", None),
    "a mean over channels": (Net(lambda n, x: x.mean(1)), "", "mean", IMAGE),
    "softmax": (nn.Sequential(nn.Linear(6, 4), nn.Softmax(1)), "1", "softmax", None),
    "scaling": (Net(lambda n, x: 2 * n.a(x)), "", "mul", None),
    "a buffer added": (Net(lambda n, x: n.a(x) + n.offset), "", "add", None),
    "three axes": (nn.Sequential(nn.Linear(6, 4)), "0", "Linear on other than", torch.zeros(2, 3, 6)),
    "no batch": (nn.Linear(6, 4), "", "Linear on other than", torch.zeros(6)),
    "no layer": (nn.Flatten(), "", "no Linear layer and no convolution", None),
    "dropout for ever": (Net(lambda n, x: n.a(F.dropout(x, 0.5, training=True))), "", "dropout", None),
    "a transposition": (Net(lambda n, x: n.a(x.mT.reshape(-1, 6))), "", "mT", torch.zeros(2, 2, 3)),
    "a split batch": (Net(lambda n, x: n.a(x.view(-1, 6))), "", "does not flatten", torch.zeros(2, 12)),
    "a matrix product": (Net(lambda n, x: x @ n.a.weight.T), "", "matmul", None),
    "a computed weight": (Net(lambda n, x: F.linear(x, 2 * n.a.weight)), "", "no parameter", None),
    "a constant weight": (Net(lambda n, x: F.linear(x, torch.ones(2, 6))), "", "no parameter", None),
    "a view written through": (
        Net(lambda n, x: (lambda h: (lambda f: (h.relu_(), n.c(f))[1])(h.view(-1, 4)))(n.a(x))),
        "",
        "in place",
        None,
    ),
    "a choice by value": (Net(lambda n, x: n.c(n.a(x)) if x.sum() > 0 else n.c(n.a(x).relu())), "", "export", None),
    "a tuple": (Net(lambda n, x: (n.a(x), x)), "", "returns tuple", None),
    "a constant output": (Net(lambda n, x: n.a(n.offset.new_ones(2, 6))), "a", "does not come from the input", None),
    "a buffer counted up": (Net(lambda n, x: (n.offset.add_(1), n.a(x))[1]), "", "in place, beside", None),
}


@pytest.mark.parametrize(("net", "path", "operation", "example"), UNSUPPORTED.values(), ids=UNSUPPORTED)
def test_what_is_no_chain_is_refused_with_its_place_and_what_would_do(net, path, operation, example, capfd):
    with pytest.raises(UnsupportedModuleError, match="cannot construct") as caught:
        read_graph(net, torch.zeros(2, 6) if example is None else example)
    assert caught.value.path == path
    assert operation in caught.value.operation
    assert caught.value.supported == SUPPORTED
    assert "Linear, Conv1d, Conv2d" in str(caught.value)
    assert len(str(caught.value).splitlines()) == 1
    assert len(capfd.readouterr().err.splitlines()) <= 1


def test_a_forward_that_counts_does_not_count_here():
    net = Net(lambda n, x: (n.offset.add_(1), n.a(x))[1])
    with pytest.raises(UnsupportedModuleError):
        read_graph(net, torch.zeros(1, 6))
    torch.testing.assert_close(net.offset, torch.ones(4), rtol=0, atol=0)


def test_a_second_input_is_an_error_of_one_line():
    with pytest.raises(ValueError, match=r"does not run on an example of shape \(1, 6\).*'y'") as caught:
        read_graph(TwoInputs(), torch.zeros(1, 6))
    assert len(str(caught.value).splitlines()) == 1


def test_an_example_of_another_shape_is_an_error_with_both():
    with pytest.raises(ValueError, match=r"shape \(1, 5\).*1x5 and 6x4"):
        read_graph(nn.Linear(6, 4), torch.zeros(1, 5))


@pytest.mark.parametrize("name", ["weight", "bias"])
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_weights_that_are_not_finite_are_refused(name, value):
    net = relu_network(6, 5, 3, bias=True)
    getattr(net.fc2, name).data.ravel()[1] = value
    with pytest.raises(ValueError, match=rf"fc2\.{name} has 1 values that are NaN or infinite"):
        read_graph(net, torch.zeros(1, 6))


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16])
def test_other_dtypes_are_refused_with_the_remedy(dtype):
    with pytest.raises(ValueError, match=rf"{dtype}; convert the target with model\.float\(\)"):
        read_graph(relu_network(6, 3).to(dtype), torch.zeros(1, 6, dtype=dtype))
