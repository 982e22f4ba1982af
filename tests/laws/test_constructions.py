"""The laws of every construction: one line in each table holds a new one to all of them."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest
import torch
from tests.problems.targets import relu_network

from tombola import Ball, Source, Tolerance, construct, nearest, one_extra, sparsest, two_layer
from tombola.effective import effective_maps
from tombola.engines import Workers
from tombola.graph import read_graph
from tombola.strong import attack, effective_layers, output_errors, targets
from tombola.ticket import unpack

CONSTRUCTIONS = {"two-layer": (two_layer, lambda depth: 2 * depth), "one-extra": (one_extra, lambda depth: depth + 1)}


def zeroed_layer() -> torch.nn.Sequential:
    net = relu_network(5, 4, 3)
    torch.nn.init.zeros_(net.fc2.weight)
    return net


def scaled(factor: float) -> torch.nn.Sequential:
    return relu_network(5, 6, 3, gain=factor)


NETWORKS = {
    "plain": partial(relu_network, 6, 8, 3),
    "deep": partial(relu_network, 5, 7, 6, 4, 2),
    "biases": partial(relu_network, 6, 8, 5, 3, bias=True),
    "one layer": partial(relu_network, 6, 3),
    "one layer with biases": partial(relu_network, 6, 3, bias=True),
    "one-unit layers": partial(relu_network, 4, 1, 3, 1, bias=True),
    "few outputs": partial(relu_network, 40, 30, 2, bias=True),
    "a layer of zeros": zeroed_layer,
    "tiny weights": partial(scaled, 1e-30),
    "huge weights": partial(scaled, 1e6),
}
SETS = {"both signs": Ball(1.0), "non-negative": Ball(1.0, nonnegative=True)}

cases = pytest.mark.parametrize(
    ("construction", "network", "inputs"),
    [(c, n, s) for c in CONSTRUCTIONS for n in NETWORKS for s in SETS],
)


def built(construction: str, network: str, inputs: str, **options):
    model = NETWORKS[network]()
    example = torch.zeros(1, next(model.parameters()).shape[1])
    return model, construct(
        model, example, seed=3, construction=CONSTRUCTIONS[construction][0], inputs=SETS[inputs], **options
    )


@cases
def test_ticket_is_mask_times_source_bit_for_bit(construction, network, inputs):
    _, ticket = built(construction, network, inputs)
    parameters = dict(ticket.module(form="masked").named_parameters())
    for name, tensor in ticket.tensors.items():
        rows, columns = tensor.mask.shape
        parent = Source(3).block(name, tensor.law, range(rows), range(columns))
        expected = np.where(unpack(tensor.mask), parent, np.float32(0))
        stage = next(stage for stage in ticket.stages if name in (stage.weight, stage.bias))
        key = f"{stage.weight.replace('.', '_')}.{'weight' if name == stage.weight else 'bias'}"
        found = parameters[key].detach().numpy()
        np.testing.assert_array_equal(
            found if found.ndim == 2 else found[:, None], expected.T if tensor.transposed else expected
        )


@cases
def test_every_weight_meets_its_tolerance(construction, network, inputs):
    _, ticket = built(construction, network, inputs)
    assert ticket.record["report"]["failures"] == 0
    assert ticket.record["report"]["max_weight_error"] <= 0.01 * (1 + 1e-6)


@cases
def test_certificate_is_above_what_inputs_and_attack_find(construction, network, inputs):
    model, ticket = built(construction, network, inputs)
    layers = targets(read_graph(model, torch.zeros(1, next(model.parameters()).shape[1])), Tolerance(), SETS[inputs])
    compared = effective_layers(ticket, layers, effective_maps(ticket))
    generator = torch.Generator().manual_seed(0)
    points = SETS[inputs].sample(2000, layers[0].inputs, generator=generator)
    bound = ticket.record["certificate"]["bound"]
    assert output_errors(compared, points).max() <= bound
    assert attack(compared, SETS[inputs], restarts=6, steps=40, generator=generator).error <= bound


@cases
def test_module_computes_the_target_within_the_certificate(construction, network, inputs):
    model, ticket = built(construction, network, inputs)
    size = next(model.parameters()).shape[1]
    points = SETS[inputs].sample(200, size, generator=torch.Generator().manual_seed(1))
    x = torch.from_numpy(points).float()
    with torch.no_grad():
        outputs = {form: ticket.module(form=form)(x) for form in ("masked", "sparse", "collapsed")}
        errors = (outputs["sparse"].double() - model(x).double()).norm(dim=1)
    scale = float(outputs["collapsed"].abs().max()) + 1e-35
    for form in ("masked", "sparse"):
        torch.testing.assert_close(outputs[form] / scale, outputs["collapsed"] / scale, rtol=0, atol=2e-5)
    assert float(errors.max()) <= ticket.record["certificate"]["bound"] + 2e-5 * scale


@pytest.mark.parametrize("construction", CONSTRUCTIONS)
@pytest.mark.parametrize("widths", [(5, 3), (5, 4, 3), (5, 4, 4, 3)])
def test_depth_is_what_the_theorem_says(construction, widths):
    make, depth = CONSTRUCTIONS[construction]
    ticket = construct(relu_network(*widths), torch.zeros(1, 5), construction=make)
    assert len(ticket.stages) == depth(len(widths) - 1)


@pytest.mark.parametrize("construction", CONSTRUCTIONS)
@pytest.mark.parametrize("solver", [sparsest, nearest])
def test_answer_does_not_depend_on_threads_and_repeats(construction, solver, tmp_path):
    model, files = relu_network(20, 30, 10, bias=True), []
    for threads in (1, 2, 1):
        ticket = construct(
            model,
            torch.zeros(1, 20),
            construction=CONSTRUCTIONS[construction][0],
            solver=solver,
            workers=Workers(threads),
        )
        files.append({name: unpack(tensor.mask) for name, tensor in ticket.tensors.items()})
    for other in files[1:]:
        for name, mask in files[0].items():
            np.testing.assert_array_equal(mask, other[name])


@pytest.mark.parametrize("construction", CONSTRUCTIONS)
def test_target_and_random_state_are_untouched(construction):
    model = relu_network(6, 5, 3).train()
    before, state = {k: v.clone() for k, v in model.state_dict().items()}, torch.get_rng_state()
    construct(model, torch.zeros(1, 6), construction=CONSTRUCTIONS[construction][0])
    assert model.training
    assert torch.equal(state, torch.get_rng_state())
    for name, value in model.state_dict().items():
        assert torch.equal(value, before[name])


@pytest.mark.parametrize("construction", CONSTRUCTIONS)
def test_another_seed_is_another_ticket_from_another_parent(construction):
    model = relu_network(6, 5, 3)
    tickets = [
        construct(model, torch.zeros(1, 6), seed=seed, construction=CONSTRUCTIONS[construction][0]) for seed in (0, 1)
    ]
    assert tickets[0].fingerprints() != tickets[1].fingerprints()
    assert tickets[0].record["effective_sha256"] != tickets[1].record["effective_sha256"]


@pytest.mark.parametrize("construction", CONSTRUCTIONS)
def test_smaller_tolerance_gives_a_smaller_certificate(construction):
    model = relu_network(8, 10, 4)
    bounds = [
        construct(
            model, torch.zeros(1, 8), construction=CONSTRUCTIONS[construction][0], tolerance=Tolerance(epsilon)
        ).record["certificate"]["bound"]
        for epsilon in (0.05, 0.01, 0.002)
    ]
    assert bounds[0] > bounds[1] > bounds[2] > 0
