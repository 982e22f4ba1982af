import copy
import math

import pytest
import torch
from tests.problems.searches import DATA, loop, net_of
from torch import nn

from tombola import Source
from tombola.random_source import Mirrored, Normal, he
from tombola.search import edge_popup, gem_miner, iterand, on_kept, search, signed_he, with_biases
from tombola.ticket import load_ticket, values_at
from tombola.training import evaluate
from tombola.verification import verify


def found_by(model, train=None, *, method=None, density=0.5, steps=2, scheme=signed_he):
    train, method = train or loop(steps), method or edge_popup()
    return search(model, train, method=method, density=density, source=Source(3), steps=steps, scheme=scheme)


@pytest.mark.parametrize("density", [0.0, -0.1, 1.5])
@pytest.mark.parametrize("method", [edge_popup(), gem_miner()])
def test_a_density_out_of_range_is_refused(density, method):
    with pytest.raises(ValueError, match="density"):
        found_by(net_of("mlp"), method=method, density=density)


def test_a_density_that_leaves_nothing_of_a_layer_is_refused():
    with pytest.raises(ValueError, match=r"nothing of the 36 weights of 'network\.2\.weight'; use 0\.0139 or more"):
        found_by(net_of("mlp"), density=0.013)
    found = found_by(net_of("mlp"), density=0.0139)
    assert [int(mask.sum()) for mask in found.masks.values()] == [3, 1]
    everywhere = found_by(net_of("mlp"), density=0.002, method=edge_popup(by_layer=False))
    assert sum(int(mask.sum()) for mask in everywhere.masks.values()) == 1


def test_with_nothing_to_search_there_is_no_search():
    with pytest.raises(ValueError, match="nothing to search"):
        found_by(nn.Sequential(nn.BatchNorm1d(16), nn.ReLU()))
    with pytest.raises(ValueError, match="nothing to search"):
        found_by(net_of("mlp"), scheme=lambda name, value: None)


@pytest.mark.parametrize("in_place", [True, False])
@pytest.mark.parametrize("what", ["network.network.0.weight", "network.network.0.bias", "network.network.1.bias"])
def test_a_loop_that_changes_frozen_values_is_found_out(in_place, what):
    def train(model, masks, *, start, stop, generator):
        trained = model if in_place else copy.deepcopy(model)
        with torch.no_grad():
            trained.network.get_parameter(what.removeprefix("network.")).view(-1)[0] += 1e-3
        return trained

    with pytest.raises(ValueError, match=what.removeprefix("network.")):
        found_by(net_of("convolution"), train)


def test_a_loop_that_changes_values_drawn_again_is_found_out():
    def train(model, masks, *, start, stop, generator):
        trained = loop(4)(model, masks, start=start, stop=stop, generator=generator)
        with torch.no_grad():
            trained.memory("generation")["network.0.weight"][0, 0] += 1
        return trained

    with pytest.raises(ValueError, match=r"network\.0\.weight"):
        found_by(net_of("mlp"), train, method=iterand(every=1, fraction=1.0), steps=4, scheme=he)


def test_a_search_says_how_often_each_kept_weight_was_drawn_again():
    found = found_by(net_of("mlp"), method=iterand(every=10, fraction=0.5), density=0.3, steps=120, scheme=he)
    assert set(found.generations) == set(found.masks)
    numbers = found.generations["network.0.weight"]
    assert numbers.dtype == torch.int16
    assert int(numbers.max()) > 1
    for name, mask in found.masks.items():
        again, value = found.generations[name], found.model.get_parameter(name)
        assert not again[~mask].any()
        drawn = values_at(Source(3), name, he(name, value), again)
        torch.testing.assert_close(value.detach()[mask], drawn[mask], rtol=0, atol=0)
    assert found_by(net_of("mlp")).generations == {}


