"""A compiled network does what the masked one does, in every form, and runs a form only where it was faster."""

import copy
import json
import pickle

import pytest
import torch
from tests.deploy.networks import Net, drawing, fill_, random_masks
from torch import nn

from tombola import models
from tombola.deploy import _choices, _compile, compile
from tombola.isolation import torch_threads
from tombola.masks import bake_
from tombola.select import blocks

SIZES = {
    "lenet-300-100": (1, 8, 8),
    "lenet-5": (1, 8, 8),
    "conv-2x0.1": (3, 8, 8),
    "conv-6x0.1": (3, 16, 16),
    "vgg-16x0.05": (3, 32, 32),
    "resnet-20x0.25": (3, 8, 8),
    "resnet-18x0.05": (3, 64, 64),
    "resnet-50x0.05": (3, 64, 64),
    "univariate-polynomialx0.2": (1, 8, 8),
}


def masked_net(name, density, *, example):
    generator = torch.Generator().manual_seed(0)
    net = models.build(name, input_shape=example.shape[1:], classes=10, generator=generator)
    for value in net.buffers():
        if value.is_floating_point():
            value.uniform_(0.5, 1.5, generator=generator)
    named = dict(net.named_parameters())
    masks = {key: torch.rand(v.shape, generator=generator) < density for key, v in named.items() if v.ndim > 1}
    return net, masks


def answers(net, masks, x):
    masked = copy.deepcopy(net).eval()
    bake_(masked, masks)
    with torch.no_grad():
        return masked(x)


def agree(one, other):
    scale = other.abs().max().clamp(1e-30)
    torch.testing.assert_close(one / scale, other / scale, rtol=0, atol=1e-5)


@pytest.fixture
def said(monkeypatch):
    """What masked, compacted and sparse networks are said to take, and layers dense, sparse and in other ways."""

    def say(*milliseconds, layers=(3.0, 1.0, 2.0, 4.0)):
        def rounds(networks, inputs):
            for network in networks:
                network(inputs)
            if len(networks) == 3:
                return [[each] * 6 for each in milliseconds]
            return [[milliseconds[0]] * 6, [min(milliseconds)] * 6]

        def turns(functions, *, rounds, seconds):
            for function in functions:
                function()
            return [[each] * 6 for each in ([0.5] if len(functions) == 1 else layers[: len(functions)])]

        monkeypatch.setattr(_compile, "_rounds", rounds)
        monkeypatch.setattr(_choices, "turns", turns)

    return say


