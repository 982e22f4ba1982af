import json
import tracemalloc
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits
from tests.problems.exact_supremum import supremum_over_ball, supremum_over_box

from tombola.strong import _difference, _parts, _slope
from tombola.strong._attack import attack
from tombola.strong._certificate import Certificate, certificate
from tombola.strong._effective import EffectiveLayer, output_errors, split_signs
from tombola.strong._input_sets import Ball, Box, Pinned
from tombola.strong._parts import BLOCK

ABOVE = 1 - 1e-12  # what float64 may have added to an error that was computed, not proved
BOUNDS = ("spectral", "slope", "interval")
POSITIVE = Ball(nonnegative=True)
LARGE = (784, 4800, 4400, 10)


def seeded(seed):
    return torch.Generator().manual_seed(seed)


def one(value):
    return np.array([[float(value)]])


def chain(targets, tickets):
    """A network with one unit per layer."""
    return [EffectiveLayer(one(target), one(ticket)) for target, ticket in zip(targets, tickets, strict=True)]


def copied(weights, owner, before, rng, error):
    """Ticket weights that sum to the target's over the copies of each unit, but for random errors."""
    ticket = np.zeros((len(owner), len(before)))
    for unit in range(weights.shape[1]):
        copies = np.flatnonzero(before == unit)
        shares = rng.standard_normal((len(owner), len(copies)))
        shares += (1 - shares.sum(axis=1, keepdims=True)) / len(copies)
        ticket[:, copies] = shares * weights[owner, unit][:, None]
    return ticket + error * rng.uniform(-1, 1, ticket.shape)


def random_network(rng, widths, *, error, biased=False, copies=1, signed=False):
    layers, before = [], np.arange(widths[0])
    for index, (inputs, outputs) in enumerate(pairwise(widths)):
        weights = rng.standard_normal((outputs, inputs)) / np.sqrt(inputs)
        owner = np.repeat(np.arange(outputs), 1 if index + 2 == len(widths) else copies)
        ticket = copied(weights, owner, before, rng, error)
        bias = rng.standard_normal(outputs) / 2 if biased else None
        biases = (
            {"target_bias": bias, "ticket_bias": bias[owner] + error * rng.uniform(-1, 1, len(owner))} if biased else {}
        )
        if signed and index == 0:
            other = ticket + error * rng.uniform(-1, 1, ticket.shape)
            layers.append(split_signs(weights, ticket, other, owner=owner, **biases))
        else:
            layers.append(EffectiveLayer(weights, ticket, owner=owner, **biases))
        before = owner
    return layers


def with_noisy_constants(rng, widths, *, error, copies):
    """A network whose biases are weights on a constant unit, which the ticket rebuilds with errors in every layer."""
    layers, before = [], np.arange(widths[0] + 1)
    for index, (inputs, outputs) in enumerate(pairwise(widths)):
        weights = rng.standard_normal((outputs, inputs + 1)) / np.sqrt(inputs)
        last = index + 2 == len(widths)
        if not last:
            weights = np.concatenate([weights, np.eye(1, inputs + 1, inputs)])
        owner = np.repeat(np.arange(len(weights)), 1 if last else copies)
        layers.append(EffectiveLayer(weights, copied(weights, owner, before, rng, error), owner=owner))
        before = owner
    return layers


def holds(layers, input_set, found, seed=0):
    """Checks all three bounds against random inputs and the attack; returns the largest error that was seen."""
    size = layers[0].ticket.shape[1] // (1 + layers[0].signed)
    sampled = output_errors(layers, input_set.sample(10_000, size, generator=seeded(seed))).max()
    attacked = attack(layers, input_set, restarts=12, steps=60, generator=seeded(seed)).error
    seen = max(sampled, attacked)
    for name in BOUNDS:
        assert seen * ABOVE <= getattr(found, name), name
    assert found.bound == min(getattr(found, name) for name in BOUNDS)
    return seen


# by hand