def test_a_loop_of_ones_own_and_a_network_in_evaluation_mode():
    def train(model, masks, *, start, stop, generator):
        trained = copy.deepcopy(model).train()
        optimiser = torch.optim.Adam((value for value in trained.parameters() if value.requires_grad), lr=0.01)
        for _ in range(start, stop):
            optimiser.zero_grad()
            nn.functional.cross_entropy(trained(DATA.x_train), DATA.y_train).backward()
            optimiser.step()
        return trained.eval()

    found = found_by(net_of("mlp").eval(), train, steps=200)
    assert verify(found.ticket).ok
    most_frequent = int(DATA.y_train.bincount().max()) / len(DATA.y_train)
    assert evaluate(found.model, DATA.x_train, DATA.y_train).accuracy > most_frequent + 0.2


def test_a_search_finds_more_than_chance_where_no_weight_is_trained():
    untrained = found_by(net_of("mlp"), steps=1)
    found = found_by(net_of("mlp"), steps=300)
    accuracies = [evaluate(one.model, *DATA.test()).accuracy for one in (untrained, found)]
    assert accuracies[1] > max(0.6, accuracies[0])
    constant = float(torch.tensor(math.sqrt(2 / 16)))
    assert {abs(float(value)) for value in found.model.network[0].weight.flatten()} == {0.0, constant}


@pytest.mark.parametrize("norm", [nn.BatchNorm1d(12), nn.LayerNorm(12), nn.GroupNorm(3, 12), nn.RMSNorm(12)])
def test_the_scales_of_normalisations_are_ones_and_saved(norm, tmp_path):
    with torch.no_grad():
        for value in norm.parameters():
            value.fill_(7.0)
    found = found_by(nn.Sequential(nn.Linear(16, 12), norm, nn.ReLU(), nn.Linear(12, 3)), scheme=with_biases(he, 0.1))
    assert found.model[1].weight.eq(1).all()
    found.ticket.save(tmp_path / "ticket")
    assert set(load_ticket(tmp_path / "ticket").values) == {name for name, _ in norm.named_parameters(prefix="1")}
    assert verify(found.ticket).ok
    if getattr(norm, "bias", None) is not None:
        assert not found.model[1].bias.any()


def test_instance_norm_with_scales_is_not_silenced():
    layers = [nn.Unflatten(1, (1, 4, 4)), nn.Conv2d(1, 2, 3), nn.InstanceNorm2d(2, affine=True), nn.Flatten()]
    found = found_by(nn.Sequential(*layers, nn.Linear(8, 3)))
    assert found.model[2].weight.eq(1).all()


def test_biases_with_a_law_are_searched_too():
    found = found_by(net_of("mlp"), scheme=with_biases(signed_he, 0.2))
    assert "network.0.bias" in found.masks
    assert int(found.masks["network.0.bias"].sum()) == 6
    assert found.model.network[0].bias.count_nonzero() == 6


def test_scales_of_laws():
    weight = torch.zeros(3, 8)
    for scheme, law in ((signed_he, signed_he("w", weight)), (he, he("w", weight))):
        kept = on_kept(scheme, 0.04)("w", weight)
        assert type(kept) is type(law)
        values = [Source(1).tensor("w", one, (3, 8)) for one in (kept, law)]
        torch.testing.assert_close(values[0], 5 * values[1])
    mirrored = on_kept(lambda name, value: Mirrored(Normal(0.5)), 0.25)("w", weight)
    assert mirrored == Mirrored(Normal(1.0))
    assert on_kept(he, 0.5)("b", torch.zeros(3)) is None
    with pytest.raises(ValueError, match="density"):
        on_kept(he, 0.0)


def test_the_first_scores_of_edge_popup_are_uniform_within_the_root_of_the_fan_in(generator):
    scores = edge_popup().first(torch.zeros(50, 25, 4), generator)
    assert scores.abs().max() <= 0.1
    assert scores.abs().mean() == pytest.approx(0.05, rel=0.05)
    assert edge_popup().first(torch.zeros(16), generator).abs().max() <= 0.25
