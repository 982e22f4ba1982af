import inspect
import logging
import subprocess
import sys
from typing import get_args

import onnx
import onnxruntime
import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import nn
from torch.nn import functional
from torch.testing import assert_close

from tombola import models
from tombola.deploy import export
from tombola.deploy._export import Form, _format
from tombola.deploy._onnx import onnx_bytes
from tombola.deploy._program import program_bytes
from tombola.masks import apply, bake_
from tombola.ticket import Ticket, load_ticket
from tombola.training import reestimate_batch_norm_

SHAPES = {
    "conv-2x0.25": (3, 32, 32),
    "tests.deploy.test_onnx_export:resnet_8": (3, 32, 32),
}
pytestmark = pytest.mark.usefixtures("unchecked")
WEIGHTS = ("0.weight", "4.weight")


def resnet_8():
    """The shortest residual network of its kind."""
    return models.cifar_resnet(8, width=0.5, generator=torch.Generator().manual_seed(0))


def lively(name, shape, density, generator):
    """A network, random masks of its weights and a batch, with kept weights so large that outputs are not constant."""
    net = models.build(name, generator=generator)
    weights = {key: value for key, value in net.named_parameters() if len(value) > 1 and value[0].numel() > 1}
    masks = {key: torch.rand(value.shape, generator=generator) < density for key, value in weights.items()}
    with torch.no_grad():
        for value in weights.values():
            value *= 4 / density**0.5
    x = torch.randn(64, *shape, generator=generator)
    bake_(net, masks)
    reestimate_batch_norm_(net, x)
    return net, masks, x


def runtime(path):
    """What stock ONNX Runtime computes with a file."""
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    (taken,), (given,) = session.get_inputs(), session.get_outputs()
    return lambda x: torch.from_numpy(session.run([given.name], {taken.name: x.numpy()})[0])


def assert_same_function(found, net, x):
    """Within 1e-4 of the largest output, at three sizes of a batch, on outputs that depend on the input."""
    with torch.no_grad():
        wanted = net.eval()(x)
    largest = float(wanted.abs().max())
    assert float(wanted.std(0).max()) > 0.01 * largest
    for rows in (1, 3, 64):
        assert_close(found(x[:rows]), wanted[:rows], rtol=0, atol=1e-4 * largest)


@pytest.mark.parametrize(("name", "shape"), SHAPES.items())
def test_saved_loaded_and_exported_it_is_the_same_function(name, shape, generator, tmp_path):
    net, masks, x = lively(name, shape, 0.2, generator)
    Ticket.from_masks(net, masks).save(tmp_path / "net.ticket")
    save_file(net.state_dict(), tmp_path / "net.safetensors")
    loaded = models.build(name, generator=torch.Generator())
    loaded.load_state_dict(load_file(tmp_path / "net.safetensors"))
    wanted = {key: mask for key, mask in load_ticket(tmp_path / "net.ticket").masks().items() if key in masks}
    record = export(loaded, wanted, x[:1], tmp_path / "net.onnx", form="sparse")
    assert record.form == "sparse"
    assert record.size == (tmp_path / "net.onnx").stat().st_size
    assert record.ratio == record.dense_size / record.size > 1.5
    assert record.error < 1e-4
    assert_same_function(runtime(tmp_path / "net.onnx"), net, x)


@pytest.fixture(scope="module")
def pruned():
    """A small convolutional network whose third channel nobody reads, its masks and inputs."""
    generator = torch.Generator().manual_seed(0)
    net = nn.Sequential(
        nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.ReLU(), nn.Flatten(), nn.Linear(288, 20), nn.ReLU(), nn.Linear(20, 4)
    ).eval()
    masks = {name: torch.rand(net.get_parameter(name).shape, generator=generator) < 0.2 for name in WEIGHTS}
    masks["4.weight"][:, 2 * 36 : 3 * 36] = False
    bake_(net, masks)
    return net, masks, torch.randn(64, 3, 8, 8, generator=generator)


@pytest.fixture(scope="module")
def exported(pruned, tmp_path_factory):
    """Records of that network in each form; made once."""
    net, masks, x = pruned
    folder = tmp_path_factory.mktemp("exported")
    return {form: export(net, masks, x[:1], folder / f"{form}.onnx", form=form) for form in get_args(Form)}


def test_each_form_is_smaller_than_the_one_before_and_the_same_function(pruned, exported):
    sizes = [exported[form].size for form in ("masked", "compacted", "sparse")]
    assert sizes == sorted(sizes, reverse=True)
    assert sizes[0] - sizes[1] >= 4 * (27 + 1 + 36 * 20)  # a channel with its bias and what read it
    assert {record.dense_size for record in exported.values()} == {sizes[0]}
    for form, record in exported.items():
        assert record.form == form
        assert_same_function(runtime(record.path), pruned[0], pruned[2])