def test_a_chain_of_single_units_by_hand():
    found = certificate(chain([1.0, 2.0, 3.0], [1.5, 2.5, 3.5]), POSITIVE)
    # ticket 1.5 * 2.5 * 3.5, target 1 * 2 * 3, and the errors of the three layers on their own way out
    np.testing.assert_allclose([getattr(found, name) for name in BOUNDS], 7.125, rtol=1e-6)
    np.testing.assert_allclose(found.per_layer, [0.5 * 2.5 * 3.5, 1.0 * 0.5 * 3.5, 1.0 * 2.0 * 0.5], rtol=1e-6)
    np.testing.assert_allclose(found.amplification, [1.5, 1.25, 3.5 / 3])


@pytest.mark.parametrize(
    ("targets", "tickets"),
    [
        ([1.0, 2.0], [1.5, 2.0]),  # only the gap of the first layer
        ([1.0, 2.0], [1.0, 2.5]),  # only that of the last
        ([1.0, 1.0], [1.5, 9.0]),  # the ticket's weights carry the error on, not the target's
        ([1.0, 0.0, 5.0], [1.5, 2.0, 5.0]),  # nothing but the error passes the middle
        ([2.0, 3.0, 0.0], [2.0, 3.0, 0.5]),  # the activations of the target, not their errors, meet the last gap
    ],
)
@pytest.mark.parametrize("input_set", [POSITIVE, Ball(3.0, nonnegative=True), Box(0, 1), Box(0.25, 2.0), Box(-1, 2)])
def test_no_term_can_be_left_out(targets, tickets, input_set):
    layers = chain(targets, tickets)
    if not input_set.is_nonnegative():
        layers[0] = split_signs(layers[0].target, layers[0].ticket, layers[0].ticket)
    exact = input_set.bounds(1)[1].item() * (np.prod(tickets) - np.prod(targets))
    found = certificate(layers, input_set)
    for name in BOUNDS:
        assert exact * ABOVE <= getattr(found, name), name
    assert found.bound <= exact * (1 + 1e-6)


def test_errors_that_cancel_where_all_units_are_active_still_count():
    # relu(x) + relu(-x) with both weights too large: the mean slope has no error at all, every single slope has
    target, ticket = np.array([[1.0], [-1.0]]), np.array([[1.25], [-1.25]])
    layers = [split_signs(target, ticket, ticket), EffectiveLayer(np.ones((1, 2)), np.ones((1, 2)))]
    found = certificate(layers, Ball())
    np.testing.assert_allclose(found.interval, 0.5, rtol=1e-6)
    assert 0.25 * ABOVE <= found.slope <= 0.45


def test_a_unit_that_is_never_active_has_no_error():
    layers = [EffectiveLayer(one(-1.0), one(-1.5)), EffectiveLayer(one(1.0), one(2.0))]
    found = certificate(layers, POSITIVE)
    assert (found.slope, found.interval) == (0.0, 0.0)
    np.testing.assert_allclose(found.spectral, 2.0 * 0.5)  # the norm of the first gap does not see its sign


def test_a_ticket_with_other_weights_for_negative_inputs():
    layers = [split_signs(one(1.0), one(1.25), one(0.5))]
    np.testing.assert_allclose(certificate(layers, Ball()).bound, 0.5, rtol=1e-5)
    np.testing.assert_allclose(certificate(layers, POSITIVE).bound, 0.25, rtol=1e-6)
    np.testing.assert_allclose(certificate(layers, Box(-2.0, 0.5)).bound, 1.0, rtol=1e-6)


def test_biases_move_the_error():
    layers = [
        EffectiveLayer(one(1.0), one(1.0), np.array([1.0]), np.array([1.5])),
        EffectiveLayer(one(2.0), one(2.0), np.array([0.0]), np.array([0.25])),
    ]
    np.testing.assert_allclose(certificate(layers, POSITIVE).bound, 1.25, rtol=1e-6)
    np.testing.assert_allclose(certificate(layers, Ball(0.0, nonnegative=True)).bound, 1.25, rtol=1e-6)


def test_copies_with_errors_of_their_own_are_amplified():
    # the weight 1 is put together as 5 - 4 from two copies, one .1 too large: the error is 5 times that
    first = EffectiveLayer(one(1.0), np.array([[1.1], [1.0]]), owner=np.array([0, 0]))
    second = EffectiveLayer(one(1.0), np.array([[5.0, -4.0]]))
    found = certificate([first, second], POSITIVE)
    assert 0.5 * ABOVE <= found.bound <= 0.5 * (1 + 1e-6)
    np.testing.assert_allclose(found.amplification, [1.1, 9.0])


