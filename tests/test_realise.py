from itertools import pairwise

import numpy as np
import pytest
import torch
from tests.problems.targets import relu_network
from tests.problems.tickets import STRONG, target_of, ticket_of, with_mask
from torch import nn

from tombola import construct
from tombola.effective import effective_maps
from tombola.realise import SplitSigns, realise
from tombola.ticket import unpack

every_ticket = pytest.mark.parametrize("name", STRONG)


def inputs_of(name, count=200):
    points = STRONG[name][1]["inputs"].sample(count, STRONG[name][0][0], generator=torch.Generator().manual_seed(1))
    return torch.from_numpy(points).float()


@every_ticket
@torch.no_grad()
def test_three_forms_agree_up_to_rounding(name):
    x = inputs_of(name)
    outputs = [realise(ticket_of(name), form=form)(x) for form in ("masked", "sparse", "collapsed")]
    for output in outputs[1:]:
        torch.testing.assert_close(output, outputs[0], rtol=1e-5, atol=1e-5)


@every_ticket
@torch.no_grad()
def test_the_network_is_within_the_certificate_of_its_target(name):
    x = inputs_of(name)
    errors = (ticket_of(name).module()(x) - target_of(name)(x)).norm(dim=1)
    assert 0 < float(errors.max()) <= ticket_of(name).certificate.bound + 1e-5


@every_ticket
def test_the_masked_form_is_the_source_where_the_mask_keeps_and_zero_elsewhere(name):
    ticket, module = ticket_of(name), realise(ticket_of(name), form="masked")
    layers = [layer for layer in module if isinstance(layer, nn.Linear)]
    for stage, layer in zip(ticket.stages, layers, strict=True):
        for tensor, found in ((stage.weight, layer.weight), (stage.bias, layer.bias)):
            assert (tensor is None) == (found is None)
            if tensor is None:
                continue
            masked = ticket.tensors[tensor]
            rows, columns = masked.mask.shape
            parent = ticket.source.block(tensor, masked.law, range(rows), range(columns))
            wanted = np.where(unpack(masked.mask), parent, np.float32(0))
            wanted = wanted.T if masked.transposed else wanted
            np.testing.assert_array_equal(found.detach().numpy().reshape(wanted.shape), wanted)


@every_ticket
def test_the_sparse_form_has_no_unused_unit_and_loses_no_edge(name):
    ticket = ticket_of(name)
    layers = [layer for layer in ticket.module(form="sparse") if isinstance(layer, nn.Linear)]
    kept = sum(int((parameter != 0).sum()) for layer in layers for parameter in layer.parameters())
    assert kept == ticket.kept
    for layer, following in pairwise(layers):
        fed = (layer.weight != 0).any(dim=1) | (False if layer.bias is None else layer.bias != 0)
        assert fed.all()
        assert (following.weight != 0).any(dim=0).all()
    assert layers[0].in_features == STRONG[name][0][0]
    assert layers[-1].out_features == STRONG[name][0][-1]
    assert sum(layer.out_features for layer in layers[:-1]) < sum(
        tensor.mask.shape[0] for tensor in ticket.tensors.values()
    )


def hidden_widths(ticket):
    return [layer.out_features for layer in ticket.module(form="sparse") if isinstance(layer, nn.Linear)][:-1]


def test_units_that_nothing_comes_out_of_any_more_are_left_out_and_those_before_them_too():
    """Without the edges out of one copy, the copy goes, and every unit that fed nothing else goes with it."""
    ticket = ticket_of("one-extra")
    feeding = unpack(ticket.tensors["fc1.out"].mask)
    alone = np.flatnonzero(feeding.sum(axis=1) == 1)
    copy = int(feeding[alone[0]].argmax())
    cut = with_mask(ticket, "fc2", lambda dense: dense.__setitem__(copy, False))
    units, copies = hidden_widths(ticket)
    fewer = int((feeding[alone].argmax(axis=1) == copy).sum())
    assert fewer >= 1
    assert hidden_widths(cut) == [units - fewer, copies - 1]


