"""Score, allocate, select: by hand, in rounds, on any module, and what is refused."""

import inspect
from functools import partial, wraps
from itertools import pairwise

import pytest
import torch
from torch import nn
from torch.nn.functional import cross_entropy, mse_loss

import tombola
from tombola import scores
from tombola.allocate import erk, pyramid, smart_ratios, uniform
from tombola.masks import attach_, count, kept_count
from tombola.models import build
from tombola.prune import Rounds, cubic, geometric, inverted, linear, prunable, prune
from tombola.scores._linear_copy import LinearCopy
from tombola.select import blocks, channels, n_of_m, top
from tombola.sketch import sketch


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def network(name="mlp:12-16-16-4", shape=(12,)):
    return build(name, input_shape=shape, classes=4, generator=seeded(3))


def batches_of(*shape, count=2, classes=4):
    random = seeded(5)
    return [
        (torch.randn(8, *shape, generator=random), torch.randint(classes, (8,), generator=random)) for _ in range(count)
    ]


def kept_by(masks):
    return {name: int(mask.sum()) for name, mask in masks.items()}


def test_a_tiny_case_by_hand():
    net = nn.Sequential(nn.Linear(2, 2), nn.ReLU(), nn.Linear(2, 1))
    net[0].weight.data = torch.tensor([[1.0, -6.0], [2.0, 3.0]])
    net[2].weight.data = torch.tensor([[-5.0, 4.0]])
    masks = prune(net, score=scores.magnitude, density=0.5)
    assert {name: mask.int().tolist() for name, mask in masks.items()} == {
        "0.weight": [[0, 1], [0, 0]],
        "2.weight": [[1, 1]],
    }
    masks = prune(net, score=scores.magnitude, density=0.5, allocate=uniform)
    assert masks["0.weight"].int().tolist() == [[0, 1], [0, 1]]
    masks = prune(net, score=inverted(scores.magnitude), density=0.5)
    assert masks["0.weight"].int().tolist() == [[1, 0], [1, 1]]


def test_the_call_of_the_package_and_that_of_its_function_are_one():
    net = network()
    select = tombola.sketch(temperature=1.0)
    called = tombola.prune(net, batches_of(12), score=tombola.scores.snip, density=0.2, select=select)
    found = prune(net, batches_of(12), score=scores.snip, density=0.2, select=sketch(temperature=1.0))
    assert all(mask.equal(found[name]) for name, mask in called.items())
    assert inspect.signature(tombola.prune) == inspect.signature(prune)
    assert inspect.signature(tombola.sketch) == inspect.signature(sketch)
    assert tombola.prune.geometric is geometric


@pytest.mark.parametrize("schedule", [geometric, linear, cubic])
def test_masks_of_later_rounds_are_within_those_of_earlier_ones(schedule):
    seen = []

    def spy(model, batches, *, masks, loss, generator):
        seen.append({name: mask.clone() for name, mask in masks.items()})
        return scores.random(model, batches, masks=masks, loss=loss, generator=generator)

    final = prune(network(), score=spy, density=schedule(0.1, 5))
    seen.append(final)
    total = sum(mask.numel() for mask in final.values())
    assert [count(masks) for masks in seen] == [total, *(kept_count(total, rho) for rho in schedule(0.1, 5).densities)]
    for before, after in pairwise(seen):
        assert not any((after[name] & ~before[name]).any() for name in after)


def test_weights_come_back_only_where_they_may():
    """A criterion that turns its order round in the second round."""
    calls = []

    def fickle(model, batches, *, masks, loss, generator):
        calls.append(1)
        sign = 1 if len(calls) % 2 else -1
        return {name: sign * torch.arange(1.0, mask.numel() + 1).view_as(mask) for name, mask in masks.items()}

    net = nn.Linear(4, 1)
    assert prune(net, score=fickle, density=Rounds((0.5, 0.25)))["weight"].tolist() == [[False, False, True, False]]
    revived = prune(net, score=fickle, density=Rounds((0.5, 0.25), revive=True))
    assert revived["weight"].tolist() == [[True, False, False, False]]


@pytest.mark.parametrize("allocate", [uniform, erk, pyramid, smart_ratios])
@pytest.mark.parametrize("density", [0.3, geometric(0.3, 4), linear(0.3, 3)])
def test_every_layer_keeps_what_it_is_allotted(allocate, density):
    net = network()
    shapes = {name: tuple(net.get_parameter(name).shape) for name in prunable(net)}
    masks = prune(net, batches_of(12), score=scores.snip, density=density, allocate=allocate)
    assert kept_by(masks) == allocate(shapes, 0.3)


def test_the_same_generator_gives_the_same_masks_and_another_one_others():
    net = network()
    first, again, other = (prune(net, score=scores.random, density=0.5, generator=seeded(seed)) for seed in (1, 1, 2))
    assert all(mask.equal(again[name]) for name, mask in first.items())
    assert not all(mask.equal(other[name]) for name, mask in first.items())


