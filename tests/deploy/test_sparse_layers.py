"""Sparse layers compute what dense ones do, for every geometry, and live through what torch does to modules."""

import copy
import io
import pickle
import subprocess
import sys

import pytest
import torch
from torch import nn
from torch.library import opcheck
from torch.nn import functional

from tombola.deploy._csr import CsrLinear
from tombola.deploy._quads import held, quads
from tombola.deploy._sparse_layers import SparseChain, SparseConv2d

COMPILED = """
import torch
from torch import nn
from tombola.deploy import CsrLinear, SparseChain, SparseConv2d

rows = CsrLinear(nn.Linear(30, 20), positive=True)
chain = SparseChain([nn.Linear(30, 20), nn.Linear(20, 10)], [True, False], [True, False])
convolution = SparseConv2d(nn.Conv2d(2, 3, 3, stride=2, padding=1), (7, 5), positive=True, blocks=True)
with torch.no_grad():
    for layer, x in ((chain, torch.ones(3, 30)), (rows, torch.ones(3, 30)), (convolution, torch.ones(3, 2, 7, 5))):
        assert torch.compile(layer, backend="aot_eager", fullgraph=True)(x).equal(layer(x))
"""
CLOSE = {"rtol": 1e-5, "atol": 1e-5}


def thin_(layer, density, seed=0):
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        layer.weight.mul_(torch.rand(layer.weight.shape, generator=generator) < density)
    return layer.requires_grad_(False)


def normal(*shape, seed=1):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def small_chain(*blocks):
    layers = [thin_(nn.Linear(30, 23), 0.3), thin_(nn.Linear(23, 10, bias=False), 0.3, 2)]
    return SparseChain(layers, [True, False], blocks), nn.Sequential(layers[0], nn.ReLU(), layers[1])


@pytest.mark.parametrize("density", [0.0, 0.02, 0.3, 1.0])
@pytest.mark.parametrize(("rows", "columns"), [(1, 1), (7, 3), (40, 61)])
@pytest.mark.parametrize("height", [1, 4])
def test_quads_hold_the_matrix_and_nothing_else(height, rows, columns, density):
    matrix = normal(rows, columns) * (torch.rand(rows, columns, generator=torch.Generator().manual_seed(0)) < density)
    found = quads(matrix, height)
    assert len(found.columns) == 4 * int(found.starts[-1])
    assert len(found.values) == len(found.columns) * height == held(matrix, height)
    values = found.values.view(-1, height).T
    again = torch.zeros(rows + height, columns)
    for band, row in enumerate(range(0, rows, height)):
        part = slice(4 * int(found.starts[band]), 4 * int(found.starts[band + 1]))
        assert (part.stop - part.start) - int((matrix[row : row + height] != 0).any(0).sum()) in range(4)
        again[row : row + height].index_add_(1, found.columns[part].long(), values[:, part])
    assert again[:rows].equal(matrix)
    assert not again[rows:].any()


@pytest.mark.parametrize("batch", [0, 1, 2, 3, 4, 5, 64, 65, 131])
@pytest.mark.parametrize("blocks", [(False, False), (True, True), (False, True), (True, False)])
def test_a_chain_is_its_layers(blocks, batch):
    sparse, dense = small_chain(*blocks)
    torch.testing.assert_close(sparse(normal(batch, 30)), dense(normal(batch, 30)), **CLOSE)


def test_a_chain_takes_inputs_with_more_axes():
    sparse, dense = small_chain(False, True)
    torch.testing.assert_close(sparse(normal(2, 3, 30)), dense(normal(2, 3, 30)), **CLOSE)
    torch.testing.assert_close(sparse(normal(30)), dense(normal(30)), **CLOSE)
    turned = normal(30, 4).T
    torch.testing.assert_close(sparse(turned), dense(turned), **CLOSE)


def test_a_flat_chain_flattens():
    layer = thin_(nn.Linear(12, 5), 0.5)
    images = normal(3, 2, 3, 2)
    sparse = SparseChain([layer], [False], [False], flat=True)
    torch.testing.assert_close(sparse(images), layer(images.flatten(1)), **CLOSE)