@pytest.mark.parametrize("shift", [0.5, -0.5])
def test_a_difference_that_has_one_sign_before_the_relu_can_still_vanish_behind_it(shift):
    # far below zero both units are silent, and what should undo the shift is all that is left
    first = split_signs(one(1.0), one(1.0), one(1.0), target_bias=np.zeros(1), ticket_bias=np.array([shift]))
    second = EffectiveLayer(one(1.0), one(1.0), np.zeros(1), np.array([-shift]))
    layers = [first, second]
    found = certificate(layers, Box(-1, 1))
    assert holds(layers, Box(-1, 1), found) == pytest.approx(0.5)
    assert found.bound <= 0.5 * (1 + 1e-6)


def test_a_ticket_unit_can_fall_silent_where_the_target_is_always_active():
    # 1 - 2x and 1 + 2x add up to the target's 1 + 1 until the first is cut off at x = 1/2
    target, ticket = np.zeros((2, 1)), np.array([[-2.0], [2.0]])
    layers = [EffectiveLayer(target, ticket, np.ones(2), np.ones(2)), EffectiveLayer(np.ones((1, 2)), np.ones((1, 2)))]
    found = certificate(layers, Box(0, 1))
    assert holds(layers, Box(0, 1), found) == pytest.approx(1.0)


def test_copies_that_add_up_exactly_have_no_error():
    owner = np.array([0, 0, 1, 1])
    target = np.array([[1.0, 2.0], [4.0, 8.0]])
    first = EffectiveLayer(target, target[owner], owner=owner)
    second = EffectiveLayer(target, np.array([[0.25, 0.75, 1.5, 0.5], [5.0, -1.0, 4.0, 4.0]]))
    found = certificate([first, second], POSITIVE)
    assert found.spectral < 1e-12  # nothing but what rounding could hide
    assert found.amplification == (1.0, 14 / 12)


# the law


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize("nonnegative", [False, True])
def test_above_the_exact_supremum_over_a_ball(seed, nonnegative):
    rng = np.random.default_rng(seed)
    size, units, error = rng.integers(2, 7), rng.integers(1, 5), 10.0 ** rng.uniform(-2, 0)
    layers = random_network(rng, (size, units, 1), error=error)
    networks = [(layers[0].target, layers[1].target), (layers[0].ticket, layers[1].ticket)]
    input_set = Ball(float(rng.uniform(0.5, 2)), nonnegative)
    if not nonnegative:
        layers[0] = split_signs(layers[0].target, layers[0].ticket, layers[0].ticket)
    exact = supremum_over_ball(*networks, radius=input_set.radius, nonnegative=nonnegative)
    found = certificate(layers, input_set)
    for name in BOUNDS:
        assert exact * ABOVE <= getattr(found, name), name
    assert attack(layers, input_set, generator=seeded(seed), steps=100).error <= exact * (1 + 1e-12)


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize("biased", [False, True])
def test_above_the_exact_supremum_over_a_box(seed, biased):
    rng = np.random.default_rng(seed)
    size, units, error = rng.integers(1, 4), rng.integers(1, 5), 10.0 ** rng.uniform(-2, 0)
    layers = random_network(rng, (size, units, 2), error=error)
    bias = rng.standard_normal(units) * biased
    low = rng.uniform(-1, 1, size)
    low, high = (np.abs(low), np.abs(low) + 1) if seed % 2 else (low, low + rng.uniform(0, 2, size))
    first, last = layers
    exact = supremum_over_box((first.target, bias, last.target), (first.ticket, 1.1 * bias, last.ticket), low, high)
    biases = {"target_bias": bias, "ticket_bias": 1.1 * bias} if biased else {}
    if (low >= 0).all():
        first = EffectiveLayer(first.target, first.ticket, **biases)
    else:
        first = split_signs(first.target, first.ticket, first.ticket, **biases)
    found = certificate([first, last], Box(low, high))
    for name in BOUNDS:
        assert exact * ABOVE <= getattr(found, name), name