def test_what_is_sparse_is_stored_by_places_and_is_no_input(pruned, exported):
    model, layer = onnx.load(exported["sparse"].path), pruned[0][4]
    onnx.checker.check_model(model)
    sparse = {one.values.name: one for one in model.graph.sparse_initializer}
    dense = {one.name for one in model.graph.initializer}
    assert [one.name for one in model.graph.input] == ["input"]
    assert model.graph.input[0].type.tensor_type.shape.dim[0].dim_param == "batch"
    assert "4.weight" in sparse
    assert "6.weight" in dense
    assert not sparse.keys() & dense
    kept = layer.weight.detach().unflatten(1, (8, 36))[:, [0, 1, 3, 4, 5, 6, 7]].flatten(1)
    places = onnx.numpy_helper.to_array(sparse["4.weight"].indices)
    values = onnx.numpy_helper.to_array(sparse["4.weight"].values)
    assert list(sparse["4.weight"].dims) == [20, 7 * 36]
    assert places.tolist() == kept.flatten().nonzero().flatten().tolist()
    assert_close(torch.from_numpy(values.copy()), kept[kept != 0])


def test_a_file_says_nothing_of_the_machine_and_is_the_same_each_time(pruned, exported):
    net, _, x = pruned
    again = onnx_bytes(net, x[:1])
    assert exported["masked"].path.read_bytes() == again
    assert not any(b"site-packages" in content for content in (again, program_bytes(net, x[:1])))


def test_a_program_needs_torch_alone(pruned, tmp_path):
    net, masks, x = pruned
    record = export(net, masks, x[:1], tmp_path / "net.pt2")
    assert record.error < 1e-6
    assert record.size < record.dense_size
    save_file({"x": x}, tmp_path / "x.safetensors")
    script = (
        "import sys, torch\nfrom safetensors.torch import load_file, save_file\n"
        "x, forward = load_file('x.safetensors')['x'], torch.export.load('net.pt2').module()\n"
        "save_file({str(rows): forward(x[:rows]).detach() for rows in (1, 3, 64)}, 'y.safetensors')\n"
        "assert 'tombola' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", script], cwd=tmp_path, check=True, capture_output=True)
    outputs = load_file(tmp_path / "y.safetensors")
    assert_same_function(lambda batch: outputs[str(len(batch))], net, x)


class Untraceable(nn.Module):
    """A forward that torch.fx cannot follow, and torch.export can."""

    def __init__(self):
        super().__init__()
        self.first, self.last = nn.Linear(6, 30), nn.Linear(30, 2)

    def forward(self, x):
        return self.last(self.first(x).relu() if x.shape[1] > 3 else self.first(x))


def test_what_torch_fx_cannot_trace_is_exported_whole(generator, tmp_path):
    net, x = Untraceable(), torch.randn(64, 6, generator=generator)
    masks = {"first.weight": torch.rand(30, 6, generator=generator) < 0.1}
    with pytest.warns(UserWarning, match=r"stays as it is: torch\.fx cannot trace"):
        record = export(net, masks, x[:1], tmp_path / "net.pt2")
    assert record.form == "compacted"
    bake_(net, masks)
    forward = torch.export.load(tmp_path / "net.pt2").module()
    assert_same_function(lambda batch: forward(batch).detach(), net, x)


class Writes(nn.Module):
    """A forward that writes into a result, which no network without dead channels can be made of."""

    def __init__(self):
        super().__init__()
        self.first, self.last = nn.Linear(3, 3), nn.Linear(3, 2)
        with torch.no_grad():
            self.first.bias.fill_(-1.0)
            self.last.weight.fill_(1.0)

    def forward(self, x):
        x = self.first(x)
        functional.relu(x.view(-1, 3), inplace=True)
        return self.last(x)


def test_where_channels_cannot_go_the_masked_form_is_written_and_said_to_be(tmp_path):
    net, masks = Writes(), {"first.weight": torch.zeros(3, 3, dtype=torch.bool)}
    with pytest.warns(UserWarning, match=r"masked form is written, since there is no compacted one.*writes into"):
        record = export(net, masks, torch.zeros(1, 3), tmp_path / "net.onnx")
    assert (record.form, record.ratio) == ("masked", 1.0)
    bake_(net, masks)
    x = torch.randn(5, 3)
    assert_close(runtime(tmp_path / "net.onnx")(x), net(x).detach())


class Branching(nn.Module):
    def forward(self, x):
        return x if x.sum() > 0 else -x


class OneSize(nn.Module):
    def forward(self, x):
        return x.reshape(2, -1)


class Unspeakable(nn.Module):
    def forward(self, x):
        return torch.linalg.svdvals(x.unflatten(1, (2, 3)))