@pytest.mark.parametrize("batch", [1, 6])
def test_more_inputs_than_a_short_index_tells_apart(batch):
    layer = thin_(nn.Linear(70_000, 3), 0.01)
    sparse = SparseChain([layer], [False], [False])
    assert sparse.columns.dtype == torch.int32
    torch.testing.assert_close(sparse(normal(batch, 70_000)), layer(normal(batch, 70_000)), **CLOSE)


@pytest.mark.parametrize("batch", [1, 5, 40])
@pytest.mark.parametrize("kernel", [1, 3, (2, 5)])
@pytest.mark.parametrize("stride", [1, 2, (3, 1)])
@pytest.mark.parametrize("padding", [0, 1, (2, 3)])
@pytest.mark.parametrize("dilation", [1, (2, 1)])
@pytest.mark.parametrize("blocks", [False, True])
def test_a_convolution_of_any_geometry(blocks, kernel, stride, padding, dilation, batch):
    layer = thin_(nn.Conv2d(3, 6, kernel, stride=stride, padding=padding, dilation=dilation), 0.4)
    images = normal(batch, 3, 9, 8)
    sparse = SparseConv2d(layer, (9, 8), positive=False, blocks=blocks)
    torch.testing.assert_close(sparse(images), layer(images), **CLOSE)
    rectified = SparseConv2d(layer, (9, 8), positive=True, blocks=blocks)
    torch.testing.assert_close(rectified(images), layer(images).relu(), **CLOSE)


def test_a_layer_of_which_nothing_is_left_is_its_bias():
    layer = thin_(nn.Linear(5, 4), 0.0)
    for batch in (1, 9):
        assert SparseChain([layer], [False], [False])(normal(batch, 5)).equal(layer.bias.expand(batch, 4))
    filters = thin_(nn.Conv2d(2, 3, 3), 0.0)
    wanted = filters.bias[:, None, None].expand(2, 3, 4, 4)
    assert SparseConv2d(filters, (6, 6), positive=False, blocks=False)(normal(2, 2, 6, 6)).equal(wanted)


@pytest.mark.parametrize("batch", [1, 8])
@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_what_is_not_finite_reaches_the_rows_that_read_it_and_no_other(batch, value):
    layer = nn.Linear(6, 3, bias=False)
    with torch.no_grad():
        layer.weight.zero_()
        layer.weight[0, :5], layer.weight[1, 2] = 1.0, 1.0
    x = torch.ones(batch, 6)
    x[0, 0] = value
    made = SparseChain([layer], [False], [False])(x)
    assert not made[0, 0].isfinite()
    assert made.isfinite().sum() == 3 * batch - 1


def layers_and_inputs():
    convolution = SparseConv2d(thin_(nn.Conv2d(2, 3, 3, stride=2, padding=1), 0.5), (7, 5), positive=True, blocks=True)
    rows = CsrLinear(thin_(nn.Linear(30, 20), 0.3), positive=True)
    return [(small_chain(True, False)[0], normal(3, 30)), (convolution, normal(3, 2, 7, 5)), (rows, normal(3, 30))]


@pytest.mark.parametrize(("layer", "x"), layers_and_inputs(), ids=["chain", "convolution", "rows"])
def test_layers_are_copied_pickled_loaded_and_exported(layer, x):
    again = pickle.loads(pickle.dumps(layer))
    again.load_state_dict(copy.deepcopy(layer).state_dict())
    assert again(x).equal(layer(x))
    size = {0: torch.export.Dim("batch", min=1)}
    program = torch.export.export(layer, (x,), dynamic_shapes=(size,))
    content = io.BytesIO()
    torch.export.save(program, content)
    content.seek(0)
    assert torch.export.load(content).module()(x[:2]).equal(layer(x[:2]))


def test_torch_compiles_layers_whole():
    """In a process of its own: torch.compile cannot look through the checks of types that tests run with."""
    subprocess.run([sys.executable, "-c", COMPILED], check=True)


