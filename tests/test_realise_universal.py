"""A universal ticket as a network: all forms compute the features that the fast evaluator looks up."""

from functools import cache

import numpy as np
import pytest
import torch
from torch import nn

from tombola.effective import effective_maps
from tombola.realise import FORMS, realise
from tombola.strong import depth_leveraged, two_layer
from tombola.ticket import unpack
from tombola.universal import Features, build, fourier, hats, orthogonal, polynomial

FAMILIES = {
    "polynomial": (lambda: polynomial(2, 3), None),
    "fourier": (lambda: fourier(2, 2), None),
    "fourier, folded": (lambda: fourier(1, 3, fold=True), None),
    "chebyshev": (lambda: orthogonal(2, 3), None),
    "hats": (lambda: hats(2, 4), None),
    "polynomial, two-layer": (lambda: polynomial(2, 2, tolerance=1e-2), two_layer),
    "polynomial, deep": (lambda: polynomial(12, 2, tolerance=5e-2), depth_leveraged(3)),
}
every_family = pytest.mark.parametrize("name", FAMILIES)


@cache
def family_of(name):
    return FAMILIES[name][0]()


@cache
def ticket_of(name):
    return build(family_of(name), seed=2, construction=FAMILIES[name][1])


def inputs_of(name, count=300):
    dimension = family_of(name).dimension
    inside = np.random.default_rng(0).random((count, dimension))
    return np.concatenate([inside, np.zeros((1, dimension)), np.ones((1, dimension))])


@cache
def wanted_of(name):
    return Features.of(ticket_of(name))(inputs_of(name))


@cache
@torch.no_grad()
def outputs_of(name, form, dtype):
    module = realise(ticket_of(name), form=form).to(dtype)
    return module(torch.from_numpy(inputs_of(name)).to(dtype)).double().numpy()


def test_one_of_the_tickets_has_layers_of_more_than_two_stages():
    layers = [stage.layer for stage in ticket_of("polynomial, deep").stages]
    assert max(map(layers.count, layers)) > 2


@every_family
def test_the_masked_network_computes_what_the_fast_evaluator_looks_up(name):
    np.testing.assert_allclose(outputs_of(name, "masked", torch.float64), wanted_of(name), rtol=0, atol=1e-11)


@every_family
@pytest.mark.parametrize("form", FORMS)
def test_every_form_is_the_same_up_to_the_rounding_of_its_weights(name, form):
    wanted = wanted_of(name)
    np.testing.assert_allclose(outputs_of(name, form, torch.float64), wanted, rtol=0, atol=2e-5)
    np.testing.assert_allclose(outputs_of(name, form, torch.float32), wanted, rtol=0, atol=2e-4)


@every_family
def test_the_network_is_within_the_certificate_of_the_family(name):
    errors = np.abs(outputs_of(name, "masked", torch.float64) - family_of(name).exact(inputs_of(name))).max(axis=0)
    assert (errors > 0).any()
    assert (errors <= ticket_of(name).certificate.errors).all()


@every_family
def test_only_stock_modules_are_used(name):
    for form in FORMS:
        kinds = {type(module) for module in realise(ticket_of(name), form=form)}
        assert kinds <= {nn.Unflatten, nn.Conv1d, nn.ReLU, nn.Flatten, nn.Linear}
        assert nn.Conv1d in kinds


@every_family
def test_the_masked_form_is_the_source_where_the_mask_keeps_and_zero_elsewhere(name):
    ticket, layers = ticket_of(name), affine_layers(name, "masked")
    for stage, layer in zip(ticket.stages, layers, strict=True):
        for tensor, found in ((stage.weight, layer.weight), (stage.bias, layer.bias)):
            assert (tensor is None) == (found is None)
            if tensor is None:
                continue
            masked = ticket.tensors[tensor]
            parent = ticket.source.block(tensor, masked.law, *map(range, masked.mask.shape))
            wanted = np.where(unpack(masked.mask), parent, np.float32(0))
            wanted = wanted.T if masked.transposed else wanted
            np.testing.assert_array_equal(found.detach().numpy().reshape(wanted.shape), wanted)


def affine_layers(name, form):
    return [layer for layer in realise(ticket_of(name), form=form) if isinstance(layer, nn.Conv1d | nn.Linear)]


@every_family
def test_the_sparse_form_loses_no_edge_and_no_unit_that_is_used(name):
    layers = affine_layers(name, "sparse")
    kept = sum(int((parameter != 0).sum()) for layer in layers for parameter in layer.parameters())
    assert kept == ticket_of(name).kept
    for layer in (layer for layer in layers if isinstance(layer, nn.Conv1d)):
        used = layer.weight[:, :, 0] != 0
        assert used.any(dim=0).all()
        assert (used.any(dim=1) | (False if layer.bias is None else layer.bias != 0)).all()


@every_family
def test_the_collapsed_form_has_one_layer_for_each_layer_of_the_features(name):
    layers, maps = affine_layers(name, "collapsed"), list(effective_maps(ticket_of(name)))
    assert len(layers) == len(maps)
    assert [layer.weight.shape[0] for layer in layers][-1] == len(maps[-1].positive)
    knots = [layer.weight.shape[0] for layer in layers[:-1] if isinstance(layer, nn.Conv1d)]
    counts = [count for step in ticket_of(name).record["steps"] for count in step.get("knots", [])]
    assert max(knots) <= sum(counts) + 32  # those of the straight part are no knots


@pytest.mark.parametrize(("few", "many"), [(orthogonal(1, 2), orthogonal(40, 2)), (hats(1, 4), hats(64, 4))])
def test_blocks_do_not_grow_with_the_dimension(few, many):
    sizes = [
        [layer.weight.numel() for layer in realise(build(one)) if isinstance(layer, nn.Conv1d)] for one in (few, many)
    ]
    assert sizes[0] == sizes[1]
    assert realise(build(many))(torch.zeros(3, many.dimension)).shape == (3, many.features)


def test_channels_come_one_after_the_other():
    """All inputs of one channel stand together, as in `Family.exact`."""
    x = torch.tensor([[0.25, 0.75]])
    with torch.no_grad():
        outputs = realise(ticket_of("hats"))(x)[0]
    torch.testing.assert_close(outputs, torch.tensor([1.0, 0, 0, 0, 0, 1, 0, 0]), rtol=0, atol=1e-3)


@pytest.mark.parametrize("name", ["polynomial", "hats"])
@torch.no_grad()
def test_the_collapsed_form_can_be_exported_for_any_number_of_inputs(name):
    module, x = realise(ticket_of(name), form="collapsed"), torch.from_numpy(inputs_of(name)).float()
    rows = torch.export.Dim("rows", min=2)
    exported = torch.export.export(module, (x[:5],), dynamic_shapes=({0: rows},)).module()
    torch.testing.assert_close(exported(x), module(x))


def test_another_form_is_refused():
    with pytest.raises(ValueError, match="form must be one of masked, sparse, collapsed"):
        realise(ticket_of("hats"), form="dense")