@pytest.mark.usefixtures("unchecked")
@pytest.mark.parametrize("name", SIZES)
@pytest.mark.parametrize("batch", [1, 5])
def test_networks_of_sparse_layers_alone(name, batch, said):
    said(3.0, 2.0, 1.0)
    example = torch.zeros(1, *SIZES[name])
    net, masks = masked_net(name, 0.3, example=example)
    deployed = compile(net, masks, example, batches=[1])
    assert deployed.speeds[0].form == "sparse"
    assert all(layout.chosen != "dense" for layout in deployed.layouts)
    x = torch.randn(batch, *SIZES[name], generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        agree(deployed(x), answers(net, masks, x))


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize("layers", [(3.0, 1.0, 2.0, 4.0), (4.0, 3.0, 1.0, 2.0)], ids=["sparse", "blocks"])
def test_random_networks(layers, seed, said):
    said(3.0, 2.0, 1.0, layers=layers)
    generator = torch.Generator().manual_seed(seed)
    net = Net(drawing(generator)).eval()
    fill_(net, generator)
    masks = random_masks(net, generator)
    deployed = compile(net, masks, torch.zeros(1, 3, 6, 6), batches=[1])
    x = torch.randn(3, 3, 6, 6, generator=generator)
    with torch.no_grad():
        agree(deployed(x), answers(net, masks, x))


@pytest.mark.parametrize(
    ("milliseconds", "form"), [((1.0, 2.0, 3.0), "masked"), ((2.0, 1.0, 1.5), "compacted"), ((1.0, 1.0, 1.0), "masked")]
)
def test_what_is_not_faster_does_not_run(milliseconds, form, said):
    said(*milliseconds)
    example = torch.zeros(1, 1, 8, 8)
    net, masks = masked_net("lenet-300-100", 0.1, example=example)
    deployed = compile(net, masks, example, batches=[4])
    (speed,) = deployed.speeds
    assert (speed.batch, speed.form) == (4, form)
    assert speed.ratio.median == milliseconds[0] / milliseconds[("masked", "compacted").index(form)]
    with torch.no_grad():
        agree(deployed(torch.ones(2, 1, 8, 8)), answers(net, masks, torch.ones(2, 1, 8, 8)))


def test_each_size_of_batches_runs_its_own_form(tmp_path, said):
    said(3.0, 2.0, 1.0)
    example = torch.zeros(1, 1, 8, 8)
    net, masks = masked_net("lenet-300-100", 0.1, example=example)
    path = tmp_path / "choices.json"
    both = compile(net, masks, example, batches=[1, 8], cache=path)
    assert len(both.forms) == 1
    content = json.loads(path.read_bytes())
    content["answer"]["batches"][1]["form"] = "masked"
    path.write_text(json.dumps(content))
    chosen = compile(net, masks, example, batches=[1, 8], cache=path)
    ran = []
    for place, form in enumerate(chosen.forms):
        form.forward = lambda x, place=place: ran.append(place) or x
    for batch in (1, 7, 8, 100):
        chosen(torch.zeros(batch, 1, 8, 8))
    assert ran == [0, 0, 1, 1]


def test_what_was_measured_is_not_measured_again(monkeypatch, tmp_path, said):
    said(3.0, 2.0, 1.0)
    example, path = torch.zeros(1, 3, 16, 16), tmp_path / "choices.json"
    net, masks = masked_net("conv-6x0.1", 0.1, example=example)
    first = compile(net, masks, example, batches=[4, 1], cache=path)
    with monkeypatch.context() as patch:
        patch.delattr(_choices, "turns")
        patch.delattr(_compile, "_rounds")
        again = compile(net, masks, example, batches=[1, 4], cache=path)
    assert str(again) == str(first)
    assert (again.speeds, again.layouts) == (first.speeds, first.layouts)


@pytest.mark.parametrize("changed", ["masks", "network", "batches", "threads", "example"])
def test_another_question_is_measured(changed, tmp_path, said):
    said(3.0, 2.0, 1.0)
    example, path, batches, threads = torch.zeros(1, 1, 8, 8), tmp_path / "choices.json", [1], 1
    net, masks = masked_net("lenet-300-100", 0.1, example=example)
    with torch_threads(threads):
        compile(net, masks, example, batches=batches, cache=path)
    before = json.loads(path.read_bytes())
    if changed == "masks":
        masks["fc2.weight"][0] ^= True
    elif changed == "network":
        net.fc2.weight.data[:, 0] = 0.0
    elif changed == "batches":
        batches = [2]
    elif changed == "threads":
        threads = 2
    else:
        example = torch.zeros(1, 1, 4, 16)
    with torch_threads(threads):
        found = compile(net, masks, example, batches=batches, cache=path)
    after = json.loads(path.read_bytes())
    assert before["question"] != after["question"]
    assert after["answer"] == json.loads(json.dumps(found.to_json()))


def test_a_form_that_was_faster_by_chance_does_not_run(monkeypatch):
    answers = [[[2.0] * 6, [1.0] * 6, [3.0] * 6], [[2.0] * 6, [2.0, 1.0] * 3]]
    monkeypatch.setattr(_compile, "_rounds", lambda networks, inputs: answers.pop(0))
    example = torch.zeros(1, 1, 8, 8)
    net, masks = masked_net("lenet-300-100", 0.1, example=example)
    (speed,) = compile(net, masks, example, batches=[1]).speeds
    assert (speed.form, speed.ratio.median, speed.deployed) == ("masked", 1.0, speed.dense)
    assert not answers


def test_the_masked_network_is_as_fast_as_itself(monkeypatch):
    answers = [[[1.0] * 6, [2.0] * 6, [3.0] * 6], [[2.0] * 6, [1.0] * 6]]
    monkeypatch.setattr(_compile, "_rounds", lambda networks, inputs: answers.pop(0))
    example = torch.zeros(1, 1, 8, 8)
    net, masks = masked_net("lenet-300-100", 0.1, example=example)
    (speed,) = compile(net, masks, example, batches=[1]).speeds
    assert (speed.form, speed.ratio.median, speed.deployed) == ("masked", 1.0, speed.dense)


def test_layers_are_joined_where_one_call_is_faster(monkeypatch):
    def turns(functions, *, rounds, seconds):
        return [[1.0] * 6 if len(functions) == 1 else [0.6 + 0.1 * place] * 6 for place in range(len(functions))]

    monkeypatch.setattr(_choices, "turns", turns)
    example = torch.zeros(1, 1, 8, 8)
    net, masks = masked_net("lenet-300-100", 0.1, example=example)
    deployed = compile(net, masks, example, batches=[1])
    assert [layout.chosen for layout in deployed.layouts] == ["sparse", "joined", "joined"]


def test_layers_run_in_compressed_rows_where_these_are_faster(monkeypatch, tmp_path):
    def turns(functions, *, rounds, seconds):
        return [[9.0] * 6] if len(functions) == 1 else [[3.0] * 6, [2.0] * 6, [1.0] * 6][: len(functions)]

    monkeypatch.setattr(_choices, "turns", turns)
    monkeypatch.setattr(_compile, "_rounds", lambda networks, _: [[9.0 - k] * 6 for k in range(len(networks))])
    example = torch.zeros(1, 3, 16, 16)
    net, masks = masked_net("conv-2x0.1", 0.1, example=example)
    path = tmp_path / "choices.json"
    deployed = compile(net, masks, example, batches=[1], cache=path)
    assert [layout.chosen for layout in deployed.layouts] == ["sparse", "sparse", "csr", "csr", "csr"]
    x = torch.randn(3, 3, 16, 16, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        agree(deployed(x), answers(net, masks, x))
        again = compile(net, masks, example, batches=[1], cache=path)
        assert str(again) == str(deployed)


@pytest.mark.usefixtures("unchecked")
@pytest.mark.parametrize("name", SIZES)
def test_networks_in_blocks(name, tmp_path, said):
    said(3.0, 2.0, 1.0, layers=(4.0, 3.0, 1.0, 2.0))
    example = torch.zeros(1, *SIZES[name])
    net, masks = masked_net(name, 0.3, example=example)
    weights = {key: net.get_parameter(key).detach().abs() for key in masks}
    masks = blocks(4, 4)(weights, {key: max(min(16, each.numel()), each.numel() // 5) for key, each in weights.items()})
    deployed = compile(net, masks, example, batches=[1, 5], cache=tmp_path / "choices.json")
    chosen = {layout.chosen for layout in deployed.layouts if "blocks" in layout.milliseconds}
    assert {"blocks"} <= chosen <= {"blocks", "joined"}
    again = compile(net, masks, example, batches=[1, 5], cache=tmp_path / "choices.json")
    assert str(again) == str(deployed)
    for batch in (1, 5):
        x = torch.randn(batch, *SIZES[name], generator=torch.Generator().manual_seed(1))
        with torch.no_grad():
            agree(deployed(x), answers(net, masks, x))


def test_blocks_are_tried_where_rows_share_columns(said):
    said(3.0, 2.0, 1.0)
    net, x = nn.Sequential(nn.Linear(64, 64)), torch.zeros(1, 64)
    generator = torch.Generator().manual_seed(0)
    for height, tried in ((1, False), (2, False), (4, True), (16, True)):
        kept = torch.rand(64 // height, 64, generator=generator) < 0.1
        (layout,) = compile(net, {"0.weight": kept.repeat_interleave(height, 0)}, x, batches=[1]).layouts
        assert ("blocks" in layout.milliseconds) is tried


def test_another_activation_is_another_question(tmp_path, said):
    said(3.0, 2.0, 1.0)
    first, second, path = nn.Linear(64, 64), nn.Linear(64, 8), tmp_path / "choices.json"
    masks, example, questions = {"0.weight": torch.eye(64) > 0}, torch.randn(1, 64), []
    for between in (nn.ReLU(), nn.Tanh()):
        net = nn.Sequential(first, between, second)
        with torch.no_grad():
            agree(compile(net, masks, example, batches=[1], cache=path)(example), answers(net, masks, example))
        questions.append(json.loads(path.read_bytes())["question"])
    assert questions[0] != questions[1]


def test_biases_that_decide_what_is_compacted_are_another_question(tmp_path, said):
    said(3.0, 2.0, 1.0)
    net = nn.Sequential(nn.Conv2d(3, 64, 3, padding=1), nn.ReLU(), nn.Conv2d(64, 64, 3, padding=1), nn.ReLU())
    masks = {name: torch.rand(net.get_parameter(name).shape) < 0.4 for name in ("0.weight", "2.weight")}
    masks["0.weight"][8:] = False
    example = torch.randn(1, 3, 8, 8)
    for bias in (-1.0, 1.0):
        net[0].bias.data.fill_(bias)
        deployed = compile(net, masks, example, batches=[1], cache=tmp_path / "choices.json")
        with torch.no_grad():
            agree(deployed(example), answers(net, masks, example))


def test_an_answer_that_was_changed_is_refused(tmp_path, said):
    said(3.0, 2.0, 1.0)
    example, path = torch.zeros(1, 1, 8, 8), tmp_path / "choices.json"
    net, masks = masked_net("lenet-300-100", 0.1, example=example)
    compile(net, masks, example, batches=[1], cache=path)
    content = json.loads(path.read_bytes())
    answer = content["answer"]
    form, layer = answer["batches"][0], answer["layers"][0]
    for wrong in (
        {},
        {**answer, "layers": []},
        {**answer, "batches": [{**form, "form": "other"}]},
        {**answer, "layers": [{**layer, "chosen": "joined"}, *answer["layers"][1:]]},
        {**answer, "layers": [{**layer, "more": 1}, *answer["layers"][1:]]},
    ):
        path.write_text(json.dumps({**content, "answer": wrong}))
        with pytest.raises(ValueError, match="an answer that was changed"):
            compile(net, masks, example, batches=[1], cache=path)


class Told(nn.Module):
    """A model whose answer is no bare tensor, and which names what it gives to its layer."""

    def __init__(self):
        super().__init__()
        self.fc = nn.Linear(8, 4)

    def forward(self, x):
        return {"y": self.fc(input=x), "z": (self.fc.bias,)}


class Packed(nn.Module):
    """One layer, in a tuple."""

    def __init__(self):
        super().__init__()
        self.fc = nn.Linear(8, 4)

    def forward(self, x):
        return (self.fc(x),)


@pytest.mark.parametrize("kind", [Told, Packed])
def test_answers_have_the_form_that_they_had(kind, said):
    said(3.0, 2.0, 1.0)
    net, x = kind().eval(), torch.randn(3, 8)
    masks = {"fc.weight": torch.eye(8)[:4] > 0}
    deployed, wanted = compile(net, masks, torch.zeros(1, 8), batches=[1])(x), answers(net, masks, x)
    torch.testing.assert_close(deployed, wanted)
    assert type(deployed) is type(wanted)


def test_hooks_of_a_network_that_runs_as_it_is_are_called():
    class Branching(nn.Linear):
        def forward(self, x):
            return super().forward(x if x.sum() > 0 else -x)

    net = Branching(8, 4)
    net.register_forward_hook(lambda module, given, made: 2 * made)
    with pytest.warns(UserWarning, match="the model stays as it is"):
        deployed = compile(net, {"weight": torch.eye(8)[:4] > 0}, torch.ones(1, 8), batches=[1])
    with torch.no_grad():
        agree(deployed(torch.ones(2, 8)), answers(net, {"weight": torch.eye(8)[:4] > 0}, torch.ones(2, 8)))


def test_gradients_need_not_be_switched_off(said):
    """Behind a layer that stays dense, whose parameters could have gradients, there is one that is sparse."""
    said(3.0, 2.0, 1.0)
    net, x = nn.Sequential(nn.Linear(8, 8), nn.Tanh(), nn.Linear(8, 4)), torch.ones(3, 8)
    deployed = compile(net, {"2.weight": torch.eye(8)[:4] > 0}, torch.zeros(1, 8), batches=[1])
    assert [layout.layer for layout in deployed.layouts] == ["2"]
    assert not deployed(x).requires_grad
    assert all(value.requires_grad for value in net.parameters())


def test_layers_with_more_than_half_of_their_weights_are_tried_in_one_with_others_only(said):
    said(3.0, 2.0, 1.0)
    example = torch.zeros(1, 3, 16, 16)
    net, masks = masked_net("conv-2x0.1", 0.1, example=example)
    for name in ("conv1.weight", "fc2.weight"):
        masks[name][:] = True
    deployed = compile(net, masks, example, batches=[1])
    assert [layout.layer for layout in deployed.layouts] == ["conv2", "fc1", "fc2", "fc3"]
    for name in ("fc1.weight", "fc3.weight"):
        masks[name][:] = True
    deployed = compile(net, masks, example, batches=[1])
    assert [layout.layer for layout in deployed.layouts] == ["conv2"]


def test_the_real_clock_on_a_layer_that_is_nearly_empty():
    """Only that something is chosen, and that it agrees: how fast it is depends on the machine."""
    example = torch.zeros(1, 1, 8, 8)
    net, masks = masked_net("lenet-300-100", 0.02, example=example)
    deployed = compile(net, masks, example, batches=[1, 16])
    assert [speed.batch for speed in deployed.speeds] == [1, 16]
    for speed in deployed.speeds:
        assert speed.form == "masked" or speed.ratio.low > 1
        assert speed.ratio.low <= speed.ratio.median <= speed.ratio.high
    x = torch.randn(16, 1, 8, 8, generator=torch.Generator().manual_seed(3))
    again = pickle.loads(pickle.dumps(copy.deepcopy(deployed)))
    with torch.no_grad():
        agree(deployed(x), answers(net, masks, x))
        assert again(x).equal(deployed(x))


def test_a_program_of_the_form_for_the_largest_batches(said):
    said(3.0, 2.0, 1.0)
    example = torch.zeros(1, 3, 16, 16)
    net, masks = masked_net("conv-2x0.1", 0.1, example=example)
    deployed = compile(net, masks, example, batches=[1, 4])
    size = {0: torch.export.Dim("batch", min=1)}
    with torch.no_grad():
        program = torch.export.export(deployed, (example.expand(2, -1, -1, -1),), dynamic_shapes=(size,)).module()
        x = torch.randn(5, 3, 16, 16, generator=torch.Generator().manual_seed(1))
        agree(program(x), answers(net, masks, x))


class Untraceable(nn.Module):
    """A forward that depends on its inputs; one layer is called twice, one is read by a module of torch's own."""

    def __init__(self):
        super().__init__()
        self.inner = nn.Sequential(nn.Linear(8, 8), nn.ReLU())
        self.conv = nn.Conv1d(1, 1, 1)
        self.image = nn.Conv2d(1, 1, 3, padding=1)
        self.twice = nn.Linear(8, 8)
        self.layer = nn.TransformerEncoderLayer(8, 2, 8, batch_first=True)
        self.tied = nn.Linear(8, 8)
        self.other = nn.Linear(8, 8)
        self.other.weight = self.tied.weight

    def forward(self, x):
        x = self.inner(x) if x.sum() > 0 else -self.inner(x)
        x = self.image(x[:, None, None])[:, 0]
        x = self.layer(self.twice(self.twice(x)))[:, 0]
        return self.tied(x) + self.other(self.conv(x[:, None])[:, 0])


def test_layers_of_what_cannot_be_traced_are_replaced_where_they_stand(monkeypatch, tmp_path, said):
    said(3.0, 2.0, 1.0)
    monkeypatch.setattr(_compile, "_rounds", lambda networks, _: [[2.0 - k] * 6 for k in range(len(networks))])
    generator, path = torch.Generator().manual_seed(0), tmp_path / "choices.json"
    net = Untraceable().eval()
    masks = {
        name: torch.rand(value.shape, generator=generator) < 0.3
        for name, value in net.named_parameters()
        if value.ndim > 1
    }
    with pytest.warns(UserWarning, match="the model stays as it is"):
        deployed = compile(net, masks, torch.ones(1, 8), batches=[2], cache=path)
    assert [speed.form for speed in deployed.speeds] == ["sparse"]
    assert [layout.layer for layout in deployed.layouts] == ["inner.0", "image"]
    for x in (torch.ones(2, 8), -torch.ones(5, 8)):
        with torch.no_grad():
            agree(deployed(x), answers(net, masks, x))
    with pytest.warns(UserWarning, match="the model stays as it is"):
        again = compile(net, masks, torch.ones(1, 8), batches=[2], cache=path)
    assert str(again) == str(deployed)


def test_the_model_stays_as_it_is():
    example = torch.zeros(1, 1, 8, 8)
    net, masks = masked_net("lenet-300-100", 0.1, example=example)
    before = copy.deepcopy(net.state_dict())
    compile(net.train(), masks, example, batches=[1])
    assert net.training
    for name, value in net.state_dict().items():
        assert value.equal(before[name])


def test_bad_input(tmp_path):
    example = torch.zeros(1, 1, 8, 8)
    net, masks = masked_net("lenet-300-100", 0.1, example=example)
    for batches in ([], [0], [4, -1]):
        with pytest.raises(ValueError, match="sizes of 1 or more"):
            compile(net, masks, example, batches=batches)
    for content in (b"", b"{}", b"[1]", b'{"question": {}', b"\x80"):
        path = tmp_path / "other"
        path.write_bytes(content)
        with pytest.raises(ValueError, match="holds no choices that were measured"):
            compile(net, masks, example, cache=path)
        assert path.read_bytes() == content
    with pytest.raises(FileNotFoundError, match="folder"):
        compile(net, masks, example, batches=[1], cache=tmp_path / "missing" / "choices.json")
    with pytest.raises(ValueError, match=r"fc1\.weight"):
        compile(net, {"fc1.weight": torch.ones(3, 3, dtype=torch.bool)}, example)
