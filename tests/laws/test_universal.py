"""The laws of every universal ticket: one line in the table holds a family and a construction to all of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from itertools import product

import numpy as np
import pytest
import torch

from tombola import Source, Ticket, load
from tombola.strong import depth_leveraged, two_layer
from tombola.ticket import unpack
from tombola.universal import Family, Features, Function, build, fourier, hats, orthogonal, polynomial, univariate
from tombola.universal._features import IDENTITY, Table

SEED = 3
RATIO = 1.2  # how far a proved bound on a feature of one input may be above the largest error that is found
LOOSER = 1.9  # the same for monomials: the largest errors of logarithm and exponential need not meet in one input
DEPTH = depth_leveraged(3)

HYPERBOLA = Function("1 / (1 + x)", lambda x: 1 / (1 + x), 0.0, 1.0, lambda low, high: 2 / (1 + low) ** 3)
CUBE = Function("x^3", lambda x: x**3, 0.0, 1.0, lambda low, high: 6 * high)
ROOT = Function("sqrt(x + 0.1)", lambda x: np.sqrt(x + 0.1), 0.0, 1.0)


@dataclass(frozen=True)
class Line:
    """A family, and how its tickets are built; `ratio`: how far a bound may be above the largest error found."""

    make: Callable[[], Family]
    construction: Callable | None = None
    ratio: float = RATIO


FAMILIES = {
    "powers": lambda: polynomial(1, 4, tolerance=2e-3),
    "monomials": lambda: polynomial(3, 2, tolerance=4e-3),
    "wave": lambda: fourier(1, 1, tolerance=2e-2),
    "waves": lambda: fourier(2, 2, tolerance=2e-2),
    "folded": lambda: fourier(1, 3, tolerance=3e-2, fold=True),
    "chebyshev": lambda: orthogonal(2, 3, tolerance=2e-2),
    "legendre": lambda: orthogonal(1, 3, kind="legendre", tolerance=2e-2),
    "straight": lambda: orthogonal(1, 1, tolerance=2e-2),
    "hats": lambda: hats(2, 5),
    "functions": lambda: univariate([HYPERBOLA, CUBE], dimension=2),
    "unproved": lambda: univariate([ROOT]),
}
CONSTRUCTIONS = {"paths": None, "two-layer": two_layer, "depth": DEPTH}
TOO_STRAIGHT = {("straight", "two-layer"), ("straight", "depth")}  # these want a knot, and a straight line has none
AS_NARROW = {(name, "depth") for name in ("powers", "monomials", "waves", "chebyshev")}  # depth would be two layers

TICKETS = {
    f"{family} by {construction}": Line(
        FAMILIES[family], CONSTRUCTIONS[construction], LOOSER if family == "powers" else RATIO
    )
    for family, construction in product(FAMILIES, CONSTRUCTIONS)
    if (family, construction) not in TOO_STRAIGHT | AS_NARROW
}
tickets = pytest.mark.parametrize("name", TICKETS)
PROVED = [name for name in TICKETS if not name.startswith("unproved")]
proved = pytest.mark.parametrize("name", PROVED)


@cache
def family(name: str) -> Family:
    return TICKETS[name].make()


@cache
def ticket(name: str) -> Ticket:
    return build(family(name), seed=SEED, construction=TICKETS[name].construction)


@cache
def features(name: str) -> Features:
    return Features.of(ticket(name))


@cache
def breakpoints(name: str) -> np.ndarray:
    """Where features of one input bend, as a function of it, and the numbers next to these."""
    made = features(name)
    found = [table.points for table in made.after]
    if made.linear is not None:
        ahead = made.before or IDENTITY
        pairs = zip(made.linear.weight[:, 0], made.linear.bias, strict=True)
        lines = [Table(ahead.points, np.maximum(weight * ahead.values + bias, 0)) for weight, bias in pairs]
        found = [line.then(made.after[0]).points for line in lines]
    points = np.unique(np.concatenate(found))
    return np.clip(np.concatenate([points, np.nextafter(points, -1), np.nextafter(points, 2)]), 0, 1)


def inputs(name: str) -> np.ndarray:
    """Random inputs, the corners of the box, and where something bends."""
    d, random = family(name).dimension, np.random.default_rng(5)
    corners = np.array(list(product([0.0, 1.0], repeat=d)))
    found = [random.uniform(size=(20_000, d)), corners]
    if d == 1:
        found.append(breakpoints(name)[:, None])
    elif features(name).linear is None or features(name).before is not None:
        table = features(name).before or features(name).after[0]
        found.append(random.choice(table.points, size=(5_000, d)))
    return np.concatenate(found)


@cache
def errors(name: str) -> np.ndarray:
    """The largest error of every feature that is found."""
    x = inputs(name)
    return np.abs(features(name)(x) - family(name).exact(x)).max(axis=0)


def parent(one: Ticket, name: str) -> np.ndarray:
    """The source's values of a whole tensor, kept or not."""
    tensor = one.tensors[name]
    return Source(SEED).block(name, tensor.law, *map(range, tensor.mask.shape))


def masked(one: Ticket, name: str) -> np.ndarray:
    """A tensor of the parent with pruned weights at zero, outputs by inputs, float64."""
    tensor = one.tensors[name]
    values = np.where(unpack(tensor.mask), parent(one, name), 0).astype(np.float64)
    return values.T if tensor.transposed else values


