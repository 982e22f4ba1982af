"""Two of four weights: on a CPU with another product in place of the GPU's, and on a GPU itself."""

import copy
import pickle

import pytest
import torch
from torch import nn
from torch.nn import functional
from torch.sparse import SparseSemiStructuredTensor, SparseSemiStructuredTensorCUTLASS

from tombola.deploy import _sites, compile
from tombola.deploy._semi_structured import SemiStructuredLinear, is_semi_structured, runs_semi_structured
from tombola.masks import bake_
from tombola.select import n_of_m

CLOSE = {"rtol": 0, "atol": 2e-3}
on_gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU")


def two_of_four(rows, columns, *, bias=True, dtype=torch.float16):
    generator = torch.Generator().manual_seed(0)
    layer = nn.Linear(columns, rows, bias=bias).requires_grad_(False)
    layer.weight.uniform_(-0.1, 0.1, generator=generator)
    mask = n_of_m(2, 4)({"w": layer.weight.abs()}, rows * columns // 2)["w"]
    layer.weight.mul_(mask)
    return layer.to(dtype), mask


def normal(*shape, dtype=torch.float16):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(1)).to(dtype)


@pytest.fixture
def product(monkeypatch):
    """torch's own packing and dispatch, on the CPU; only the last product is one of matrices that are unpacked."""

    def multiplied(self, other, *, bias=None, should_transpose_dense=False):
        made = other @ self.to_dense().T if should_transpose_dense else self.to_dense() @ other
        return made if bias is None else made + bias

    cutlass = SparseSemiStructuredTensorCUTLASS
    monkeypatch.setattr(SparseSemiStructuredTensor, "_FORCE_CUTLASS", True)
    monkeypatch.setattr(cutlass, "_validate_device_dim_dtype_shape", classmethod(lambda cls, tensor: None))
    monkeypatch.setattr(cutlass, "_mm", multiplied)


@pytest.mark.usefixtures("product")
@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("positive", [True, False])
def test_a_layer_of_two_in_four(positive, bias):
    layer, _ = two_of_four(64, 128, bias=bias)
    packed = SemiStructuredLinear(layer, positive=positive)
    assert packed.packed.numel() == layer.weight.numel() // 2
    again = pickle.loads(pickle.dumps(copy.deepcopy(packed)))
    for x in (normal(3, 128), normal(2, 3, 128), normal(128, 5).T):
        wanted = functional.linear(x, layer.weight, layer.bias)
        made = packed(x)
        torch.testing.assert_close(made, wanted.relu() if positive else wanted, **CLOSE)
        assert again(x).equal(made)


def test_which_matrices_are():
    layer = two_of_four(16, 32)[0]
    assert is_semi_structured(layer.weight)
    assert not is_semi_structured(layer.weight[:, 1:])
    layer.weight[3, 4:7] = 1.0
    assert not is_semi_structured(layer.weight)
    assert not runs_semi_structured(two_of_four(16, 32)[0])  # on a CPU


@pytest.mark.usefixtures("product")
def test_a_network_with_such_layers(monkeypatch, tmp_path):
    """All but the clock and the GPU: what is chosen, replaced and kept as JSON."""
    monkeypatch.setattr(_sites, "runs_semi_structured", lambda layer: is_semi_structured(layer.weight))
    monkeypatch.setattr(_sites.Site, "kinds", ["2:4"])
    clock = iter([[[3.0] * 6, [1.0] * 6], [[1.0] * 6, [3.0] * 6], [[3.0] * 6, [2.0] * 6, [1.0] * 6]])
    monkeypatch.setattr("tombola.deploy._choices.turns", lambda *_, **__: next(clock))
    monkeypatch.setattr(
        "tombola.deploy._compile._rounds", lambda networks, _: [[9.0 - k] * 6 for k in range(len(networks))]
    )
    (first, one), (second, two) = two_of_four(64, 128), two_of_four(64, 64)
    net = nn.Sequential(first, nn.ReLU(), second)
    path = tmp_path / "choices.json"
    deployed = compile(net, {"0.weight": one, "2.weight": two}, normal(4, 128), batches=[4], cache=path)
    assert [layout.chosen for layout in deployed.layouts] == ["2:4", "dense"]
    assert [type(layer) for layer in deployed.forms[0].children()] == [SemiStructuredLinear, nn.Linear]
    torch.testing.assert_close(deployed(normal(7, 128)), net(normal(7, 128)), **CLOSE)
    again = compile(net, {"0.weight": one, "2.weight": two}, normal(4, 128), batches=[4], cache=path)
    assert str(again) == str(deployed)


@on_gpu
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_on_a_gpu(dtype):
    layers = [two_of_four(1024, 1024, dtype=dtype) for _ in range(2)]
    net = nn.Sequential(layers[0][0], nn.ReLU(), layers[1][0]).cuda()
    masks = {"0.weight": layers[0][1].cuda(), "2.weight": layers[1][1].cuda()}
    deployed = compile(net, masks, normal(1, 1024, dtype=dtype).cuda(), batches=[64])
    assert all(set(layout.milliseconds) == {"dense", "2:4"} for layout in deployed.layouts)
    bake_(net, masks)
    x = normal(64, 1024, dtype=dtype).cuda()
    for layer in (layers[0][0], layers[1][0]):
        torch.testing.assert_close(SemiStructuredLinear(layer, positive=False)(x), layer(x), rtol=1e-2, atol=1e-2)
    torch.testing.assert_close(deployed(x), net(x), rtol=1e-2, atol=1e-2)