@pytest.mark.parametrize(
    ("net", "suffix", "said"),
    [
        (Branching(), "onnx", "torch cannot export the network for batches of any size: "),
        (Branching(), "pt2", "torch cannot export the network for batches of any size: "),
        (OneSize(), "onnx", "torch cannot export the network for batches of any size: "),
        (Unspeakable(), "onnx", "torch cannot write the network as ONNX: "),
        (nn.Linear(5, 2), "onnx", r"does not take a batch of torch.float32 of shape \(2, 6\): "),
        (nn.LSTM(6, 2), "onnx", "gives tuple for a batch; only one tensor"),
    ],
)
def test_what_cannot_be_exported_is_one_error_and_leaves_the_old_file(net, suffix, said, tmp_path, capfd):
    path = tmp_path / f"net.{suffix}"
    path.write_bytes(b"old")
    with pytest.raises(ValueError, match=said) as raised:
        export(net, {}, torch.zeros(2, 6), path)
    assert "\n" not in str(raised.value)
    assert [one.name for one in tmp_path.iterdir()] == [path.name]
    assert path.read_bytes() == b"old"
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(
    "spoiled",
    [
        lambda forward: lambda x: 1.001 * forward(x),
        lambda forward: lambda x: torch.where((x > 2).any(1, keepdim=True), torch.nan, forward(x)),
        lambda forward: lambda x: forward(x)[:1],
        lambda forward: lambda x: forward(x) if len(x) < 7 else 0 * forward(x),
    ],
)
def test_what_computes_something_else_is_not_written(spoiled, pruned, tmp_path, monkeypatch):
    net, masks, x = pruned
    formats = inspect.unwrap(export).__globals__["FORMATS"]  # of the module as it is, also if it was imported twice
    write, read = formats[".pt2"]
    monkeypatch.setitem(formats, ".pt2", (write, lambda content: spoiled(read(content))))
    flat = nn.Sequential(nn.Unflatten(1, (3, 8, 8)), *net)
    masks = {f"{int(key[0]) + 1}{key[1:]}": mask for key, mask in masks.items()}
    with pytest.raises(ValueError, match=r"was not written: .* and 0.0001 is allowed"):
        export(flat, masks, x[:1].flatten(1), tmp_path / "net.pt2")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("name", "form", "said"),
    [
        ("net.pth", "masked", r"ends in '.pth'; give a name in .onnx, or in .pt2"),
        ("net", "masked", r"ends in ''"),
        ("net.pt2", "sparse", "no sparse form; take compacted, or write to .onnx"),
        ("net.onnx", "dense", "there is no form 'dense'; forms are masked, compacted, sparse"),
    ],
)
def test_what_is_no_format_or_form_is_refused(name, form, said, tmp_path):
    with pytest.raises(ValueError, match=said):
        _format(tmp_path / name, form)


def test_without_the_extra_onnx_is_an_error_and_programs_work(pruned, tmp_path, monkeypatch):
    net, masks, x = pruned
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(ImportError, match=r"pip install 'tombola\[onnx\]'"):
        export(net, masks, x[:1], tmp_path / "net.onnx")
    assert export(net, masks, x[:1], tmp_path / "net.pt2").form == "compacted"


def test_a_network_of_integers_and_one_without_masks_are_exported(generator, tmp_path):
    words = torch.randint(0, 12, (64, 5), generator=generator)
    net = nn.Sequential(nn.Embedding(12, 6), nn.Flatten(), nn.Linear(30, 3))
    assert export(net, {}, words, tmp_path / "net.onnx", form="masked").error < 1e-4
    assert_same_function(runtime(tmp_path / "net.onnx"), net, words)


def test_neither_the_model_nor_anything_global_is_changed(tmp_path, untouched):
    net = models.build("mlp:6-9-2", generator=torch.Generator())
    masks = {"fc1.weight": torch.eye(9, 6).bool()}
    before, level = {key: value.clone() for key, value in net.state_dict().items()}, logging.root.manager.disable
    export(net, masks, torch.zeros(1, 6), tmp_path / "net.onnx", form="masked")
    assert net.training
    assert_close(net.state_dict(), before)
    assert logging.root.manager.disable == level


def test_masks_are_applied_to_a_network_that_has_other_values_there(generator, tmp_path):
    net, x = nn.Sequential(nn.Linear(6, 9), nn.Tanh(), nn.Linear(9, 2)), torch.randn(64, 6, generator=generator)
    masks = {"0.weight": torch.rand(9, 6, generator=generator) < 0.5}
    export(net, masks, x[:1], tmp_path / "net.pt2")
    masked = apply(masks, dict(net.named_parameters()))
    found = torch.export.load(tmp_path / "net.pt2").module()
    with torch.no_grad():
        assert_close(found(x), torch.func.functional_call(net, masked, x))
