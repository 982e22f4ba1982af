import math

import numpy as np
import pytest
import torch
from torch import nn

from tombola import Source, initialise
from tombola.random_source import Normal, SignedConstant, Uniform, glorot, he

MODELS = {
    "linear": lambda: nn.Sequential(nn.Linear(6, 4), nn.ReLU(), nn.Linear(4, 2, bias=False)),
    "convolution": lambda: nn.Sequential(nn.Conv2d(3, 8, 5), nn.Flatten(), nn.Linear(8, 2)),
    "batch norm": lambda: nn.Sequential(nn.Conv1d(2, 4, 3), nn.BatchNorm1d(4), nn.ConvTranspose1d(4, 2, 3)),
}


@pytest.mark.parametrize("model", MODELS.values(), ids=MODELS)
@pytest.mark.parametrize("scheme", [he, glorot])
def test_matrices_are_addresses_and_vectors_stay(model, scheme):
    net = model()
    before = {name: value.clone() for name, value in net.state_dict().items()}
    random_state = torch.get_rng_state()
    state = initialise(net, Source(3), scheme=scheme)
    assert random_state.equal(torch.get_rng_state())
    assert list(state) == [name for name, _ in net.named_parameters()]
    for name, value in net.named_parameters():
        law = scheme(name, value)
        assert (law is None) == (value.ndim < 2)
        wanted = value.detach() if law is None else Source(3).tensor(name, law, value.shape)
        torch.testing.assert_close(state[name], wanted, rtol=0, atol=0)
    for name, value in net.state_dict().items():
        torch.testing.assert_close(value, before[name], rtol=0, atol=0)
    net.load_state_dict(state, strict=False)


def test_the_scale_of_he_by_hand():
    assert he("w", torch.zeros(8, 3, 5, 5)) == Normal(math.sqrt(2 / 75))
    assert he("w", torch.zeros(4, 6)) == Normal(math.sqrt(2 / 6))


def test_the_scale_of_glorot_by_hand():
    assert glorot("w", torch.zeros(8, 3, 5, 5)) == Uniform(math.sqrt(6 / (11 * 25)))
    assert glorot("w", torch.zeros(4, 6)) == Uniform(math.sqrt(6 / 10))


def test_activations_keep_their_size_under_he():
    """The mean square stays what it was; over 512 units it strays by some 5 % a layer."""
    net = nn.Sequential(*(part for _ in range(4) for part in (nn.Linear(512, 512, bias=False), nn.ReLU())))
    x = torch.randn(64, 512, generator=torch.Generator().manual_seed(0))
    y = torch.func.functional_call(net, initialise(net, Source(0)), (x,))
    assert 0.8 < float(y.square().mean() / x.square().mean()) < 1.25


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16])
def test_dtypes_are_kept(dtype):
    state = initialise(nn.Linear(6, 4).to(dtype), Source(0))
    assert {value.dtype for value in state.values()} == {dtype}


def test_a_scheme_of_the_callers_own():
    state = initialise(
        nn.Linear(6, 4), Source(0), scheme=lambda name, _: SignedConstant(0.5) if "bias" in name else None
    )
    np.testing.assert_array_equal(state["bias"].abs(), np.full(4, 0.5, np.float32))


def test_generations_differ():
    first, second = (initialise(nn.Linear(6, 4), Source(0, generation))["weight"] for generation in (0, 1))
    assert not first.equal(second)


@pytest.mark.gpu
def test_a_model_on_a_gpu_gets_the_same_values_there():
    on_cpu, on_gpu = (initialise(nn.Linear(6, 4).to(device), Source(0))["weight"] for device in ("cpu", "cuda"))
    assert on_gpu.device.type == "cuda"
    torch.testing.assert_close(on_gpu.cpu(), on_cpu, rtol=0, atol=0)
