import numpy as np
import pytest
import torch
from tests.problems.tickets import MASKED, STRONG, ticket_of
from torch import nn

from tombola import Source, Ticket, initialise
from tombola.random_source import Uniform, glorot, he
from tombola.ticket import MaskedTensor, OwnerMask, array_sha256, check_ticket, pack, unpack


def small():
    """Two tensors by hand: three owned units of two inputs, and six bits."""
    source, law = Source(11), Uniform(1.0)
    return Ticket(
        "strong",
        source,
        {
            "a": MaskedTensor(OwnerMask(np.array([1, -1, 0], np.int32), 2), law),
            "b": MaskedTensor(pack(np.array([[1, 0], [0, 0], [1, 1]], np.bool_)), law, transposed=True),
        },
    )


def test_counts_by_hand():
    ticket = small()
    assert (ticket.kept, ticket.source_parameters, ticket.density) == (5, 12, 5 / 12)
    assert ticket.certificate is None


def test_blocks_are_the_source_at_the_tensors_own_name():
    ticket = small()
    np.testing.assert_array_equal(ticket.block("b", 1, 3), Source(11).block("b", Uniform(1.0), range(1, 3), range(2)))
    assert not np.array_equal(ticket.block("a", 0, 2), ticket.block("b", 0, 2))


def test_masks_are_oriented_as_weights():
    masks = small().masks()
    assert masks["a"].int().tolist() == [[0, 1], [0, 0], [1, 0]]
    assert masks["b"].int().tolist() == [[1, 0, 1], [0, 0, 1]]


@pytest.mark.parametrize("name", STRONG)
def test_a_strong_ticket_is_complete_and_certified(name):
    ticket = ticket_of(name)
    check_ticket(ticket)
    assert ticket.certificate.bound == ticket.record["certificate"]["bound"] > 0
    assert not ticket.values


@pytest.mark.parametrize("name", [*STRONG, *MASKED])
def test_a_fingerprint_changes_with_seed_and_law(name):
    ticket = ticket_of(name)
    assert ticket.fingerprints() == ticket.record["fingerprints"]
    other = Ticket(ticket.kind, Source(99), ticket.tensors, ticket.stages, ticket.values, ticket.record).fingerprints()
    for tensor, fingerprint in other.items():
        assert (fingerprint == ticket.record["fingerprints"][tensor]) == (tensor in ticket.values)


def test_a_fingerprint_covers_all_saved_values_and_the_first_block_of_others():
    layer = nn.Linear(100, 70)
    before = Ticket.from_masks(layer, {})
    layer.weight.data[-1, -1] += 1
    after = Ticket.from_masks(layer, {})
    assert before.fingerprints()["weight"] != after.fingerprints()["weight"]
    assert before.fingerprints()["bias"] == after.fingerprints()["bias"]
    ticket = ticket_of("two-layer")
    assert ticket.fingerprints()["fc1.in"] == array_sha256(ticket.block("fc1.in", 0, 63)[:64, :64])


def model():
    generator = torch.Generator().manual_seed(0)
    net = nn.Sequential(nn.Conv2d(2, 3, 2), nn.Flatten(), nn.Linear(3, 2))
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.normal_(generator=generator)
    return net


def random_masks(net):
    generator = torch.Generator().manual_seed(1)
    return {name: torch.rand(p.shape, generator=generator) < 0.5 for name, p in net.named_parameters() if p.ndim > 1}


@pytest.mark.usefixtures("untouched")
def test_masks_and_values_of_a_model_are_all_there():
    state = torch.get_rng_state()
    net = model()
    torch.set_rng_state(state)
    masks = random_masks(net)
    ticket = Ticket.from_masks(net, masks)
    whole = {name: masks.get(name, torch.ones(p.shape, dtype=torch.bool)) for name, p in net.named_parameters()}
    torch.testing.assert_close(ticket.masks(), whole)
    assert ticket.kept == sum(int(mask.sum()) for mask in whole.values())
    for name, value in net.named_parameters():
        np.testing.assert_array_equal(ticket.values[name].ravel(), value.detach().ravel())
    check_ticket(ticket)


@pytest.mark.parametrize("scheme", [he, glorot])
def test_values_at_their_addresses_are_not_saved(scheme):
    net = model()
    net.load_state_dict(initialise(net, Source(4), scheme=scheme), strict=False)
    ticket = Ticket.from_masks(net, random_masks(net), source=Source(4), scheme=scheme)
    assert set(ticket.values) == {"0.bias", "2.bias"}
    for name, value in net.named_parameters():
        rows = ticket.tensors[name].mask.shape[0]
        np.testing.assert_array_equal(ticket.block(name, 0, rows).ravel(), value.detach().ravel())


def test_a_parameter_that_is_not_at_its_address_is_refused():
    net = model()
    net.load_state_dict(initialise(net, Source(4)), strict=False)
    net[2].weight.data[0, 0] += 1e-6
    with pytest.raises(ValueError, match=r"'2\.weight' is not what the source has at its address"):
        Ticket.from_masks(net, {}, source=Source(4), scheme=he)


@pytest.mark.parametrize("options", [{"source": Source(0)}, {"scheme": he}])
def test_source_and_scheme_come_together(options):
    with pytest.raises(ValueError, match="come together"):
        Ticket.from_masks(model(), {}, **options)


def test_masks_that_do_not_fit_are_refused():
    with pytest.raises(ValueError, match="names no parameter"):
        Ticket.from_masks(model(), {"nothing": torch.ones(1, dtype=torch.bool)})


def test_float64_would_be_rounded_and_is_refused():
    with pytest.raises(ValueError, match=r"float64, which a ticket would round; call model\.float\(\)"):
        Ticket.from_masks(nn.Linear(2, 1).double(), {})


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_short_types_are_saved_without_loss(dtype):
    net = nn.Linear(3, 2).to(dtype)
    ticket = Ticket.from_masks(net, {})
    torch.testing.assert_close(torch.from_numpy(ticket.values["weight"]).to(dtype), net.weight.detach(), rtol=0, atol=0)


@pytest.mark.parametrize("shape", [(), (0,), (0, 3), (3, 0), (2, 3, 4)])
def test_parameters_of_any_shape_have_a_ticket(shape, tmp_path):
    net = nn.Module()
    net.register_parameter("w", nn.Parameter(torch.ones(shape)))
    ticket = Ticket.from_masks(net, {"w": torch.zeros(shape, dtype=torch.bool)})
    ticket.save(tmp_path / "t")
    assert ticket.masks()["w"].shape == shape
    assert ticket.kept == 0


def test_a_masked_ticket_is_no_module_of_its_own():
    with pytest.raises(ValueError, match=r"belongs to an ordinary model; use ticket\.masks\(\)"):
        ticket_of("masked, saved values").module()


def test_another_form_is_refused():
    with pytest.raises(ValueError, match="masked, sparse, collapsed, got 'dense'"):
        ticket_of("two-layer").module(form="dense")


def test_a_law_without_a_source_is_an_error():
    ticket = Ticket("masked", None, small().tensors)
    with pytest.raises(ValueError, match="has a law but the ticket has no source"):
        ticket.block("a", 0, 1)


def test_unpacking_every_tensor_gives_the_masks():
    ticket = ticket_of("one-extra, biases")
    for name, mask in ticket.masks().items():
        dense = unpack(ticket.tensors[name].mask)
        np.testing.assert_array_equal(mask, dense.T if ticket.tensors[name].transposed else dense)
