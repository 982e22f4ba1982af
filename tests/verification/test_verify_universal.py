"""Honest universal tickets pass every check; one that was tampered with fails those that name what was touched."""

from dataclasses import replace
from functools import cache

import numpy as np
import pytest
import torch
from tests.problems.tickets import target_of, with_mask, with_record
from tests.problems.tickets import ticket_of as strong_ticket

from tombola import Source, verify
from tombola.activations import activation
from tombola.strong import depth_leveraged, two_layer
from tombola.ticket import OwnerMask, unpack
from tombola.universal import Function, build, fourier, hats, orthogonal, polynomial, univariate
from tombola.verification._masks import masks_fit
from tombola.verification._rebuilt import feature_count, rebuilt

EVERY = ["source", "masks", "effective_weights", "family", "steps", "certificate", "sampled"]
FAMILIES = {
    "polynomial": lambda: (polynomial(2, 3), None),
    "fourier": lambda: (fourier(1, 2, period=2.0), None),
    "fourier, folded": lambda: (fourier(1, 3, fold=True), None),
    "legendre": lambda: (orthogonal(2, 3, kind="legendre"), None),
    "hats": lambda: (hats(2, 4), None),
    "polynomial, two-layer": lambda: (polynomial(2, 2, tolerance=1e-2), two_layer),
    "polynomial, deep": lambda: (polynomial(12, 2, tolerance=5e-2), depth_leveraged(3)),
}
SQUARE = Function("x^2", np.square, 0.0, 1.0, lambda low, high: np.full_like(low, 2.0))
UNPROVED = Function("x^2", np.square, 0.0, 1.0)


@cache
def ticket_of(name):
    family, construction = FAMILIES[name]()
    return build(family, seed=4, construction=construction)


@pytest.mark.parametrize("name", FAMILIES)
def test_an_honest_ticket_passes_every_check(name, reloaded):
    ticket = reloaded(ticket_of(name))
    found = verify(ticket)
    assert found.checks == dict.fromkeys(EVERY, True)
    assert found.notes == {}
    assert found.certified_bound == pytest.approx(ticket.certificate.bound, rel=1e-9)
    assert 0 < found.max_output_error <= found.certified_bound


def test_the_sample_finds_errors_nearly_as_large_as_the_bound():
    found = verify(ticket_of("legendre"))
    assert found.max_output_error > 0.9 * found.certified_bound


def test_it_does_not_ask_the_generator_that_built_the_ticket(monkeypatch):
    ticket = ticket_of("polynomial")

    def used(*_, **__):
        raise AssertionError("the builder's own generator was asked")

    monkeypatch.setattr(Source, "block", used)
    assert verify(ticket).ok


def kept_bit(ticket, name):
    return tuple(int(place) for place in np.argwhere(unpack(ticket.tensors[name].mask))[0])


@pytest.mark.parametrize("name", ["exponents.out", "log.values.in", "exp.knots", "exp.knots.bias"])
def test_an_edge_that_was_cut_is_noticed(name, reloaded):
    ticket = ticket_of("polynomial")
    place = kept_bit(ticket, name)
    changed = with_mask(ticket, name, lambda dense: dense.__setitem__(place, False))
    failed = verify(reloaded(changed)).failed
    assert "effective_weights" in failed
    assert not {"source", "family"} & set(failed)


def unused_edge(ticket, name, wanted):
    """An edge that is not kept, between units that are used, whose value is wanted."""
    mask = ticket.tensors[name].mask
    free = mask.rows_kept()[:, None] & mask.columns_kept() & ~unpack(mask)
    places = np.argwhere(free & wanted(ticket.block(name, 0, mask.shape[0])))
    return tuple(int(index) for index in places[0])


def test_an_edge_too_many_exceeds_the_certificate(reloaded):
    ticket = ticket_of("polynomial")
    place = unused_edge(ticket, "exp.values.in", lambda values: values > 0.5)
    found = verify(reloaded(with_mask(ticket, "exp.values.in", lambda dense: dense.__setitem__(place, True))))
    assert found.failed == ["effective_weights", "certificate", "sampled"]
    assert found.max_output_error > ticket.certificate.bound


def test_another_seed_is_noticed(reloaded):
    assert {"source", "effective_weights"} <= set(verify(reloaded(replace(ticket_of("hats"), source=Source(5)))).failed)