def test_the_slope_bound_is_near_the_exact_supremum_on_small_networks():
    ratios = []
    for seed in range(15):
        rng = np.random.default_rng(seed)
        layers = random_network(rng, (4, 4, 1), error=0.05)
        networks = [(layers[0].target, layers[1].target), (layers[0].ticket, layers[1].ticket)]
        ratios.append(certificate(layers, POSITIVE).slope / supremum_over_ball(*networks, nonnegative=True))
    assert np.median(ratios) < 1.7


@pytest.mark.parametrize("seed", range(10))
@pytest.mark.parametrize("biased", [False, True])
@pytest.mark.parametrize("copies", [1, 3])
def test_above_every_error_seen_in_deep_networks(seed, biased, copies):
    rng = np.random.default_rng(seed)
    widths = (*rng.integers(1, 7, rng.integers(2, 5)), 3)
    signed = bool(seed % 2)
    layers = random_network(
        rng, widths, error=10.0 ** rng.uniform(-3, -0.5), biased=biased, copies=copies, signed=signed
    )
    low = -1.0 if signed else 0.0
    for input_set in (Ball(1.5, nonnegative=not signed), Box(low, rng.uniform(0, 1, widths[0]))):
        holds(layers, input_set, certificate(layers, input_set), seed)


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("input_set", [POSITIVE, Box(0, 1)], ids=["ball", "box"])
def test_above_every_error_seen_where_constants_are_rebuilt_with_errors(seed, input_set):
    rng = np.random.default_rng(seed)
    layers = with_noisy_constants(rng, (4, 5, 4, 2), error=0.05, copies=3)
    pinned = Pinned(input_set, 1.0)
    found = certificate(layers, pinned)
    holds(layers, pinned, found, seed)


def test_errors_of_constants_alone():
    # all weights are exact but those of the constants; a recursion without their errors would find none
    first = EffectiveLayer(np.array([[1.0, 0.0], [0.0, 1.0]]), np.array([[1.0, 0.0], [0.0, 1.25]]))
    second = EffectiveLayer(np.array([[1.0, 2.0]]), np.array([[1.0, 2.0]]))
    layers, pinned = [first, second], Pinned(POSITIVE, 1.0)
    found = certificate(layers, pinned)
    assert holds(layers, pinned, found) == pytest.approx(0.5)
    assert found.bound <= 0.5 * (1 + 1e-6)


def he_network(rng, widths=(784, 500, 10)):
    return [rng.standard_normal((out, size)) * np.sqrt(2 / size) for size, out in pairwise(widths)]


def deeper_he_network(rng):
    return he_network(rng, (200, 100, 60, 10))


def ridge_on_digits(rng):
    """Random features of the 8x8 digits, with the output weights that a ridge regression finds."""
    digits = load_digits()
    first = rng.standard_normal((200, 64)) * np.sqrt(2 / 64)
    features = np.maximum(digits.data / 16 @ first.T, 0)
    last = np.linalg.solve(features.T @ features + np.eye(200), features.T @ np.eye(10)[digits.target])
    return first, last.T


@pytest.mark.parametrize("make", [he_network, deeper_he_network, ridge_on_digits])
def test_within_four_times_the_attack_for_weight_errors_of_a_hundredth(make):
    rng = np.random.default_rng(0)
    layers = [EffectiveLayer(weights, weights + rng.uniform(-0.01, 0.01, weights.shape)) for weights in make(rng)]
    found = certificate(layers, POSITIVE)
    seen = attack(layers, POSITIVE, generator=seeded(0)).error
    assert seen <= found.bound <= 4 * seen
    assert found.bound == found.slope < 0.6 * found.spectral


def test_more_steps_make_the_slope_bound_tighter_and_none_keep_it_valid():
    layers = random_network(np.random.default_rng(0), (20, 15, 10, 5), error=0.01)
    slopes = [certificate(layers, POSITIVE, slope_steps=steps).slope for steps in (0, 10, 60)]
    assert slopes[2] < slopes[1] < slopes[0]
    seen = attack(layers, POSITIVE, generator=seeded(0)).error
    assert seen <= slopes[2]


def test_an_exact_ticket_has_error_zero():
    rng = np.random.default_rng(0)
    layers = [replace(layer, ticket=layer.target) for layer in random_network(rng, (5, 4, 3), error=0.1)]
    found = certificate(layers, Box(0, 1))
    assert (found.bound, found.per_layer) == (0.0, (0.0, 0.0))


