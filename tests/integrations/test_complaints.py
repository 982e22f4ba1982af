"""What users of pruning tools complain about most, one test each, in the trainers that they use."""

import copy
import gc

import lightning.pytorch as pl
import pytest
import torch
from tests.integrations.trainers import (
    DIGITS,
    IMAGES,
    WARNINGS,
    Look,
    Net,
    Watch,
    bert,
    bits,
    is_pruned,
    lightning_fit,
    lightning_trainer,
    random_masks,
    seeded,
    transformers_trainer,
)
from torch import nn
from transformers import BertForSequenceClassification

from tombola import imp, masks, models, schedules
from tombola.integrations import lightning, transformers
from tombola.isolation import isolated_random_state
from tombola.training import Trainer, adam, evaluate, keep_pruned_, load_model, save_model

pytestmark = [pytest.mark.filterwarnings(line) for line in WARNINGS]


def by_lightning(folder):
    def train(model, kept, *, start, stop, generator):
        module = copy.deepcopy(model)
        with isolated_random_state(generator):
            hooks = [lightning.KeepPruned(kept)]
            lightning_trainer(folder, *hooks, max_epochs=-1, max_steps=stop - start, num_sanity_val_steps=0).fit(module)
        module.trainer = None
        return module

    return train


def by_transformers(folder):
    def train(model, kept, *, start, stop, generator):
        copied, seed = copy.deepcopy(model), int(torch.randint(2**31, (), generator=generator))
        keep = transformers.KeepPruned(kept)
        transformers_trainer(folder, copied, keep, max_steps=stop - start, seed=seed).train()
        return copied

    return train


TRAINERS = {
    "own": (lambda folder: Trainer(DIGITS, steps=12), lambda: models.build("mlp:64-20-10", generator=seeded())),
    "lightning": (by_lightning, Net),
    "transformers": (by_transformers, bert),
}
OPTIMISERS = {
    "momentum": lambda parameters: torch.optim.SGD(parameters, lr=0.1, momentum=0.9, weight_decay=0.01),
    "nesterov": lambda parameters: torch.optim.SGD(parameters, lr=0.1, momentum=0.9, nesterov=True),
    "adam": lambda parameters: torch.optim.Adam(parameters, lr=0.01, weight_decay=0.01),
    "adamw": lambda parameters: torch.optim.AdamW(parameters, lr=0.01, weight_decay=0.1),
    "rmsprop": lambda parameters: torch.optim.RMSprop(parameters, lr=0.01, momentum=0.5),
}


@pytest.fixture
def pruned(tmp_path):
    """A Lightning module trained under masks, the masks, and the trainer."""
    module = Net()
    kept = random_masks(module)
    return module, kept, lightning_fit(tmp_path, module, kept)


# 1, 9: the file of a pruned model is larger, and does not fit the model


def test_a_pruned_checkpoint_loads_into_a_plain_model(tmp_path, pruned):
    module, kept, trainer = pruned
    trainer.save_checkpoint(tmp_path / "pruned.ckpt")
    plain = Net.load_from_checkpoint(tmp_path / "pruned.ckpt")
    assert is_pruned(plain, kept)
    assert plain(IMAGES).equal(module(IMAGES))


def test_a_pruned_model_of_transformers_loads_without_the_package(tmp_path):
    model = bert()
    kept = random_masks(model)
    transformers_trainer(tmp_path, model, transformers.KeepPruned(kept)).train()
    model.save_pretrained(tmp_path / "pruned")
    bert().save_pretrained(tmp_path / "dense")
    loaded = BertForSequenceClassification.from_pretrained(tmp_path / "pruned")
    assert is_pruned(loaded, kept)
    assert bits(loaded).equal(bits(model))
    sizes = [(tmp_path / folder / "model.safetensors").stat().st_size for folder in ("pruned", "dense")]
    assert sizes[0] == sizes[1]


# 10: a pruned network cannot be rebuilt from its state


def test_a_network_can_be_rebuilt_from_its_state_dict(tmp_path, pruned):
    module, kept, _ = pruned
    assert list(module.state_dict()) == list(Net().state_dict())
    rebuilt = models.build("mlp:64-20-10", generator=seeded(5))
    rebuilt.load_state_dict(module.net.state_dict())
    assert rebuilt(IMAGES).equal(module(IMAGES))
    save_model(tmp_path / "net.safetensors", rebuilt, name="mlp:64-20-10", data=DIGITS)
    loaded = load_model(tmp_path / "net.safetensors").model
    assert is_pruned(loaded, {name.removeprefix("net."): mask for name, mask in kept.items()})