def test_lowered_errors_are_noticed(reloaded):
    ticket = ticket_of("legendre")
    changed = with_record(ticket, "certificate|errors", lambda errors: [error / 2 for error in errors])
    assert verify(reloaded(changed)).failed == ["certificate", "sampled"]
    last = with_record(ticket, "certificate|errors|5", lambda error: error * (1 - 1e-4))
    assert "certificate" in verify(reloaded(last)).failed


def test_a_higher_bound_is_a_weaker_claim_that_still_holds(reloaded):
    changed = with_record(ticket_of("hats"), "certificate|errors", lambda errors: [2 * error for error in errors])
    assert verify(reloaded(changed)).ok


@pytest.mark.parametrize(
    ("name", "path", "value", "note"),
    [
        ("polynomial", "family|settings|degree", 2, "of 5 features, and says that it has 9"),
        ("polynomial", "family|settings|degree", 10**9, "of more than 9 features"),
        ("polynomial", "family|settings|degree", "3", "no polynomial family has the settings"),
        ("polynomial", "family|settings|degree", True, "no polynomial family has the settings"),
        ("polynomial", "family|settings", {}, "one is missing"),
        ("polynomial", "family|settings", {"degree": 3, "name": "hat"}, "name 'hat'"),
        ("polynomial", "family|name", "fourier", "no fourier family"),
        ("polynomial", "family|tolerance", 0.5e-6, "tolerance must lie between"),
        ("legendre", "family|name", "hat", "no hat family"),
        ("fourier", "family|settings|period", -1.0, "period must be a positive finite number"),
        ("fourier, folded", "family|settings|fold", False, "its record describes another family"),
        ("polynomial", "family|more", 1, "its record describes another family"),
    ],
)
def test_another_family_in_the_record_is_noticed(name, path, value, note, reloaded):
    found = verify(reloaded(with_record(ticket_of(name), path, value)))
    assert found.failed == ["family"]
    assert note in found.notes["family"]
    assert found.certified_bound is None


def test_functions_that_others_have_are_not_passed_off(reloaded):
    """Chebyshev and Legendre polynomials of one degree have the same steps: only their errors tell them apart."""
    found = verify(reloaded(with_record(ticket_of("legendre"), "family|name", "chebyshev")))
    assert found.failed == ["certificate", "sampled"] or found.failed == ["steps", "certificate", "sampled"]
    assert found.max_output_error > 0.1


@pytest.mark.parametrize(
    ("path", "value"),
    [("steps|0|knots|0", lambda knots: knots + 1), ("steps|2|high", lambda high: high * 1.001)],
)
def test_other_knots_and_intervals_in_the_record_are_noticed(path, value, reloaded):
    assert verify(reloaded(with_record(ticket_of("polynomial"), path, value))).failed == ["steps"]


def fed_units(ticket, layer):
    masks = [ticket.tensors[name].mask for name in (f"{layer}.knots", f"{layer}.knots.bias")]
    return masks[0].rows_kept() | masks[1].rows_kept()


@pytest.mark.parametrize("part", ["", ".bias"])
def test_a_knot_that_nobody_reads_is_noticed(part):
    ticket = ticket_of("polynomial")
    unit = int(np.flatnonzero(~fed_units(ticket, "log"))[0])
    changed = with_mask(ticket, f"log.knots{part}", lambda dense: dense.__setitem__((unit, 0), True))
    found = verify(changed)
    assert "masks" in found.failed
    assert "no further checks" in found.notes["masks"]
    assert "certificate" not in found.checks


def test_a_relay_with_a_weight_that_is_not_positive_is_noticed():
    ticket = ticket_of("polynomial")
    name = "exp.values.in"
    place = unused_edge(ticket, name, lambda values: values < 0)
    assert "masks" in verify(with_mask(ticket, name, lambda dense: dense.__setitem__(place, True))).failed


def test_a_relay_that_leads_nowhere_is_noticed():
    ticket = ticket_of("polynomial")
    assert isinstance(ticket.tensors["exp.values.out"].mask, OwnerMask)
    unit = int(np.flatnonzero(ticket.tensors["exp.values.out"].mask.rows_kept())[0])
    assert "masks" in verify(with_mask(ticket, "exp.values.out", lambda owner: owner.__setitem__(unit, -1))).failed