def test_iterative_snip_of_one_round_is_snip_and_force_without_rounds_too():
    net, batches = network(), batches_of(12)
    wanted = prune(net, batches, score=scores.snip, density=0.2)
    for score, density in ((scores.snip, geometric(0.2, 1)), (scores.force, geometric(0.2, 1, revive=True))):
        found = prune(net, batches, score=score, density=density)
        assert all(mask.equal(found[name]) for name, mask in wanted.items())


def one_after_the_other(score):
    """The criterion under another name, which `prune` has no fast way for."""

    @wraps(score)
    def wrapped(*args, **settings):
        return score(*args, **settings)

    return wrapped


@pytest.mark.parametrize("schedule", [geometric, linear])
@pytest.mark.parametrize(
    ("name", "shape", "options"),
    [
        ("mlp:12-40-30-4", (12,), {}),
        ("conv-2", (1, 8, 8), {"average_pools": True}),
        ("resnet-20", (3, 8, 8), {"scale_norms": True, "loss": mse_loss}),
    ],
)
def test_rounds_of_synflow_at_once_are_those_one_after_the_other(name, shape, options, schedule, monkeypatch):
    net, batches = network(name, shape), batches_of(*shape)
    density, score = schedule(0.05, 10), partial(scores.synflow, **options) if options else scores.synflow
    wanted = prune(net, batches, score=one_after_the_other(score), density=density)
    rounds = []
    real = LinearCopy.narrow
    monkeypatch.setattr(LinearCopy, "narrow", lambda *args: rounds.append(1) or real(*args))
    found = prune(net, batches, score=score, density=density)
    assert rounds
    assert list(found) == list(wanted)
    assert kept_by(found) == kept_by(wanted)
    assert sum(int((found[key] & wanted[key]).sum()) for key in found) >= 0.999 * count(wanted)


@pytest.mark.parametrize(
    "options",
    [
        {"density": 0.1},
        {"density": geometric(0.1, 3), "select": sketch()},
        {"density": geometric(0.1, 3), "allocate": erk},
        {"density": geometric(0.1, 3, revive=True)},
        {"density": geometric(0.1, 3), "score": one_after_the_other(scores.synflow)},
    ],
)
def test_what_the_fast_way_is_not_made_for_goes_the_usual_way(options, monkeypatch):
    monkeypatch.setattr(LinearCopy, "narrow", lambda *args: pytest.fail("the fast way"))
    masks = prune(network(), batches_of(12), **{"score": scores.synflow, **options})
    assert count(masks) == kept_count(sum(mask.numel() for mask in masks.values()), 0.1)


def test_a_loss_that_is_bound_is_the_one_that_counts():
    net, batches = nn.Linear(3, 1), [(torch.eye(3), torch.tensor([[0.0], [9.0], [0.0]]))]
    masks = prune(net, batches, score=partial(scores.snip, loss=mse_loss), density=0.4)
    slopes = torch.autograd.grad(mse_loss(net(batches[0][0]), batches[0][1]), net.weight)[0]
    assert masks["weight"].flatten().tolist() == [i == (net.weight * slopes).abs().argmax() for i in range(3)]


@pytest.mark.parametrize(
    ("select", "structured"), [(n_of_m(2, 4), False), (blocks(4, 4), True), (channels(), True), (sketch(), False)]
)
def test_selections_of_every_kind_in_rounds(select, structured):
    net = network()
    masks = prune(net, batches_of(12), score=scores.snip, density=Rounds((0.5, 0.4, 0.25)), select=select)
    wanted = kept_count(sum(mask.numel() for mask in masks.values()), 0.25)
    assert count(masks) <= wanted
    assert count(masks) > wanted - 16 if structured else count(masks) == wanted


class Residual(nn.Module):
    """A convolution with batch norm and a way around it, a frozen layer, and one matrix in two places."""

    def __init__(self):
        super().__init__()
        self.conv, self.norm = nn.Conv2d(3, 3, 3, padding=1), nn.BatchNorm2d(3)
        self.frozen, self.fc, self.again = nn.Linear(12, 12), nn.Linear(12, 12), nn.Linear(12, 12)
        self.frozen.weight.requires_grad_(False)
        self.again.weight = self.fc.weight

    def forward(self, x):
        hidden = (x + self.norm(self.conv(x)).relu()).flatten(1)
        return self.again(self.fc(self.frozen(hidden).relu()).relu())[:, :4]


@pytest.mark.parametrize("score", [scores.magnitude, scores.snip, scores.grasp, scores.random])
def test_a_model_in_training_with_everything_in_it_stays_as_it_is(score):
    net, batches = Residual().train(), batches_of(3, 2, 2)
    state = {name: value.clone() for name, value in net.state_dict().items()}
    random = torch.get_rng_state()
    masks = prune(net, batches, score=score, density=0.4, generator=seeded())
    assert list(masks) == ["conv.weight", "frozen.weight", "fc.weight"]
    assert count(masks) == kept_count(81 + 144 + 144, 0.4)
    torch.testing.assert_close(dict(net.state_dict()), state, rtol=0, atol=0)
    assert net.training
    assert net.norm.training
    assert all(value.grad is None for value in net.parameters())
    assert torch.get_rng_state().equal(random)


