"""The laws of every construction: one line in each table holds a new one to all of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, partial

import numpy as np
import pytest
import torch
from tests.problems.targets import relu_network

from tombola import Ball, Source, Tolerance, construct, nearest, one_extra, sparsest, two_layer
from tombola.activations import activation
from tombola.effective import effective_maps
from tombola.engines import Workers
from tombola.graph import read_graph
from tombola.strong import (
    ComparedGraph,
    Parent,
    compare,
    depth_leveraged,
    fixed_size,
    golden_ratio,
    malach_box,
    malach_product,
    on_parent,
    output_errors,
    pensia,
    targets,
    worst_input,
)
from tombola.strong._construct import Construction
from tombola.ticket import unpack


@dataclass(frozen=True)
class Line:
    """A construction, its depth for a target's, and a tolerance at which small networks are quick."""

    make: Construction
    depth: Callable[[int], int]
    epsilon: float = 0.01

    @property
    def tolerance(self) -> Tolerance:
        return Tolerance(self.epsilon)


def twice(depth: int) -> int:
    return 2 * depth


CONSTRUCTIONS = {
    "two-layer": Line(two_layer, twice),
    "one-extra": Line(one_extra, lambda depth: depth + 1),
    "depth-leveraged": Line(depth_leveraged(3), lambda depth: 2 + 4 * (depth - 1)),
    "pensia": Line(pensia, twice),
    "fixed-size": Line(fixed_size(2), twice),
    "golden-ratio": Line(golden_ratio, twice),
    "malach-product": Line(malach_product, twice, 0.05),
    "malach-box": Line(malach_box, twice, 0.3),
    "two-layer from tanh": Line(on_parent(two_layer, Parent(activation("tanh"))), twice),
    "two-layer from pairs": Line(on_parent(two_layer, Parent(law="looks_linear")), twice),
}
CURVED = {"two-layer from tanh"}


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


@cache
def built(construction: str, network: str, inputs: str):
    if (construction, network) == ("golden-ratio", "tiny weights"):
        pytest.skip("its bins would reach below the smallest weights that a source has, 2**-100")
    model, line = NETWORKS[network](), CONSTRUCTIONS[construction]
    example = torch.zeros(1, next(model.parameters()).shape[1])
    return model, construct(
        model, example, seed=3, construction=line.make, inputs=SETS[inputs], tolerance=line.tolerance
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
    assert ticket.record["report"]["max_weight_error"] <= CONSTRUCTIONS[construction].epsilon * (1 + 1e-6)


@cases
def test_certificate_is_above_what_inputs_and_attack_find(construction, network, inputs):
    model, ticket = built(construction, network, inputs)
    graph = read_graph(model, torch.zeros(1, next(model.parameters()).shape[1]))
    layers = targets(graph, CONSTRUCTIONS[construction].tolerance, SETS[inputs])
    compared = compare(ticket, graph, layers, effective_maps(ticket))
    generator = torch.Generator().manual_seed(0)
    points = SETS[inputs].sample(2000, layers[0].inputs, generator=generator)
    bound = ticket.record["certificate"]["bound"]
    found = compared.errors(points) if isinstance(compared, ComparedGraph) else output_errors(compared, points)
    assert found.max() <= bound
    assert worst_input(compared, SETS[inputs], steps=20, generator=generator).error <= bound


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
    rounding = 2e-5 + (ticket.certificate.residual / scale if construction in CURVED else 0)
    for form in ("masked", "sparse"):
        torch.testing.assert_close(outputs[form] / scale, outputs["collapsed"] / scale, rtol=0, atol=rounding)
    assert float(errors.max()) <= ticket.record["certificate"]["bound"] + 2e-5 * scale


@pytest.mark.parametrize("construction", CONSTRUCTIONS)
@pytest.mark.parametrize("widths", [(5, 3), (5, 4, 3), (5, 4, 4, 3)])
def test_depth_is_what_the_theorem_says(construction, widths):
    line = CONSTRUCTIONS[construction]
    ticket = construct(relu_network(*widths), torch.zeros(1, 5), construction=line.make, tolerance=line.tolerance)
    assert len(ticket.stages) <= line.depth(len(widths) - 1)
    assert len(ticket.stages) == line.depth(len(widths) - 1) or construction == "depth-leveraged"


@pytest.mark.parametrize("construction", CONSTRUCTIONS)
@pytest.mark.parametrize("solver", [sparsest, nearest])
def test_answer_does_not_depend_on_threads_and_repeats(construction, solver, tmp_path):
    model, files = relu_network(20, 30, 10, bias=True), []
    for threads in (1, 2, 1):
        ticket = construct(
            model,
            torch.zeros(1, 20),
            construction=CONSTRUCTIONS[construction].make,
            solver=solver,
            tolerance=CONSTRUCTIONS[construction].tolerance,
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
    line = CONSTRUCTIONS[construction]
    construct(model, torch.zeros(1, 6), construction=line.make, tolerance=line.tolerance)
    assert model.training
    assert torch.equal(state, torch.get_rng_state())
    for name, value in model.state_dict().items():
        assert torch.equal(value, before[name])


@pytest.mark.parametrize("construction", CONSTRUCTIONS)
def test_another_seed_is_another_ticket_from_another_parent(construction):
    model, line = relu_network(6, 5, 3), CONSTRUCTIONS[construction]
    tickets = [
        construct(model, torch.zeros(1, 6), seed=seed, construction=line.make, tolerance=line.tolerance)
        for seed in (0, 1)
    ]
    assert tickets[0].fingerprints() != tickets[1].fingerprints()
    assert tickets[0].record["effective_sha256"] != tickets[1].record["effective_sha256"]


@pytest.mark.parametrize("construction", CONSTRUCTIONS)
def test_smaller_tolerance_gives_a_smaller_certificate(construction):
    model, line = relu_network(8, 10, 4), CONSTRUCTIONS[construction]
    bounds = [
        construct(model, torch.zeros(1, 8), construction=line.make, tolerance=Tolerance(factor * line.epsilon)).record[
            "certificate"
        ]["bound"]
        for factor in (1.6, 0.7, 0.3)
    ]
    assert bounds[0] > bounds[1] > bounds[2] > 0