def test_a_gap_that_rounds_to_zero_is_not_taken_for_zero():
    # 1 + 2**-54 is 1 in float64: the sum of the copies' weights seems exact and is not
    first = EffectiveLayer(one(1.0), np.ones((2, 1)), owner=np.array([0, 0]))
    second = EffectiveLayer(one(1.0), np.array([[1.0, 2.0**-54]]))
    found = certificate([first, second], POSITIVE)
    assert all(2.0**-54 <= getattr(found, name) < 1e-13 for name in BOUNDS)


@pytest.mark.parametrize("scale", [1e-20, 1e-6, 1e9, 1e25])
def test_the_bounds_scale_with_the_inputs_and_with_the_weights_of_every_layer(scale):
    layers = random_network(np.random.default_rng(3), (6, 5, 4, 2), error=0.05)
    plain = certificate(layers, POSITIVE)
    others = [certificate(layers, Ball(scale, nonnegative=True))]
    for index, layer in enumerate(layers):
        scaled = replace(layer, target=scale * layer.target, ticket=scale * layer.ticket)
        others.append(certificate([*layers[:index], scaled, *layers[index + 1 :]], POSITIVE))
    for other in others:
        for name in BOUNDS:
            np.testing.assert_allclose(getattr(other, name), scale * getattr(plain, name), rtol=1e-3)


@pytest.mark.parametrize(("widths", "kept"), [((784, 500, 10), True), ((784, 1000, 1000, 10), True), (LARGE, False)])
def test_the_slope_bound_is_left_out_where_its_work_would_exceed_the_budget(monkeypatch, widths, kept):
    def constant(*shape):
        return np.broadcast_to(1.0, shape)  # takes no memory

    stages = tuple(
        _difference.Stage(constant(n, k), constant(n, k), np.arange(n), constant(n, k), 0.0, np.ones(n, bool))
        for k, n in pairwise(widths)
    )
    generators = POSITIVE.generators(widths[0], signed=False)
    problem = _difference.Difference(stages, POSITIVE, widths[0], False, generators, stages[0].target, stages[0].gap)
    monkeypatch.setattr(
        _slope, "_chain", lambda *_: _slope.Chain((np.ones((0, 1)),), (), (), (), np.ones(1), np.ones(1))
    )
    assert _slope.slope_bound(problem, [], [], steps=0) == (0.0 if kept else None)


@pytest.mark.parametrize("input_set", [POSITIVE, Box(0, 1)], ids=["ball", "box"])
def test_the_bound_holds_without_the_slope_bound_and_survives_json(monkeypatch, input_set):
    layers = random_network(np.random.default_rng(7), (6, 5, 4, 2), error=0.05)
    whole = certificate(layers, input_set)
    monkeypatch.setattr(_slope, "BUDGET", 0.0)
    found = certificate(layers, input_set)
    assert found == replace(whole, slope=None, bound=min(whole.spectral, whole.interval))
    assert attack(layers, input_set, generator=seeded(0)).error <= found.bound
    assert Certificate.from_json(json.loads(json.dumps(found.to_json(), allow_nan=False))) == found


def test_without_the_slope_bound_a_certificate_holds_few_copies_of_the_largest_layer(monkeypatch):
    rng = np.random.default_rng(8)
    weights = [rng.standard_normal((n, k)) for k, n in pairwise((100, 1200, 1000, 10))]
    layers = [EffectiveLayer(matrix, matrix + 0.01) for matrix in weights]
    monkeypatch.setattr(_slope, "BUDGET", 0.0)
    tracemalloc.start()
    certificate(layers, POSITIVE)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    size = weights[1].nbytes  # the gap, a Gram matrix, vectors of the eigenvalue search, and blocks of 8 MB
    assert peak < 2.7 * size + 3 * 8 * BLOCK


def test_the_bounds_do_not_depend_on_the_size_of_blocks(monkeypatch):
    layers = random_network(np.random.default_rng(9), (6, 5, 4, 2), error=0.05, copies=2)
    whole = certificate(layers, Box(0, 1))
    monkeypatch.setattr(_parts, "BLOCK", 12)  # one or two rows
    found = certificate(layers, Box(0, 1))
    np.testing.assert_allclose(found.interval, whole.interval, rtol=1e-12)
    assert found.amplification == whole.amplification