def run(one: Ticket, name: str, x: np.ndarray) -> np.ndarray:
    """All stages of a step, one matrix product after the other."""
    for stage in one.stages:
        if stage.layer == name or stage.layer.startswith(f"{name}."):
            x = x @ masked(one, stage.weight).T
            x = x if stage.bias is None else x + masked(one, stage.bias)[:, 0]
            x = np.maximum(x, 0) if stage.relu else x
    return x


def masked_network(one: Ticket, x: np.ndarray) -> np.ndarray:
    """The pruned parent at inputs `(n, d)`, with nothing but its kept edges."""
    for step in one.record["steps"]:
        if step["kind"] == "linear":
            x = run(one, step["name"], x)
        else:
            channels = run(one, step["name"], x.reshape(-1, 1)).reshape(*x.shape, -1)
            x = channels.transpose(0, 2, 1).reshape(len(x), -1)
    return x


@tickets
def test_every_weight_is_zero_or_the_sources_own(name):
    one = ticket(name)
    parameters = dict(one.module(form="masked").named_parameters())
    assert len(parameters) == len(one.tensors)
    for stage in one.stages:
        for tensor, end in ((stage.weight, "weight"), (stage.bias, "bias")):
            if tensor is not None:
                found = parameters[f"{stage.weight.replace('.', '_')}.{end}"].detach().numpy()
                expected = np.where(unpack(one.tensors[tensor].mask), parent(one, tensor), np.float32(0))
                oriented = expected.T if one.tensors[tensor].transposed else expected
                np.testing.assert_array_equal(found.ravel(), oriented.ravel())
                assert set(found.shape) - {1} == set(oriented.shape) - {1}


@tickets
def test_source_is_as_it_was(name):
    one, bare = ticket(name), {}
    for key, tensor in one.tensors.items():
        bare[key] = Ticket("universal", Source(SEED), {key: tensor}).fingerprints()[key]
    assert one.source == Source(SEED)
    assert one.record["fingerprints"] == one.fingerprints() == bare


@tickets
def test_a_seed_gives_the_same_masks_and_another_seed_others(name):
    construction = TICKETS[name].construction
    again, other = (build(TICKETS[name].make(), seed=seed, construction=construction) for seed in (SEED, SEED + 1))
    assert again.tensors.keys() == ticket(name).tensors.keys()
    for key, tensor in ticket(name).tensors.items():
        np.testing.assert_array_equal(unpack(tensor.mask), unpack(again.tensors[key].mask))
    assert again.record["certificate"] == ticket(name).record["certificate"]
    assert any(
        tensor.mask.shape != other.tensors[key].mask.shape
        or (unpack(tensor.mask) != unpack(other.tensors[key].mask)).any()
        for key, tensor in ticket(name).tensors.items()
    )


@tickets
def test_features_are_those_of_the_kept_edges(name):
    x = np.random.default_rng(8).uniform(size=(300, family(name).dimension))
    np.testing.assert_allclose(features(name)(x), masked_network(ticket(name), x), rtol=0, atol=1e-9)
    assert (
        features(name).count == family(name).features == len(family(name).label([f"x{i}" for i in range(x.shape[1])]))
    )


@tickets
def test_modules_compute_the_features_in_float32(name):
    x = np.random.default_rng(9).uniform(size=(50, family(name).dimension))
    expected = torch.from_numpy(features(name)(x)).float()
    for form in ("masked", "sparse", "collapsed"):
        with torch.no_grad():
            found = ticket(name).module(form=form)(torch.from_numpy(x).float())
        torch.testing.assert_close(found, expected, rtol=0, atol=2e-4)


@proved
def test_no_error_exceeds_its_proved_bound(name):
    assert (errors(name) <= ticket(name).certificate.errors).all()


@proved
def test_proved_bound_meets_the_tolerance(name):
    assert ticket(name).certificate.bound <= family(name).tolerance
    assert ticket(name).record["certificate"]["guarantee"] == "exact"


@pytest.mark.parametrize("name", [name for name in PROVED if family(name).dimension == 1])
def test_bound_is_not_far_above_the_largest_error(name):
    assert (ticket(name).certificate.errors <= TICKETS[name].ratio * errors(name)).all()


@pytest.mark.parametrize("name", [name for name in TICKETS if name not in PROVED])
def test_nothing_is_proved_without_a_curvature(name):
    assert ticket(name).certificate.bound == np.inf
    assert ticket(name).record["certificate"] == {"guarantee": "none", "errors": []}
    assert errors(name).max() <= family(name).tolerance


@proved
def test_combinations_stay_within_the_read_out_bound(name):
    x, random = inputs(name)[-5_000:], np.random.default_rng(7)
    coefficients = random.standard_normal((20, family(name).features)) * random.choice([0, 1e-3, 1], (20, 1))
    gaps = np.abs((features(name)(x) - family(name).exact(x)) @ coefficients.T).max(axis=0)
    assert (gaps <= ticket(name).certificate.read_out(coefficients) + 1e-13).all()


@tickets
def test_ticket_comes_back_from_its_file(name, tmp_path):
    ticket(name).save(tmp_path / "a.ticket")
    back, x = load(tmp_path / "a.ticket"), inputs(name)[:1000]
    np.testing.assert_array_equal(Features.of(back)(x), features(name)(x))
    assert back.kept == ticket(name).kept
    np.testing.assert_array_equal(back.certificate.errors, ticket(name).certificate.errors)
