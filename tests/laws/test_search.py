"""What every method that searches for masks must do. A new one adds one line to the table."""

import copy
import hashlib
from dataclasses import replace
from functools import cache

import pytest
import torch
from tests.problems.searches import DATA, NETS, Stopped, loop, net_of, stopping
from torch import nn

from tombola import Source
from tombola.masks import count, density, kept_count
from tombola.random_source import he
from tombola.search import (
    biprop,
    continuous_sparsification,
    edge_popup,
    gem_miner,
    iterand,
    search,
    supermask,
)
from tombola.ticket import load_ticket, values_at
from tombola.training import Checkpoint
from tombola.verification import verify

METHODS = {
    "edge-popup": edge_popup(),
    "edge-popup, raw and global": edge_popup(by_layer=False, absolute=False),
    "supermask": supermask(),
    "supermask, rescaled and global": supermask(by_layer=False, rescale=True, first=0.3),
    "IteRand": iterand(every=3, fraction=0.5),
    "IteRand, global": iterand(every=2, fraction=1.0, by_layer=False),
    "Gem-Miner": gem_miner(freezes=4, penalty=1e-3),
    "biprop": biprop(),
    "biprop, global": biprop(by_layer=False),
    "continuous sparsification": continuous_sparsification(penalty=1e-4),
    "continuous sparsification, global": continuous_sparsification(by_layer=False, first=0.1),
}
STEPS, DENSITY = 12, 0.3
SAME = {"rtol": 0, "atol": 0}

each = pytest.mark.parametrize("name", METHODS)
on_each = pytest.mark.parametrize("kind", NETS)


class Watched:
    """A training loop that remembers what it was given and what it gave."""

    def __init__(self, train):
        self.train, self.before, self.after = train, None, None

    def __call__(self, model, masks, *, start, stop, generator):
        self.before = copy.deepcopy(model)
        self.after = self.train(model, masks, start=start, stop=stop, generator=generator)
        return self.after


@cache
def searched(name, kind, seed=5):
    watched, model = Watched(loop(STEPS)), net_of(kind)
    values = hashed(model.state_dict())
    found = found_by(name, model, watched, seed)
    assert hashed(model.state_dict()) == values, "the caller's model is left as it is"
    assert all(value.requires_grad for value in model.parameters())
    return found, watched.before, watched.after


def found_by(name, model, train, seed=5):
    return search(
        model,
        train,
        method=METHODS[name],
        density=DENSITY,
        source=Source(11),
        steps=STEPS,
        scheme=he,
        generator=torch.Generator().manual_seed(seed),
    )


def hashed(values):
    return {name: hashlib.sha256(value.detach().numpy().tobytes()).hexdigest() for name, value in values.items()}


@each
@on_each
def test_exactly_as_many_stay_as_are_asked_for(name, kind):
    found, *_ = searched(name, kind)
    sizes = {key: mask.numel() for key, mask in found.masks.items()}
    if METHODS[name].by_layer:
        wanted = {key: kept_count(size, DENSITY) for key, size in sizes.items()}
        assert {key: int(mask.sum()) for key, mask in found.masks.items()} == wanted
    assert abs(count(found.masks) - DENSITY * sum(sizes.values())) <= len(sizes) / 2
    if not METHODS[name].by_layer:
        assert count(found.masks) == kept_count(sum(sizes.values()), DENSITY)
    assert all(mask.dtype == torch.bool for mask in found.masks.values())


@each
@on_each
def test_frozen_values_have_the_same_bits_afterwards(name, kind):
    _, before, after = searched(name, kind)
    drawn, was = after.memory("generation"), dict(before.network.named_parameters())
    is_now = dict(after.network.named_parameters())
    again = {key: values_at(Source(11), key, after.laws[key], numbers) for key, numbers in drawn.items()}
    assert hashed(is_now) == hashed(was | again)
    assert bool(drawn) == name.startswith("IteRand")


@each
def test_scores_are_what_is_trained(name):
    _, before, after = searched(name, "mlp")
    trained = {key for key, value in after.named_parameters() if value.requires_grad}
    assert len(trained) == len(after.laws) == len(after.scores())
    for key, score in after.scores().items():
        assert not torch.equal(score, before.scores()[key])
    assert int(after.step) == STEPS


@each
def test_the_same_seed_gives_the_same_ticket(name, tmp_path):
    searched(name, "convolution")[0].ticket.save(tmp_path / "0")
    for number, seed in enumerate((5, 6), 1):
        found_by(name, net_of("convolution"), loop(STEPS), seed).ticket.save(tmp_path / str(number))
    first, second, other = ((tmp_path / str(number)).read_bytes() for number in range(3))
    assert first == second
    assert first != other


@each
@on_each
def test_the_ticket_is_verified_and_holds_the_network(name, kind, tmp_path):
    found, *_ = searched(name, kind)
    found.ticket.save(tmp_path / "ticket")
    ticket = load_ticket(tmp_path / "ticket")
    assert verify(ticket).ok
    assert ticket.source == Source(11)
    masks = ticket.masks()
    torch.testing.assert_close({key: masks[key] for key in found.masks}, found.masks, **SAME)
    for key, value in found.model.named_parameters():
        rows = torch.from_numpy(ticket.block(key, 0, ticket.tensors[key].mask.shape[0]).copy()).reshape(value.shape)
        torch.testing.assert_close(torch.where(masks[key], rows, 0.0), value.detach(), **SAME)
        if key in found.masks:
            assert key not in ticket.values, "searched values are addresses"
            assert not value.detach()[~found.masks[key]].any()


@each
@on_each
def test_evaluation_is_that_of_the_ticket(name, kind):
    found, _, after = searched(name, kind)
    x = DATA.x_test
    with torch.no_grad():
        torch.testing.assert_close(after.eval()(x), found.model.eval()(x), rtol=2e-6, atol=2e-6)


@each
def test_an_interrupted_search_ends_with_the_same_bits(name, tmp_path):
    found, _, whole = searched(name, "convolution")
    kept = replace(loop(STEPS), checkpoint=Checkpoint(tmp_path / "state", seconds=0.0))
    for after in (4, 3):
        with pytest.raises(Stopped):
            found_by(name, net_of("convolution"), replace(kept, optimiser=stopping(after)))
    watched = Watched(kept)
    again = found_by(name, net_of("convolution"), watched)
    torch.testing.assert_close(watched.after.state_dict(), whole.state_dict(), **SAME)
    assert again.ticket.record == found.ticket.record


@each
def test_a_free_density_is_a_fraction_or_none(name):
    found, *_ = searched(name, "mlp")
    free = found.free_density
    has_one = name.startswith(("supermask", "Gem", "continuous"))
    assert (free is not None and 0 <= free <= 1) if has_one else free is None
    assert 0 < density(found.masks) < 1


@each
def test_normalisations_are_frozen_at_one_and_zero(name):
    found, _, after = searched(name, "convolution")
    norm = next(module for module in found.model.modules() if isinstance(module, nn.BatchNorm2d))
    assert norm.weight.eq(1).all()
    assert not norm.bias.any()
    assert not any(value.requires_grad for value in after.network.parameters())
    assert norm.running_mean.any(), "its statistics are those of the search"
