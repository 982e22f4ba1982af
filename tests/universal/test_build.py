"""Universal tickets from end to end: sizes, widths, records, and what is refused."""

from __future__ import annotations

import math
from functools import cache

import numpy as np
import pytest
import torch

from tombola import Ticket, load
from tombola.strong import depth_leveraged, two_layer
from tombola.universal import Features, build, fourier, hats, orthogonal, polynomial
from tombola.universal._build import WIDTH

SHARED = ("log.", "exp.")


@cache
def pairs(dimension: int) -> Ticket:
    return build(polynomial(dimension, 2, tolerance=2e-3), seed=1)


def masks(ticket: Ticket, starts: tuple[str, ...]) -> dict[str, tuple[tuple[int, int], int]]:
    return {
        name: (tensor.mask.shape, tensor.mask.kept)
        for name, tensor in ticket.tensors.items()
        if name.startswith(starts)
    }


@pytest.mark.parametrize("dimension", [1, 5, 20])
def test_shared_blocks_do_not_grow_with_the_dimension(dimension):
    """The logarithm and the exponential of 2 features and of 230 are of the same size, kept edges and all."""
    assert masks(pairs(dimension), SHARED) == masks(pairs(2), SHARED)
    assert len(masks(pairs(dimension), SHARED)) == 10


def test_only_the_affine_map_grows_with_the_number_of_features():
    few, many = pairs(2), pairs(20)
    grown = many.kept - few.kept
    own = [sum(kept for _, kept in masks(ticket, ("exponents",)).values()) for ticket in (few, many)]
    assert grown == own[1] - own[0] > 0
    assert many.certificate.bound <= 2e-3


def test_features_of_twenty_inputs_are_the_exact_ones():
    x = np.random.default_rng(0).uniform(size=(2_000, 20))
    gaps = np.abs(Features.of(pairs(20))(x) - polynomial(20, 2).exact(x)).max(axis=0)
    assert (gaps <= pairs(20).certificate.errors).all()


def test_one_ticket_serves_all_polynomials_of_its_degree():
    """Nothing but a linear fit is left, and its error is below what is proved."""
    family = polynomial(2, 3, tolerance=2e-3)
    ticket = build(family)
    features, random = Features.of(ticket), np.random.default_rng(0)
    x = random.uniform(size=(4_000, 2))
    made, exact = features(x), family.exact(x)
    for _ in range(50):
        coefficients = random.standard_normal(family.features)
        coefficients /= np.abs(coefficients).sum()
        gap = np.abs((made - exact) @ coefficients).max()
        assert gap <= ticket.certificate.read_out(coefficients) <= ticket.certificate.bound * (1 + 1e-12)


def test_the_record_says_what_was_built():
    ticket = build(fourier(1, 1, tolerance=5e-2), seed=4, width=4096)
    record = ticket.record
    assert ticket.kind == "universal"
    assert record["family"]["settings"] == {"frequency": 1, "period": 1.0, "fold": False}
    assert record["options"] == {"construction": "paths", "width": 4096}
    assert [(step["name"], step["kind"]) for step in record["steps"]] == [("frequencies", "linear"), ("sine", "block")]
    assert record["steps"][1]["high"] >= 1.25
    assert record["report"]["seconds"] > 0
    assert len(record["effective_sha256"]) == 64
    assert set(record["fingerprints"]) == set(ticket.tensors)


@pytest.mark.parametrize(
    ("construction", "name"), [(two_layer, "two_layer"), (depth_leveraged(2), "depth_leveraged(2)")]
)
def test_the_record_names_the_construction(construction, name):
    ticket = build(orthogonal(1, 2, tolerance=5e-2), construction=construction)
    assert ticket.record["options"] == {"construction": name, "width": WIDTH}


def test_smaller_tolerances_keep_more_and_prove_more():
    tickets = [build(fourier(1, 1, tolerance=tolerance)) for tolerance in (5e-2, 1e-2, 2e-3)]
    assert tickets[0].kept < tickets[1].kept < tickets[2].kept
    assert tickets[0].certificate.bound > tickets[1].certificate.bound > tickets[2].certificate.bound


@pytest.mark.parametrize("period", [0.3, 2.0, 7.0])
@pytest.mark.parametrize("fold", [False, True])
def test_waves_of_any_period(period, fold):
    family = fourier(1, 1, period=period, tolerance=3e-2, fold=fold)
    ticket, x = build(family), np.linspace(0, 1, 4001)[:, None]
    gaps = np.abs(Features.of(ticket)(x) - family.exact(x)).max(axis=0)
    assert (gaps <= ticket.certificate.errors).all()
    assert ticket.certificate.bound <= 3e-2


def test_the_coarsest_tolerance_is_met():
    for family in (polynomial(1, 2, tolerance=1.0), fourier(1, 1, tolerance=1.0), orthogonal(1, 3, tolerance=1.0)):
        assert build(family).certificate.bound <= 1.0


def test_global_random_state_is_left_alone(untouched):
    build(polynomial(1, 2, tolerance=1e-2))
    build(hats(1, 2), construction=two_layer)


def test_masks_do_not_depend_on_what_was_built_before():
    first = build(fourier(1, 1, tolerance=5e-2), seed=2)
    build(polynomial(1, 2, tolerance=1e-2), seed=2)
    torch.rand(3)
    again = build(fourier(1, 1, tolerance=5e-2), seed=2)
    assert first.record["effective_sha256"] == again.record["effective_sha256"]
    assert first.record["fingerprints"] == again.record["fingerprints"]


def test_equal_tickets_are_equal_files_but_for_the_seconds(tmp_path):
    for name in ("a", "b"):
        ticket = build(polynomial(1, 2, tolerance=1e-2), seed=2)
        ticket.record["report"]["seconds"] = 1.0
        ticket.save(tmp_path / name)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
    assert load(tmp_path / "a").certificate.bound == ticket.certificate.bound


@pytest.mark.parametrize("width", [4, 8, 32])
def test_a_block_that_needs_a_wider_source_says_so(width):
    with pytest.raises(ValueError, match=rf"needs more than the {width} hidden units of its source; give it a wider"):
        build(polynomial(1, 4), width=width)


@pytest.mark.parametrize("width", [-1, 0, 3])
def test_features_need_units_of_their_own(width):
    message = rf"polynomial family with 4 features needs as many units, .* have {width}; .*wider source"
    with pytest.raises(ValueError, match=message):
        build(polynomial(1, 4), width=width)


def test_a_construction_that_needs_a_wider_source_says_so():
    with pytest.raises(ValueError, match=r"its source has layers of 16 units, and \d+ are needed; give it a wider one"):
        build(fourier(1, 1, tolerance=5e-2), construction=two_layer, width=16)


@pytest.mark.parametrize("seed", [-1, 2**64])
def test_a_seed_names_a_source(seed):
    with pytest.raises(ValueError, match="seed"):
        build(polynomial(1, 1), seed=seed)


def test_monomials_take_as_many_features_as_there_are():
    ticket = pairs(20)
    assert len(ticket.certificate.errors) == math.comb(22, 2) - 1