class Logits(nn.Module):
    """A model of transformers whose output is a tensor."""

    def __init__(self, bert):
        super().__init__()
        self.bert = bert

    def forward(self, ids):
        return self.bert(ids).logits


def test_a_language_model_with_tied_embeddings():
    transformers = pytest.importorskip("transformers")
    sizes = {"vocab_size": 20, "hidden_size": 8, "num_hidden_layers": 1, "num_attention_heads": 2}
    config = transformers.BertConfig(**sizes, intermediate_size=16, max_position_embeddings=6)
    net = Logits(transformers.BertForMaskedLM(config))
    ids = torch.randint(20, (4, 6), generator=seeded())
    loss = lambda logits, y: cross_entropy(logits.flatten(0, 1), y.flatten())  # noqa: E731
    masks = prune(net, [(ids, ids)], score=partial(scores.snip, loss=loss), density=0.3)
    assert not [name for name in masks if "embeddings" in name or "LayerNorm" in name or name.endswith("bias")]
    assert count(masks) == kept_count(sum(mask.numel() for mask in masks.values()), 0.3)
    attach_(net, masks)
    assert net(ids).shape == (4, 6, 20)
    assert "bert.bert.embeddings.word_embeddings.weight" in prunable(net, only=["*embeddings*", "*encoder*"])


def test_names_by_patterns():
    net = nn.Sequential(nn.Embedding(5, 4), nn.Linear(4, 4), nn.LayerNorm((3, 4)), nn.Conv1d(3, 2, 1))
    assert prunable(net) == ["1.weight", "3.weight"]
    assert prunable(net, only=["*"]) == ["0.weight", "1.weight", "3.weight"]
    assert prunable(net, only=["[13].*"], exclude=["3*"]) == ["1.weight"]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"density": 0.0}, "lies in"),
        ({"density": 1.5}, "lies in"),
        ({"names": ["fc9.weight"]}, "'fc9.weight' is no parameter"),
        ({"names": []}, "nothing to prune"),
        ({"batches": []}, "there are no batches"),
        ({"batches": [(torch.full((2, 12), torch.nan), torch.tensor([0, 1]))]}, "loss of batch 0 is nan"),
        ({"batches": [(torch.zeros(2, 12, device="meta"), torch.zeros(2, device="meta").long())]}, "meta"),
        ({"score": lambda model, batches, *, masks, loss, generator: {}}, "the criterion scores"),
        ({"score": lambda model, batches, *, masks, loss, generator: masks}, "wanted numbers of shape"),
        (
            {"score": lambda model, batches, *, masks, loss, generator: {n: m / 0.0 for n, m in masks.items()}},
            "not all finite",
        ),
        ({"select": lambda found, kept, *, generator: {}}, "other names or shapes"),
        ({"select": lambda found, kept, *, generator: top(found, 0)}, "keeps 0 weights, and 51 were"),
        ({"select": lambda found, kept, *, generator: top(found, kept + 1)}, "keeps 52 weights, and 51 were"),
    ],
)
def test_what_makes_no_sense_is_refused(options, said):
    call = {"batches": batches_of(12), "score": scores.snip, "density": 0.1, **options}
    with pytest.raises(ValueError, match=said):
        prune(network(), **call)


def test_a_selection_that_revives_is_refused():
    def first(found, kept, *, generator):
        return top({name: -score.nan_to_num(neginf=-9e9) for name, score in found.items()}, kept)

    with pytest.raises(ValueError, match="that an earlier round has pruned"):
        prune(network(), score=scores.magnitude, density=geometric(0.1, 2), select=first)


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: Rounds(()), "no rounds"),
        (lambda: Rounds((0.1, 0.2)), "must not rise"),
        (lambda: geometric(0.1, 0), "at least 1"),
        (lambda: cubic(0.0, 2), "lies in"),
        (lambda: prunable(nn.Linear(2, 2), only=["fc*"]), r"'fc\*' matches no weight; there are weight"),
        (lambda: prunable(nn.Linear(2, 2), exclude=["weight"]), "nothing to prune"),
        (lambda: prunable(nn.BatchNorm1d(3)), "nothing to prune"),
    ],
)
def test_rounds_and_patterns_that_make_no_sense(call, said):
    with pytest.raises(ValueError, match=said):
        call()


def test_a_score_of_zeros_can_be_inverted():
    net = nn.Linear(4, 2)
    net.weight.data.zero_()
    assert count(prune(net, score=inverted(scores.magnitude), density=0.5)) == 4


@pytest.mark.gpu
def test_masks_are_on_the_device_of_the_model():
    net, batches = network(), batches_of(12)
    here = prune(net, batches, score=scores.random, density=0.2, generator=seeded(), select=sketch())
    there = prune(net.cuda(), batches, score=scores.random, density=0.2, generator=seeded(), select=sketch())
    assert all(mask.is_cuda for mask in there.values())
    assert all(mask.cpu().equal(here[name]) for name, mask in there.items())