def test_a_copy_has_numbers_of_its_own():
    layer, x = small_chain(True, False)[0], normal(1, 30)
    before, other = layer(x), copy.deepcopy(layer)
    other.values.zero_()
    assert layer(x).equal(before)
    assert not other(x).equal(before)


@pytest.mark.parametrize(("layer", "x"), layers_and_inputs(), ids=["chain", "convolution", "rows"])
def test_torch_finds_the_operators_in_order(layer, x):
    buffers = list(layer.buffers())
    if isinstance(layer, CsrLinear):
        opcheck(torch.ops.tombola.csr_linear.default, (x, *buffers))
    elif isinstance(layer, SparseChain):
        opcheck(torch.ops.tombola.sparse_chain.default, (x, layer.inputs, layer.layers, *buffers))
    else:
        given = (x, layer.inputs, layer.geometry, layer.positive, layer.size, *buffers)
        opcheck(torch.ops.tombola.sparse_convolution.default, given)


@pytest.mark.parametrize(("layer", "x"), layers_and_inputs(), ids=["chain", "convolution", "rows"])
def test_other_numbers_in_place_of_their_own(layer, x):
    layer, before = copy.deepcopy(layer), layer(x)
    zeros = {name: torch.zeros_like(value) if name == "values" else value for name, value in layer.state_dict().items()}
    assert layer(x).equal(before)
    made = torch.func.functional_call(layer, zeros, (x,))
    assert not made.equal(before)
    assert layer(x).equal(before)
    layer.load_state_dict(zeros, assign=True)
    assert layer(x).equal(made)


def test_no_images():
    images = SparseConv2d(thin_(nn.Conv2d(2, 3, 3), 0.5), (6, 6), positive=False, blocks=False)
    assert images(normal(0, 2, 6, 6)).shape == (0, 3, 4, 4)


def test_images_of_another_size_are_refused_by_the_operator_too():
    images = SparseConv2d(nn.Conv2d(2, 3, 3), (6, 6), positive=False, blocks=False)
    plan = images.inputs, images.geometry, images.positive, images.size
    for shape in ((1, 1, 6, 6), (1, 2, 7, 6)):
        with pytest.raises(ValueError, match=r"images of \[2, 6, 6\]"):
            torch.ops.tombola.sparse_convolution(normal(*shape), *plan, *images.buffers())


def test_what_they_cannot_take_is_refused():
    sparse = small_chain(True, False)[0]
    with pytest.raises(TypeError, match=r"float32 on the CPU, got torch\.float64"):
        sparse(normal(1, 30).double())
    with pytest.raises(ValueError, match="inputs have 31 numbers each, the first layer takes 30"):
        sparse(normal(1, 31))
    with pytest.raises(RuntimeError, match="for inference"):
        sparse(normal(1, 30).requires_grad_())
    with torch.no_grad():
        sparse(normal(1, 30).requires_grad_())
    with pytest.raises(TypeError, match=r"not in torch\.float16"):
        sparse.half()(normal(1, 30))
    images = SparseConv2d(nn.Conv2d(2, 3, 3), (6, 6), positive=False, blocks=False)
    with pytest.raises(ValueError, match=r"images of \[2, 6, 6\]"):
        images(normal(1, 2, 7, 6))


def test_relu_keeps_nan():
    layer = nn.Linear(1, 1)
    for batch in (1, 8):
        x = torch.full((batch, 1), float("nan"))
        assert SparseChain([layer], [True], [False])(x).isnan().all()
        assert functional.relu(layer(x)).isnan().all()


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("positive", [True, False])
def test_compressed_rows(positive, bias):
    layer = thin_(nn.Linear(30, 20, bias=bias), 0.3)
    rows = CsrLinear(layer, positive=positive)
    for shape in ((1, 30), (0, 30), (7, 30), (2, 3, 30), (30,)):
        wanted = layer(normal(*shape))
        torch.testing.assert_close(rows(normal(*shape)), wanted.relu() if positive else wanted, **CLOSE)
    with pytest.raises(RuntimeError, match="for inference"):
        rows(normal(1, 30).requires_grad_())