# 11: a pruned module cannot be copied


def test_a_pruned_module_can_be_deepcopied(tmp_path, pruned):
    module, kept, _ = pruned
    copies = [copy.deepcopy(module)]
    watch = Watch(kept, 3, lambda trainer, inside: copies.append(copy.deepcopy(inside)))
    lightning_trainer(tmp_path, lightning.KeepPruned(kept), watch).fit(module)
    assert len(copies) == 2
    assert all(is_pruned(copied, kept) for copied in copies)
    attached = copy.deepcopy(module)
    masks.attach_(attached, kept)
    attached(IMAGES)
    assert copy.deepcopy(attached)(IMAGES).equal(module(IMAGES))


# 12: pruned weights come back


@pytest.mark.parametrize("name", OPTIMISERS)
@pytest.mark.parametrize("is_held", [True, False])
def test_pruned_weights_do_not_come_back_under_momentum_and_decay(name, is_held):
    """A dense run is stopped, its network pruned, and its optimiser goes on with all it remembers."""
    model = nn.Linear(20, 5)
    before = OPTIMISERS[name](model.parameters())

    def step(optimiser, model):
        optimiser.zero_grad()
        model(torch.ones(4, 20)).square().sum().backward()
        optimiser.step()

    for _ in range(3):
        step(before, model)
    kept, resumed = random_masks(model), copy.deepcopy(model)
    after = OPTIMISERS[name](resumed.parameters())
    masks.bake_(resumed, kept)
    if is_held:
        keep_pruned_(after, resumed, kept)
    after.load_state_dict(before.state_dict())
    for _ in range(3):
        step(after, resumed)
        assert is_pruned(resumed, kept) == is_held


@pytest.mark.parametrize("optimiser", [torch.optim.Adam, torch.optim.AdamW])
def test_pruned_weights_do_not_come_back_when_a_dense_run_goes_on(tmp_path, optimiser):
    options = {"optimiser": optimiser, "lr": 0.01, "weight_decay": 0.1}
    dense = lightning_trainer(tmp_path)
    dense.fit(Net(**options))
    dense.save_checkpoint(tmp_path / "dense.ckpt")
    module = Net(**options)
    kept = random_masks(module)
    watch = Watch(kept)
    lightning_trainer(tmp_path, lightning.KeepPruned(kept), watch, max_epochs=4).fit(
        module, ckpt_path=tmp_path / "dense.ckpt"
    )
    assert watch.seen
    assert all(watch.seen)


# 13: negative weights are frozen, convolutions find no tickets


@pytest.fixture(scope="module")
def convolutional():
    """A convolutional network, how it is trained, and its ticket with 6 % of the weights."""
    net = models.build("conv-2x0.1", input_shape=(1, 8, 8), generator=seeded())
    train = Trainer(DIGITS, steps=120, batch_size=64, optimiser=adam(0.01))
    *_, level = imp.imp(net, train, stop=120, schedule=schedules.geometric(3, factor=0.4), seed=1)
    return net, train, level


def test_negative_weights_are_trained(convolutional):
    net, _, level = convolutional
    first, begun, trained = (dict(part.named_parameters()) for part in (net, level.begun, level.model))
    for sign in (-1, 1):
        chosen = {name: mask & (first[name].sign() == sign) for name, mask in level.masks.items()}
        assert 0.3 < masks.count(chosen) / masks.count(level.masks) < 0.7
        assert all(begun[name][kept].equal(first[name][kept]) for name, kept in chosen.items())
        moved = {name: kept & (trained[name] != begun[name]) for name, kept in chosen.items()}
        assert masks.count(moved) > 0.8 * masks.count(chosen)  # a few lie on no path from input to output


def test_convolutions_find_tickets(convolutional):
    """The same weights under shuffled masks, as many in each layer, are far worse."""
    net, train, level = convolutional
    controls = [imp.shuffled(level.masks, generator=seeded(seed)) for seed in range(2)]
    accuracies = [
        evaluate(train(net, control, start=0, stop=120, generator=seeded(seed)), *DIGITS.test()).accuracy
        for seed, control in enumerate(controls)
    ]
    assert level.density < 0.065
    assert evaluate(level.model, *DIGITS.test()).accuracy > max(0.5, *accuracies) + 0.2


