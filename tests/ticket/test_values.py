import json

import numpy as np
import pytest
import torch
from torch import nn

from tombola import load
from tombola.errors import TicketFileError
from tombola.ticket import Ticket, content_sha256, half, kept_only
from tombola.ticket._container import read_container, write_container
from tombola.ticket._file import FORMAT
from tombola.ticket._values import EXPANSION, encode_values


def ticket(density=0.1, rows=50, columns=80):
    generator = torch.Generator().manual_seed(0)
    layer = nn.Linear(columns, rows)
    with torch.no_grad():
        for value in layer.parameters():
            value.copy_(torch.randn(value.shape, generator=generator))
    return Ticket.from_masks(layer, {"weight": torch.rand(rows, columns, generator=generator) < density})


def arrays_of(path):
    return read_container(path)[1]


def test_pruned_zeros_are_not_written(tmp_path):
    whole, bare = ticket(), kept_only(ticket())
    whole.save(tmp_path / "whole")
    bare.save(tmp_path / "bare")
    assert arrays_of(tmp_path / "whole")["value/weight"].shape == (50, 80)
    found = arrays_of(tmp_path / "bare")
    assert (found["kept/weight"].shape, found["kept/weight"].dtype) == ((bare.tensors["weight"].mask.kept,), np.float32)
    assert "value/weight" not in found


def test_the_network_is_the_same_and_the_hashes_are_those_of_the_values():
    whole, bare = ticket(), kept_only(ticket())
    assert bare.record["effective_sha256"] == whole.record["effective_sha256"]
    assert bare.fingerprints() == bare.record["fingerprints"] != whole.record["fingerprints"]
    mask = whole.masks()["weight"].numpy()
    np.testing.assert_array_equal(bare.values["weight"], np.where(mask, whole.values["weight"], 0))


@pytest.mark.parametrize("change", [kept_only, half, lambda one: half(kept_only(one))])
def test_what_is_loaded_is_what_was_saved(change, tmp_path):
    wanted = change(ticket())
    wanted.save(tmp_path / "t")
    found = load(tmp_path / "t")
    for name, value in wanted.values.items():
        assert found.values[name].dtype == np.float32
        np.testing.assert_array_equal(found.values[name].view(np.uint32), value.view(np.uint32))
    assert found.fingerprints() == wanted.record["fingerprints"]
    found.save(tmp_path / "again")
    assert (tmp_path / "again").read_bytes() == (tmp_path / "t").read_bytes()


def test_half_takes_two_bytes_a_value_and_is_another_ticket(tmp_path):
    short = half(kept_only(ticket()))
    short.save(tmp_path / "t")
    assert {arrays_of(tmp_path / "t")[name].dtype for name in ("kept/weight", "value/bias")} == {np.dtype(np.float16)}
    assert short.record["effective_sha256"] != ticket().record["effective_sha256"]


def test_values_that_float16_cannot_hold_stay_in_float32():
    mask = ticket().tensors["bias"].mask
    for value in (1e-9, 65505.0, 0.1):
        assert encode_values(np.full((50, 1), value, np.float32), mask)["value"].dtype == np.float32
    assert encode_values(np.full((50, 1), -0.0, np.float32), mask)["value"].dtype == np.float16


def test_a_negative_zero_that_is_pruned_is_kept_as_it_is():
    one = ticket()
    value = np.where(one.masks()["weight"].numpy(), np.float32(1), np.float32(-0.0))
    assert set(encode_values(value, one.tensors["weight"].mask)) == {"value"}


def test_too_large_for_float16_is_an_error():
    layer = nn.Linear(2, 1, bias=False)
    with torch.no_grad():
        layer.weight.fill_(1e5)
    with pytest.raises(ValueError, match="beyond 65504"):
        half(Ticket.from_masks(layer, {}))


@pytest.mark.parametrize(
    ("forge", "said"),
    [
        (lambda kept: kept[:-1], "do not fit a mask"),
        (lambda kept: np.append(kept, np.float32(1)), "do not fit a mask"),
        (lambda kept: kept.reshape(1, -1), "no list of numbers"),
        (lambda kept: kept.view(np.int32), "no list of numbers"),
    ],
)
def test_kept_values_that_do_not_fit_are_refused(forge, said, tmp_path):
    kept_only(ticket()).save(tmp_path / "t")
    metadata, arrays = read_container(tmp_path / "t")
    arrays["kept/weight"] = forge(arrays["kept/weight"])
    text = json.dumps(json.loads(metadata["ticket"]))
    with open(tmp_path / "forged", "wb") as file:
        write_container(file, arrays, {"format": FORMAT, "ticket": text, "sha256": content_sha256(text, arrays)})
    with pytest.raises(TicketFileError, match=said):
        load(tmp_path / "forged")


def test_values_that_would_look_like_a_trap_are_written_whole():
    one = ticket(density=0.0, rows=100, columns=EXPANSION)
    assert set(encode_values(kept_only(one).values["weight"], one.tensors["weight"].mask)) == {"value"}