def test_a_smaller_set_has_a_smaller_bound():
    layers = random_network(np.random.default_rng(4), (6, 5, 2), error=0.05)
    wide, narrow = certificate(layers, Box(0, 1)), certificate(layers, Box(0.4, 0.6))
    assert all(getattr(narrow, name) < getattr(wide, name) for name in BOUNDS)


# what else is promised


def test_the_certificate_survives_json():
    layers = random_network(np.random.default_rng(5), (3, 4, 2), error=0.1)
    for attacked in (None, 0.01):
        found = certificate(layers, Box([0.0, 0.0, 0.5], [1.0, 2.0, 0.5]), attack=attacked)
        assert Certificate.from_json(json.loads(json.dumps(found.to_json()))) == found


def test_json_of_another_kind_is_refused():
    data = certificate(chain([1.0], [1.5]), POSITIVE).to_json()
    with pytest.raises(ValueError, match="fields"):
        Certificate.from_json({**data, "colour": 1})
    with pytest.raises(ValueError, match="fields"):
        Certificate.from_json({name: value for name, value in data.items() if name != "bound"})


def test_the_layers_stay_as_they_are_and_the_answer_too():
    layers = random_network(np.random.default_rng(6), (4, 5, 3), error=0.1, biased=True)
    before = [layer.ticket.copy() for layer in layers]
    first = certificate(layers, POSITIVE)
    with torch.no_grad():
        assert certificate(layers, POSITIVE) == first
    with torch.inference_mode():
        assert certificate(layers, POSITIVE) == first
    for layer, ticket in zip(layers, before, strict=True):
        np.testing.assert_array_equal(layer.ticket, ticket)


@pytest.mark.parametrize("input_set", [Ball(), Box(-0.1, 1), Pinned(Ball(), 1.0)])
def test_a_ticket_of_one_sign_is_not_certified_where_inputs_are_negative(input_set):
    layers = [EffectiveLayer(np.ones((1, 2)), np.ones((1, 2)))]
    with pytest.raises(ValueError, match="one sign only"):
        certificate(layers, input_set)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: [], "at least one layer"),
        (lambda: [*chain([1.0], [1.0]), EffectiveLayer(np.ones((1, 2)), np.ones((1, 2)))], "layer 1 takes"),
        (lambda: [*chain([1.0], [1.0]), split_signs(one(1), one(1), one(1))], "layer 1"),
        (lambda: [EffectiveLayer(np.ones((2, 1)), np.ones((2, 1)), owner=np.array([1, 0]))], "in order"),
        (lambda: [EffectiveLayer(np.ones((2, 1)), np.ones((3, 1)), owner=np.array([0, 1, 1]))], "in order"),
        (lambda: [EffectiveLayer(np.ones((2, 1)), np.ones((3, 1)))], "owner"),
        (lambda: [EffectiveLayer(np.ones((2, 1)), np.ones((2, 1)), owner=np.array([0, 2]))], "owner"),
        (lambda: [EffectiveLayer(np.ones((2, 1)), np.ones((2, 1)), np.ones(3))], "target_bias"),
        (lambda: [EffectiveLayer(np.ones((2, 1)), np.full((2, 1), np.nan))], "finite"),
        (lambda: [EffectiveLayer(np.ones((2, 1)), np.ones((2, 2)))], "same inputs"),
    ],
)
def test_layers_that_do_not_fit_are_refused(make, message):
    with pytest.raises(ValueError, match=message):
        certificate(make(), POSITIVE)


def test_sets_that_do_not_fit_are_refused():
    biased = [EffectiveLayer(one(1), one(1), np.ones(1), np.ones(1))]
    with pytest.raises(ValueError, match="3 coordinates, and the network takes 1"):
        certificate(biased, Box(np.zeros(3), np.ones(3)))
    with pytest.raises(ValueError, match="constant input coordinate"):
        certificate([EffectiveLayer(np.ones((1, 2)), np.ones((1, 2)), np.ones(1))], Pinned(POSITIVE, 1.0))