def test_units_that_nothing_goes_into_any_more_are_left_out_and_those_behind_them_too():
    ticket = ticket_of("one-extra")
    cut = with_mask(ticket, "fc1.in", lambda owner: owner.__setitem__(owner == owner.max(), -1))
    gone = int((ticket.tensors["fc1.in"].mask.owner == 5).sum())
    units = hidden_widths(ticket)[0]
    feeding = unpack(ticket.tensors["fc1.out"].mask)[cut.tensors["fc1.in"].mask.rows_kept()]
    assert hidden_widths(cut) == [units - gone, int(feeding.any(axis=0).sum())]
    cut_off = with_mask(ticket, "fc1.in", lambda owner: owner.fill(-1))
    assert hidden_widths(cut_off) == [1, 1]


@pytest.mark.parametrize("name", [name for name in STRONG if "one-extra" not in name])
def test_the_collapsed_form_has_the_targets_shape(name):
    shapes = [
        [tuple(layer.weight.shape) for layer in net if isinstance(layer, nn.Linear)]
        for net in (ticket_of(name).module(form="collapsed"), target_of(name))
    ]
    if "signed" in name:
        outputs, inputs = shapes[1][0]
        shapes[1][0] = (outputs, 2 * inputs)
    assert shapes[0] == shapes[1]


def test_the_collapsed_form_holds_the_effective_weights():
    name = "two-layer, signed, biases"
    module, maps = ticket_of(name).module(form="collapsed"), next(effective_maps(ticket_of(name)))
    np.testing.assert_array_equal(
        module.fc1.weight.detach(), np.concatenate([maps.positive, -maps.negative], axis=1).astype(np.float32)
    )
    np.testing.assert_array_equal(module.fc1.bias.detach(), maps.bias.astype(np.float32))


@pytest.mark.parametrize("form", ["masked", "sparse", "collapsed"])
@torch.no_grad()
def test_a_last_relu_is_kept(form):
    module, x = ticket_of("a last ReLU").module(form=form), inputs_of("a last ReLU")
    assert isinstance(module[-1], nn.ReLU)
    assert (module(x) >= 0).all()
    assert (module[:-1](x) < 0).any()
    assert not isinstance(ticket_of("two-layer").module(form=form)[-1], nn.ReLU)


def test_signs_are_split_by_hand():
    x = torch.tensor([[3.0, -4.0, 0.0]])
    assert SplitSigns()(x).tolist() == [[3.0, 0.0, 0.0, 0.0, 4.0, 0.0]]


def test_images_are_flattened():
    assert ticket_of("two-layer").module()(torch.zeros(5, 1, 2, 3)).shape == (5, 3)


class Awkward(nn.Module):
    """Layers whose paths differ only in a dot, or are names that `nn.Sequential` has."""

    def __init__(self):
        super().__init__()
        self.block = nn.Sequential()
        self.block.add_module("a", relu_network(4, 4).fc1)
        self.block_a = relu_network(4, 4, seed=1).fc1
        self.append = relu_network(4, 4, seed=2).fc1
        self.flatten = relu_network(4, 2, seed=3).fc1

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.flatten(self.append(self.block_a(self.block.a(x).relu()).relu()).relu())


@pytest.mark.parametrize("form", ["masked", "sparse", "collapsed"])
@torch.no_grad()
def test_no_layer_is_lost_to_an_equal_name(form):
    ticket = construct(Awkward(), torch.zeros(1, 4))
    module = ticket.module(form=form)
    assert sum(isinstance(layer, nn.Linear) for layer in module) == (4 if form == "collapsed" else 8)
    x = torch.randn(9, 4, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(module(x), ticket.module(form="collapsed")(x), rtol=1e-4, atol=1e-5)


@torch.no_grad()
def test_a_layer_of_zeros_has_a_network_too():
    net = relu_network(5, 4, 3)
    nn.init.zeros_(net.fc2.weight)
    module = construct(net, torch.zeros(1, 5)).module()
    assert (module(torch.ones(2, 5)) == 0).all()