def test_a_deep_group_of_which_a_unit_is_cut_off_is_noticed():
    ticket = ticket_of("polynomial, deep")
    layers = [stage.layer for stage in ticket.stages]
    deep = next(layer for layer in layers if layers.count(layer) > 2)
    second = [stage.weight for stage in ticket.stages if stage.layer == deep][1]
    row = int(np.flatnonzero(ticket.tensors[second].mask.rows_kept())[0])
    owned = isinstance(ticket.tensors[second].mask, OwnerMask)
    changed = with_mask(ticket, second, lambda array: array.__setitem__(row, -1 if owned else False))
    assert "masks" in verify(changed).failed


def test_sums_by_sign_are_not_for_universal_tickets():
    """They would leave edges out of the effective weights that the network has."""
    assert masks_fit(ticket_of("hats"))
    record = ticket_of("hats").record | {"signed_layers": {"block.values": True}}
    assert not masks_fit(replace(ticket_of("hats"), record=record))


def test_other_activations_are_not_for_universal_tickets():
    ticket = ticket_of("polynomial")
    stages = (replace(ticket.stages[0], activation=activation("softplus")), *ticket.stages[1:])
    assert masks_fit(ticket)
    assert not masks_fit(replace(ticket, stages=stages))


def test_a_callers_own_functions_are_checked_if_they_are_given(reloaded):
    family = univariate([SQUARE], dimension=2)
    ticket = reloaded(build(family))
    alone = verify(ticket)
    assert alone.ok
    assert list(alone.checks) == EVERY[:3]
    assert "cannot be made again" in alone.notes["family"]
    assert verify(ticket, family=family).checks == dict.fromkeys(EVERY, True)
    wrong = replace(SQUARE, value=lambda x: x**2 + 0.1 * x)
    assert {"certificate", "sampled"} <= set(verify(ticket, family=univariate([wrong], dimension=2)).failed)
    assert verify(ticket, family=univariate([SQUARE], dimension=3)).failed == ["family"]


def test_where_nothing_is_proved_nothing_is_checked_but_the_error_is_seen(reloaded):
    family = univariate([UNPROVED])
    ticket = reloaded(build(family))
    found = verify(ticket, family=family)
    assert found.checks == dict.fromkeys(EVERY[:5], True)
    assert found.notes == {"certificate": "nothing is proved of its features"}
    assert 0 < found.max_output_error <= family.tolerance
    assert found.certified_bound == float("inf")


def test_a_ticket_that_claims_nothing_is_not_made_to(reloaded):
    """Its dimension could be anything: nothing of that size may be made."""
    ticket = with_record(ticket_of("hats"), "certificate", {"guarantee": "none", "errors": []})
    ticket = with_record(ticket, "family|dimension", 10**12)
    ticket = with_record(ticket, "family|features", 4 * 10**12)
    found = verify(reloaded(ticket))
    assert found.checks == dict.fromkeys(EVERY[:3], True)
    assert found.notes == {"certificate": "nothing is proved of its features"}


def test_arguments_that_do_not_fit_are_refused():
    with pytest.raises(ValueError, match="stands for no target"):
        verify(ticket_of("hats"), target=target_of("two-layer"))
    with pytest.raises(ValueError, match="inputs are at least one"):
        verify(ticket_of("hats"), inputs=torch.zeros(1, 2))
    with pytest.raises(ValueError, match="has no family of functions"):
        verify(strong_ticket("two-layer"), family=hats(2, 4))


@pytest.mark.parametrize("name", FAMILIES)
def test_a_family_is_made_again_from_its_record(name):
    family = FAMILIES[name]()[0]
    again = rebuilt(family.to_json())
    assert again.to_json() == family.to_json()
    x = np.random.default_rng(0).random((5, family.dimension))
    np.testing.assert_array_equal(again.exact(x), family.exact(x))


@pytest.mark.parametrize("dimension", [1, 2, 3])
@pytest.mark.parametrize("size", [1, 2, 4])
def test_features_are_counted_without_making_them(dimension, size):
    for name, make in (("polynomial", polynomial), ("fourier", fourier), ("chebyshev", orthogonal)):
        assert feature_count(name, dimension, size, most=10**6) == make(dimension, size).features