# 14: nothing is rewound, and memory leaks from level to level


@pytest.fixture
def newborn():
    """Counts of what is made from here on; everything older is hidden from the collector until the module ends."""
    gc.collect()
    gc.freeze()
    return living


def living():
    """How many tensors, modules and Lightning trainers there are."""
    gc.collect()
    kinds = [type(thing) for thing in gc.get_objects()]
    return [sum(issubclass(kind, wanted) for kind in kinds) for wanted in (torch.Tensor, nn.Module, pl.Trainer)]


@pytest.mark.parametrize("name", TRAINERS)
def test_levels_start_from_the_rewind_weights_and_leak_no_memory(tmp_path, newborn, name):
    make, model = TRAINERS[name]
    results, inner = [], make(tmp_path)

    def train(*arguments, **options):
        trained = inner(*arguments, **options)
        if not results:
            results.append(bits(trained))  # of the dense network at the rewind point
        return trained

    levels, alive = (
        imp.imp(model(), train, stop=8, schedule=schedules.geometric(4, factor=0.5), rewind=imp.weights(4)),
        [],
    )
    for level in levels:
        begun, kept = level.begun, level.masks
        zeros = copy.deepcopy(begun)
        for parameter_name, parameter in zeros.named_parameters():
            parameter.data.copy_(kept.get(parameter_name, torch.ones_like(parameter)))
        expected = torch.where(bits(zeros) != 0, results[0], 0.0)
        assert bits(begun).equal(expected)
        assert is_pruned(level.model, kept)
        assert not bits(level.model).equal(bits(begun))
        del level, begun, kept, zeros, expected
        alive.append(newborn())
    assert len(alive) == 5
    assert alive[2:] == alive[1:2] * 3


# 23: an interrupted run loses its masks


class PowerCutError(Exception):
    """The end of a process."""


def power_cut(*_):
    raise PowerCutError


@pytest.mark.filterwarnings("ignore:Checkpoint directory .* exists and is not empty:UserWarning")
def test_an_interrupted_run_goes_on_with_its_masks_in_lightning(tmp_path):
    kept = random_masks(Net())
    whole = Net()
    lightning_fit(tmp_path, whole, kept, max_epochs=4)
    saver = pl.callbacks.ModelCheckpoint(tmp_path, filename="{epoch}", every_n_epochs=1, save_top_k=-1)
    hooks = [lightning.KeepPruned(kept), Watch(kept, 10, power_cut), saver]
    with pytest.raises(PowerCutError):
        lightning_trainer(tmp_path, *hooks, max_epochs=4, enable_checkpointing=True).fit(Net())
    resumed, watch = Net(), Watch(kept)
    again = pl.callbacks.ModelCheckpoint(tmp_path, filename="{epoch}", every_n_epochs=1, save_top_k=-1)
    hooks = [lightning.KeepPruned(), watch, again]
    trainer = lightning_trainer(tmp_path, *hooks, max_epochs=4, enable_checkpointing=True)
    trainer.fit(resumed, ckpt_path=tmp_path / "epoch=1.ckpt")
    assert all(watch.seen)
    assert bits(resumed).equal(bits(whole))


def test_an_interrupted_run_goes_on_with_its_masks_in_transformers(tmp_path):
    kept, saving = random_masks(bert()), {"save_strategy": "steps", "save_steps": 3}
    whole = bert()
    transformers_trainer(tmp_path / "whole", whole, transformers.KeepPruned(kept), **saving).train()
    hooks = [transformers.KeepPruned(kept), Look(kept, 5, power_cut)]
    with pytest.raises(PowerCutError):
        transformers_trainer(tmp_path / "cut", bert(), *hooks, **saving).train()
    resumed, look = bert(seed=4), Look(kept)
    trainer = transformers_trainer(tmp_path / "cut", resumed, transformers.KeepPruned(), look, **saving)
    trainer.train(resume_from_checkpoint=True)
    assert len(look.seen) == 10
    assert all(look.seen)
    assert bits(resumed).equal(bits(whole))
