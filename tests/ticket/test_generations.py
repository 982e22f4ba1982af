"""Tickets whose weights were drawn again from their own addresses: values, files, checks and forgeries."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from tests.problems.tickets import ticket_of
from torch import nn

from tombola import Source, Ticket
from tombola._reference import reference_edges, reference_first_block
from tombola.effective import kept_edges
from tombola.errors import TicketFileError
from tombola.random_source import Mirrored, Normal, SignedConstant, Uniform
from tombola.ticket import BitMask, array_sha256, check_ticket, content_sha256, load_ticket, pack, unpack, values_at
from tombola.ticket._container import read_container, write_container
from tombola.verification import verify

SOURCE, ROWS, COLUMNS = Source(9, generation=2), 90, 70
LAWS = {"normal": Normal(0.4), "uniform": Uniform(1.0), "mirrored": Mirrored(Normal(1.0))}


def layer_of(law):
    """A layer whose weights were drawn again up to three times, its mask, and how often that was."""
    draw = torch.Generator().manual_seed(0)
    generations = torch.randint(4, (ROWS, COLUMNS), generator=draw).to(torch.int16)
    layer = nn.Linear(COLUMNS, ROWS)
    with torch.no_grad():
        layer.weight.copy_(values_at(SOURCE, "weight", law, generations))
    return layer, torch.rand(ROWS, COLUMNS, generator=draw) < 0.3, generations


def ticket_with(law):
    layer, mask, generations = layer_of(law)
    return Ticket.from_masks(
        layer,
        {"weight": mask},
        source=SOURCE,
        scheme=lambda name, value: law if value.ndim > 1 else None,
        generations={"weight": generations},
    )


def changed(ticket, generations):
    """The ticket with other generations, everything else as it was."""
    tensor = replace(ticket.tensors["weight"], generations=tuple(generations))
    return replace(ticket, tensors={**ticket.tensors, "weight": tensor})


def dense(tensor):
    """How often each kept weight was drawn again."""
    return sum(number * unpack(mask) for number, mask in enumerate(tensor.generations, 1))


@pytest.mark.parametrize("law", LAWS.values(), ids=LAWS.keys())
def test_kept_values_are_those_of_their_own_generations(law):
    layer, mask, generations = layer_of(law)
    ticket = ticket_with(law)
    tensor = ticket.tensors["weight"]
    np.testing.assert_array_equal(dense(tensor), torch.where(mask, generations, 0).numpy())
    block = torch.from_numpy(ticket.block("weight", 0, ROWS).copy())
    torch.testing.assert_close(block[mask], layer.weight.detach()[mask], rtol=0, atol=0)
    for number in range(4):
        here = mask & (generations == number)
        wanted = Source(9, 2 + number).tensor("weight", law, (ROWS, COLUMNS))
        assert block[here].equal(wanted[here])
        assert here.any()
    np.testing.assert_array_equal(ticket.block("weight", 13, 40), block[13:40].numpy())


@pytest.mark.parametrize("law", LAWS.values(), ids=LAWS.keys())
def test_the_second_generator_gives_the_same(law):
    ticket = ticket_with(law)
    for start, stop in ((0, ROWS), (7, 31), (ROWS, ROWS)):
        for ours, theirs in zip(
            kept_edges(ticket, "weight", start, stop), reference_edges(ticket, "weight", start, stop), strict=True
        ):
            np.testing.assert_array_equal(ours, theirs)
    assert array_sha256(reference_first_block(ticket, "weight")) == ticket.fingerprints()["weight"]
    assert verify(ticket).ok


def test_a_ticket_comes_back_as_it_went(tmp_path):
    ticket = ticket_with(LAWS["normal"])
    size = ticket.save(tmp_path / "one")
    loaded = load_ticket(tmp_path / "one")
    assert loaded.record == ticket.record
    again = loaded.tensors["weight"]
    np.testing.assert_array_equal(dense(again), dense(ticket.tensors["weight"]))
    assert len(again.generations) == 3
    assert verify(loaded).ok
    assert loaded.save(tmp_path / "two") == size
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()


def test_where_nothing_was_drawn_again_the_file_is_as_it_always_was(tmp_path):
    layer = nn.Linear(6, 5, bias=False)
    with torch.no_grad():
        layer.weight.copy_(Source(1).tensor("weight", Normal(1.0), (5, 6)))
    mask, given = torch.eye(5, 6).bool(), {"source": Source(1), "scheme": lambda name, value: Normal(1.0)}
    zeros = {"weight": torch.zeros(5, 6, dtype=torch.int16)}
    Ticket.from_masks(layer, {"weight": mask}, **given).save(tmp_path / "one")
    Ticket.from_masks(layer, {"weight": mask}, **given, generations=zeros).save(tmp_path / "two")
    Ticket.from_masks(layer, {"weight": mask}, **given, generations={}).save(tmp_path / "three")
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes() == (tmp_path / "three").read_bytes()
    _, arrays = read_container(tmp_path / "one")
    assert set(arrays) == {"mask/weight/bits"}


def test_generations_of_pruned_weights_are_not_saved():
    layer, mask, generations = layer_of(Normal(1.0))
    generations[mask] = 0
    with torch.no_grad():
        layer.weight.copy_(values_at(SOURCE, "weight", Normal(1.0), generations))
    ticket = Ticket.from_masks(
        layer,
        {"weight": mask},
        source=SOURCE,
        scheme=lambda name, value: Normal(1.0) if value.ndim > 1 else None,
        generations={"weight": generations},
    )
    assert ticket.tensors["weight"].generations == ()


def without_one_weight(mask, which):
    kept = unpack(mask)
    rows, columns = np.nonzero(kept)
    kept[rows[which], columns[which]] = False
    return pack(kept)


TAMPERED = {
    "none": lambda one, two, three: (),
    "the last is missing": lambda one, two, three: (one, two),
    "two are exchanged": lambda one, two, three: (two, one, three),
    "a weight of the first block is of the first generation": lambda one, two, three: (
        without_one_weight(one, 0),
        two,
        three,
    ),
    "the last weight is of the first generation": lambda one, two, three: (one, two, without_one_weight(three, -1)),
    "one later": lambda one, two, three: (pack(np.zeros((ROWS, COLUMNS), np.bool_)), one, two, three),
}


@pytest.mark.parametrize("change", TAMPERED.values(), ids=TAMPERED.keys())
def test_a_ticket_with_other_generations_is_found_out(change, tmp_path):
    ticket = ticket_with(LAWS["normal"])
    other = changed(ticket, change(*ticket.tensors["weight"].generations))
    other.save(tmp_path / "forged")  # its hash over record and arrays is right
    for one in (other, load_ticket(tmp_path / "forged")):
        found = verify(one)
        assert not found.ok
        assert "effective_weights" in found.failed


def test_the_source_check_sees_the_first_block_alone():
    ticket = ticket_with(LAWS["normal"])
    one, two, three = ticket.tensors["weight"].generations
    assert "source" in verify(changed(ticket, (without_one_weight(one, 0), two, three))).failed
    assert verify(changed(ticket, (one, two, without_one_weight(three, -1)))).failed == ["effective_weights"]


def outside(ticket):
    return pack(~unpack(ticket.tensors["weight"].mask))


REFUSED = {
    "a pruned weight": (lambda t, one, two, three: (one, two, outside(t)), "of generation 3 is pruned"),
    "two generations": (lambda t, one, two, three: (one, two, one), "of generation 3 is pruned, or of two"),
    "another shape": (lambda t, one, two, three: (pack(np.ones((2, 2), np.bool_)),), "do not fit its mask"),
    "an empty last": (
        lambda t, one, two, three: (one, pack(np.zeros((ROWS, COLUMNS), np.bool_))),
        "the last of them is empty",
    ),
}


@pytest.mark.parametrize(("change", "message"), REFUSED.values(), ids=REFUSED.keys())
def test_generations_that_are_no_disjoint_parts_of_the_mask_are_refused(change, message, tmp_path):
    ticket = ticket_with(LAWS["normal"])
    other = changed(ticket, change(ticket, *ticket.tensors["weight"].generations))
    for call in (check_ticket, verify, lambda t: t.save(tmp_path / "x")):
        with pytest.raises(ValueError, match=message):
            call(other)


def test_values_that_are_saved_cannot_be_drawn_again():
    ticket = ticket_of("masked, saved values")
    name = next(iter(ticket.tensors))
    tensor = ticket.tensors[name]
    other = replace(ticket, tensors={**ticket.tensors, name: replace(tensor, generations=(tensor.mask,))})
    with pytest.raises(ValueError, match="cannot have been drawn again"):
        check_ticket(other)


def test_constructions_draw_nothing_again():
    ticket = ticket_of("two-layer")
    name = next(name for name, tensor in ticket.tensors.items() if isinstance(tensor.mask, BitMask))
    tensor = ticket.tensors[name]
    other = replace(ticket, tensors={**ticket.tensors, name: replace(tensor, generations=(tensor.mask,))})
    with pytest.raises(ValueError, match="or is of a construction"):
        check_ticket(other)


def test_generations_beyond_the_last_are_refused():
    ticket = ticket_with(LAWS["normal"])
    with pytest.raises(ValueError, match="beyond"):
        check_ticket(replace(ticket, source=Source(9, generation=2**32 - 3)))


def given(**options):
    layer = nn.Linear(3, 2, bias=False)
    with torch.no_grad():
        layer.weight.copy_(Source(1).tensor("weight", Normal(1.0), (2, 3)))
    options = {"source": Source(1), "scheme": lambda name, value: Normal(1.0)} | options
    return Ticket.from_masks(layer, {}, **options)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"generations": {"other": torch.zeros(2, 3, dtype=torch.int16)}}, "fit no parameter"),
        ({"generations": {"weight": torch.zeros(3, 2, dtype=torch.int16)}}, "fit no parameter"),
        ({"generations": {"weight": torch.zeros(2, 3)}}, "integers from 0"),
        ({"generations": {"weight": -torch.ones(2, 3, dtype=torch.int16)}}, "integers from 0"),
        ({"generations": {"weight": torch.ones(2, 3, dtype=torch.int16)}}, "not what the source has"),
        (
            {"generations": {"weight": torch.zeros(2, 3, dtype=torch.int16)}, "source": None, "scheme": None},
            "follows no law",
        ),
    ],
)
def test_numbers_that_do_not_fit_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        given(**options)


def test_signed_constants_that_come_out_the_same_change_no_weight():
    law = SignedConstant(1.0)
    ticket = ticket_with(law)
    found, again = (unpack(mask) for mask in ticket.tensors["weight"].generations[:2])
    values = [Source(9, 2 + number).block("weight", law, range(ROWS), range(COLUMNS)) for number in (1, 2)]
    row, column = next(zip(*np.nonzero(found & (values[0] == values[1])), strict=True))
    found[row, column], again[row, column] = False, True
    other = changed(ticket, (pack(found), pack(again), *ticket.tensors["weight"].generations[2:]))
    assert verify(other).ok, "it stands for the same network"


@pytest.mark.parametrize(
    ("place", "message"),
    [
        ("generation/weight/5", "does not know"),
        ("generation/weight/0", "does not know"),
        ("generation/x/1", "does not know"),
        ("generation/bias/1", "a coded mask of 90 rows and 1 columns"),
    ],
)
def test_a_file_with_generations_that_belong_nowhere_is_refused(place, message, tmp_path):
    ticket_with(LAWS["normal"]).save(tmp_path / "honest")
    metadata, arrays = read_container(tmp_path / "honest")
    part = next(name for name in arrays if name.startswith("generation/weight/1/"))
    mask = {name: array for name, array in arrays.items() if name.startswith(part.rpartition("/")[0])}
    arrays |= {f"{place}/{name.rpartition('/')[2]}": array for name, array in mask.items()}
    metadata["sha256"] = content_sha256(metadata["ticket"], arrays)
    with open(tmp_path / "forged", "wb") as file:
        write_container(file, arrays, metadata)
    with pytest.raises(TicketFileError, match=message):
        load_ticket(tmp_path / "forged")
