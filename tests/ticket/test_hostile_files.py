"""Files by someone who knows the format and recomputes its SHA-256: refused by name, and nothing is allocated."""

import copy
import json
import tracemalloc

import numpy as np
import pytest
from tests.problems.tickets import ticket_of

from tombola import load
from tombola.errors import TicketFileError
from tombola.ticket import content_sha256
from tombola.ticket._container import read_container, write_container
from tombola.ticket._file import FORMAT

PLAIN, COPIES, MASKED = "two-layer, biases", "one-extra, biases", "masked, with a source"
SAVED, ALLOWANCE = "masked, saved values", 2_500_000  # bytes that refusing a small file may take


@pytest.fixture(scope="module")
def contents(tmp_path_factory):
    """Record and arrays of honest files, by name of the ticket."""
    folder = tmp_path_factory.mktemp("honest")

    def content(name):
        path = folder / name
        if not path.exists():
            ticket_of(name).save(path)
        metadata, arrays = read_container(path)
        return json.loads(metadata["ticket"]), {key: array.copy() for key, array in arrays.items()}

    return content


def write(path, text, arrays, **metadata):
    """A file with a right hash, whatever is in it."""
    with open(path, "wb") as file:
        write_container(
            file, arrays, {"format": FORMAT, "ticket": text, "sha256": content_sha256(text, arrays), **metadata}
        )


def refused(path, message):
    tracemalloc.start()
    with pytest.raises(TicketFileError, match=message) as caught:
        load(path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert len(str(caught.value).splitlines()) == 1
    assert peak < ALLOWANCE


def put(record, path, value):
    """Sets an entry that is given by its path, `tensors/0/columns`."""
    *parents, last = (int(part) if part.isdigit() else part for part in path.split("|"))
    for part in parents:
        record = record[part]
    record[last] = value


def drop(record, path):
    *parents, last = (int(part) if part.isdigit() else part for part in path.split("|"))
    for part in parents:
        record = record[part]
    del record[last]


@pytest.mark.parametrize("name", [PLAIN, COPIES, MASKED, SAVED])
def test_what_is_forged_without_a_change_is_loaded(name, contents, tmp_path):
    record, arrays = contents(name)
    write(tmp_path / "t", json.dumps(record), arrays)
    assert load(tmp_path / "t").fingerprints() == ticket_of(name).fingerprints()


ENTRIES = [
    ("kind", "weak", "kind 'weak' is not known"),
    ("kind", "masked", "shapes"),
    ("kind", None, "wanted a text"),
    ("source", None, "has a law, but there is no source"),
    ("source|seed", -1, "from 0 to 2"),
    ("source|seed", 2**64, "from 0 to 2"),
    ("source|seed", 7.0, "wanted an integer"),
    ("source|seed", True, "wanted an integer"),
    ("source|seed", "7", "wanted an integer"),
    ("source|generation", 2**32, "from 0 to 2"),
    ("source|more", 1, "does not know"),
    ("tensors|0|columns", 2**40, "2..31 - 1 columns"),
    ("tensors|0|columns", 2**31 - 1, "inputs of its target"),
    ("tensors|0|columns", -1, "2..31 - 1 columns"),
    ("tensors|0|columns", 3, "lie in -1 .. 2"),
    ("tensors|0|columns", 7, "does not take the 6 inputs"),
    ("tensors|0|columns", 6.0, "wanted an integer"),
    ("tensors|1|columns", 9, "encoder wrote"),
    ("tensors|2|columns", 2, "beyond the last column|does not take so few bytes|encoder wrote|2 columns take"),
    ("tensors|2|columns", 8, "8 units for 5 of its target|does not take so few bytes|encoder wrote"),
    ("tensors|0|name", "fc2.in", "has the parts"),
    ("tensors|0|name", "other", "has the parts"),
    ("tensors|0|name", "", "has the parts"),
    ("tensors|0|transposed", True, "neither one stage nor a pair|does not take"),
    ("tensors|0|transposed", 0, "wanted true or false"),
    ("tensors|1|transposed", True, "does not fit its weight"),
    ("tensors|0|law", None, "values are saved for"),
    ("tensors|0|law|law", "cauchy", "unknown law 'cauchy'"),
    ("tensors|0|law|half_width", -1.0, "between 2..-100"),
    ("tensors|0|law|half_width", 1e300, "between 2..-100"),
    ("tensors|0|law|half_width", "1", "takes numbers"),
    ("tensors|0|law|std", 1.0, "takes numbers"),
    ("tensors|0|more", 1, "does not know"),
    ("tensors", [], "arrays that this library does not know"),
    ("tensors", {}, "wanted a list"),
    ("stages|0|weight", "nowhere", "its stages use the tensors"),
    ("stages|0|weight", "fc2.in", "its stages use the tensors"),
    ("stages|0|bias", None, "its stages use the tensors"),
    ("stages|0|bias", 3, "wanted a text or null"),
    ("stages|0|relu", False, "no ReLU follows 'fc1.in'"),
    ("stages|1|relu", False, "'fc1' ends with a ReLU in the ticket or in its target, not in both"),
    ("stages|0|relu", 1, "wanted true or false"),
    ("stages|0|layer", "fc9", "its stages stand for the layers"),
    ("stages|3|layer", "fc1", "its stages stand for the layers"),
    ("stages|0|more", 1, "does not know"),
    ("stages", [], "its stages use the tensors"),
    ("more", 1, "does not know"),
    ("record|signed_layers|fc2", True, "only the first of its layers"),
    ("record|signed_layers|fc9", False, "each of its layers must be said"),
    ("record|signed_layers|fc1", 0, "wanted true or false"),
    ("record|target|layers|0|name", "fc9", "its stages stand for the layers"),
    ("record|target|layers|0|shape", [4, 6], "has 5 units for 4 of its target"),
    ("record|target|layers|0|shape", [5, 7], "does not take the 7 inputs"),
    ("record|target|layers|0|shape", [5], "has the shape"),
    ("record|target|layers|0|shape", [5, 6.0], "wanted an integer"),
    ("record|target|layers|1|shape", [2, 5], "has 3 units for 2 of its target"),
    ("record|options|tolerance|weight_epsilon", None, "wanted a number"),
    ("record|report|failures", 0.5, "wanted an integer"),
    ("record|certificate", [], "wanted an object"),
    ("record|fingerprints|fc1.in", 5, "wanted a text"),
    ("record|effective_sha256", None, "wanted a text"),
    ("record", None, "wanted an object"),
]


@pytest.mark.parametrize(
    ("path", "value", "message"), ENTRIES, ids=[f"{path}={value!s:.12}" for path, value, _ in ENTRIES]
)
def test_a_record_with_one_wrong_entry_is_refused(path, value, message, contents, tmp_path):
    record, arrays = contents(PLAIN)
    put(record, path, value)
    write(tmp_path / "t", json.dumps(record), arrays)
    refused(tmp_path / "t", message)


MISSING = ["kind", "source", "tensors", "stages", "record", "source|seed", "tensors|0|law", "stages|0|relu"]
MISSING += [f"record|{name}" for name in ("fingerprints", "effective_sha256", "signed_layers", "certificate", "target")]
MISSING += ["record|options", "record|report", "record|signed_layers|fc1", "record|target|sha256", "stages|3"]
MISSING += ["record|options|tolerance|absolute", "record|report|max_weight_error", "tensors|0"]


@pytest.mark.parametrize("path", MISSING)
def test_a_record_that_lacks_an_entry_is_refused(path, contents, tmp_path):
    record, arrays = contents(PLAIN)
    drop(record, path)
    write(tmp_path / "t", json.dumps(record), arrays)
    refused(tmp_path / "t", "wanted an object with the entry|must be said|does not know|its stages")


def test_stages_in_another_order_are_refused(contents, tmp_path):
    record, arrays = contents(PLAIN)
    record["stages"] = [record["stages"][k] for k in (0, 2, 1, 3)]
    write(tmp_path / "t", json.dumps(record), arrays)
    refused(tmp_path / "t", "its stages stand for the layers")


def test_the_same_tensor_twice_is_refused(contents, tmp_path):
    record, arrays = contents(PLAIN)
    record["tensors"].append(copy.deepcopy(record["tensors"][0]))
    write(tmp_path / "t", json.dumps(record), arrays)
    refused(tmp_path / "t", "has the parts")


TEXTS = {
    "NaN": ('"max_weight_error":', '"max_weight_error":NaN,"x":', "NaN, which is no number"),
    "too large": ('"max_weight_error":', '"max_weight_error":1e999,"x":', "1e999, which is no finite number"),
    "twice": ('"kind":', '"kind":"masked","kind":', "a name stands twice"),
    "not JSON": ('"kind":', "kind:", "its record is not JSON"),
}


@pytest.mark.parametrize(("old", "new", "message"), TEXTS.values(), ids=TEXTS)
def test_a_record_that_is_not_strict_json_is_refused(old, new, message, contents, tmp_path):
    record, arrays = contents(PLAIN)
    text = json.dumps(record, separators=(",", ":"))
    assert old in text
    write(tmp_path / "t", text.replace(old, new), arrays)
    refused(tmp_path / "t", message)


@pytest.mark.parametrize("text", ["[]", "null", "3", '"x"', "[" * 50_000])
def test_a_record_that_is_no_object_is_refused(text, contents, tmp_path):
    write(tmp_path / "t", text, contents(PLAIN)[1])
    refused(tmp_path / "t", "wanted an object|nested too deep")


def test_unknown_metadata_is_refused(contents, tmp_path):
    record, arrays = contents(PLAIN)
    write(tmp_path / "t", json.dumps(record), arrays, more="1")
    refused(tmp_path / "t", r"entries that this library does not know: \['more'\]")


def owner_out_of_range(record, arrays):
    arrays["mask/fc1.in/owner"][0] = 6


def owner_below(record, arrays):
    arrays["mask/fc1.in/owner"][0] = -2


def owner_as_floats(record, arrays):
    arrays["mask/fc1.in/owner"] = arrays["mask/fc1.in/owner"].astype(np.float32)


def fewer_units_inside(record, arrays):
    arrays["mask/fc1.in/owner"] = arrays["mask/fc1.in/owner"][:-1].copy()


def unknown_array(record, arrays):
    arrays["surprise"] = np.zeros(3, np.uint8)


def values_of_a_tensor_with_a_law(record, arrays):
    arrays["value/fc1.in"] = np.zeros((len(arrays["mask/fc1.in/owner"]), 6), np.float32)


def two_encodings(record, arrays):
    arrays["mask/fc1.in/bits"] = np.zeros((len(arrays["mask/fc1.in/owner"]), 1), np.uint8)


def copies_where_no_stage_is(record, arrays):
    arrays["copies/9"] = np.zeros(3, np.int32)


def copies_of_hidden_units(record, arrays):
    arrays["copies/0"] = np.zeros(len(arrays["mask/fc1.in/owner"]), np.int32)


def take(arrays, mask):
    """Takes the parts of a mask away, whichever it has."""
    for name in [name for name in arrays if name.rpartition("/")[0] == mask]:
        del arrays[name]


def both_sides_owned(record, arrays):
    take(arrays, "mask/fc1.out")
    arrays["mask/fc1.out/owner"] = np.zeros(len(arrays["mask/fc1.in/owner"]), np.int32)


def a_huge_mask_that_keeps_nothing(record, arrays):
    """Rows of level 0 take one byte each in the file, and as many as their columns in memory."""
    take(arrays, "mask/fc2.out")
    rows = len(arrays["mask/fc2.in/owner"])
    arrays["mask/fc2.out/words"], arrays["mask/fc2.out/lengths"] = np.zeros(0, np.uint32), np.zeros(1, np.int64)
    arrays["mask/fc2.out/levels"] = np.zeros(rows, np.uint8)
    record["tensors"][5]["columns"] = 2**31 - 1
    record["record"]["target"]["layers"][1]["shape"][0] = 2**31 - 1


def a_huge_mask_of_one_density(record, arrays):
    """All of its rows and columns take two numbers in the file."""
    take(arrays, "mask/fc1.in.bias")
    arrays["mask/fc1.in.bias/coded"] = np.array([2**31 - 1, 1], np.uint32)


def one_mask_in_two_ways(record, arrays):
    arrays["mask/fc1.in.bias/levels"] = np.zeros(len(arrays["mask/fc1.in/owner"]), np.uint8)


ARRAYS = {
    owner_out_of_range: "owners must lie in -1 .. 5",
    owner_below: "owners must lie in -1 .. 5",
    owner_as_floats: "owners are int32",
    fewer_units_inside: "does not take the|does not fit its weight",
    unknown_array: "arrays that this library does not know: surprise",
    values_of_a_tensor_with_a_law: "values are saved for",
    two_encodings: r"the mask of 'fc1\.in' has the parts \['bits', 'owner'\]",
    copies_where_no_stage_is: "does not know: copies/9",
    copies_of_hidden_units: "are no copies of the target's units",
    both_sides_owned: "must have one owner each, on one side",
    a_huge_mask_that_keeps_nothing: "does not take so few bytes",
    a_huge_mask_of_one_density: "does not take so few bytes",
    one_mask_in_two_ways: r"the mask of 'fc1\.in\.bias' has the parts \['coded', 'levels'\]",
}


@pytest.mark.parametrize(("change", "message"), ARRAYS.items(), ids=[change.__name__ for change in ARRAYS])
def test_arrays_that_do_not_fit_are_refused(change, message, contents, tmp_path):
    record, arrays = contents(PLAIN)
    change(record, arrays)
    write(tmp_path / "t", json.dumps(record), arrays)
    refused(tmp_path / "t", message)


COPY_CHANGES = {
    "beyond the constant unit": (
        "copies/1",
        lambda copies: np.where(copies == 5, 6, copies),
        "are not one of its units",
    ),
    "below none": ("copies/1", lambda copies: copies - 1, "are not one of its units"),
    "too few": ("copies/1", lambda copies: copies[:-1], "are not one of its units"),
    "two axes": ("copies/1", lambda copies: copies[None], "are not one of its units"),
    "outputs in another order": ("copies/3", lambda copies: copies[::-1].copy(), "each output once, in order"),
    "a constant output": ("copies/3", lambda copies: copies + 1, "are not one of its units"),
}


@pytest.mark.parametrize(("name", "change", "message"), COPY_CHANGES.values(), ids=COPY_CHANGES)
def test_copies_of_units_that_are_not_there_are_refused(name, change, message, contents, tmp_path):
    record, arrays = contents(COPIES)
    arrays[name] = change(arrays[name]).astype(np.int32)
    write(tmp_path / "t", json.dumps(record), arrays)
    refused(tmp_path / "t", message)


def test_copies_of_a_constant_that_no_bias_reads_are_refused(contents, tmp_path):
    record, arrays = contents("one-extra")
    arrays["copies/1"][arrays["copies/1"] == 4] = 5
    write(tmp_path / "t", json.dumps(record), arrays)
    refused(tmp_path / "t", "are not one of its units")


def test_two_signs_without_owners_on_the_input_side_are_refused(contents, tmp_path):
    record, arrays = contents("two-layer, owned by outputs")
    record["record"]["signed_layers"]["fc1"] = True
    write(tmp_path / "t", json.dumps(record), arrays)
    refused(tmp_path / "t", "its units are not owned by inputs")


def test_a_strong_ticket_with_values_of_its_own_is_refused(contents, tmp_path):
    """Trained weights, handed out as a mask on a random network."""
    record, arrays = contents(PLAIN)
    record["tensors"][0]["law"] = None
    arrays["value/fc1.in"] = np.ones((len(arrays["mask/fc1.in/owner"]), 6), np.float32)
    write(tmp_path / "t", json.dumps(record), arrays)
    refused(tmp_path / "t", "saves no values")


def test_a_bias_behind_the_hidden_units_is_refused(contents, tmp_path):
    """Effective weights would not have it, the network would."""
    record, arrays = contents(PLAIN)
    record["stages"][0]["bias"], record["stages"][1]["bias"] = None, "fc1.in.bias"
    write(tmp_path / "t", json.dumps(record), arrays)
    refused(tmp_path / "t", "has a bias, where only hidden units of a pair can have one")


MASKED_CHANGES = [
    (MASKED, "record|shapes|0.weight", [4, 3], "has a mask of shape"),
    (MASKED, "record|shapes|0.weight", [3, 2**40], "has a mask of shape"),
    (MASKED, "record|shapes|0.weight", "3x4", "wanted a list"),
    (MASKED, "record|shapes", {}, "a shape for each of its tensors"),
    (MASKED, "tensors|0|transposed", True, "has a mask of shape"),
    (MASKED, "kind", "strong", "wanted an object with the entry"),
    (
        MASKED,
        "stages",
        [{"layer": "a", "weight": "0.weight", "bias": None, "relu": True, "activation": None}],
        "and no stages",
    ),
    (SAVED, "tensors|0|law", {"law": "uniform", "half_width": 1.0}, "has a law, but there is no source"),
]


@pytest.mark.parametrize(
    ("name", "path", "value", "message"), MASKED_CHANGES, ids=[f"{c[1]}={c[2]!s:.9}" for c in MASKED_CHANGES]
)
def test_a_masked_record_that_does_not_fit_is_refused(name, path, value, message, contents, tmp_path):
    record, arrays = contents(name)
    put(record, path, value)
    write(tmp_path / "t", json.dumps(record), arrays)
    refused(tmp_path / "t", message)


@pytest.mark.parametrize("value", [np.zeros((3, 4), np.int32), np.zeros((4, 3), np.float32), np.zeros(12, np.float32)])
def test_saved_values_that_fit_no_mask_are_refused(value, contents, tmp_path):
    record, arrays = contents(SAVED)
    arrays["value/0.weight"] = value
    write(tmp_path / "t", json.dumps(record), arrays)
    refused(tmp_path / "t", "fit no mask")


def entry(dtype="U8", shape=(2, 3), offsets=(0, 6)):
    return {"dtype": dtype, "shape": list(shape), "data_offsets": list(offsets)}


TABLES = {
    "a huge shape": {"a": entry(shape=(2**31 - 1, 2**31 - 1))},
    "a huge shape of no content": {"a": entry(shape=(0, 2**70), offsets=(0, 0))},
    "more than the file has": {"a": entry(shape=(2**30,), offsets=(0, 2**30))},
    "a negative size": {"a": entry(shape=(-2, -3))},
    "three axes": {"a": entry(shape=(1, 2, 3))},
    "another size than its bytes": {"a": entry(shape=(2, 2))},
    "an unknown dtype": {"a": entry(dtype="F64")},
    "a dtype that is no text": {"a": entry(dtype=[])},
    "one number twice": {"a": entry(), "b": entry()},
    "a hole": {"a": entry(shape=(2,), offsets=(0, 2)), "b": entry(shape=(2,), offsets=(4, 6))},
    "negative offsets": {"a": entry(offsets=(-6, 0))},
    "offsets the wrong way": {"a": entry(offsets=(6, 0))},
    "offsets that are texts": {"a": entry(offsets=("0", "6"))},
    "offsets that are truth values": {"a": entry(shape=(1,), offsets=(False, True))},
    "three offsets": {"a": entry(offsets=(0, 6, 6))},
    "no offsets": {"a": {"dtype": "U8", "shape": [6]}},
    "a number for an entry": {"a": 3},
    "more in an entry": {"a": entry() | {"more": 1}},
    "no tensor for the bytes": {},
}


@pytest.mark.parametrize("table", TABLES.values(), ids=TABLES)
def test_a_lying_table_is_refused_without_allocating(table, tmp_path):
    header = json.dumps({"__metadata__": {"format": FORMAT}, **table}).encode()
    (tmp_path / "t").write_bytes(len(header).to_bytes(8, "little") + header + bytes(6))
    refused(tmp_path / "t", "tensor 'a'|tensor 'b'|belong to no tensor")


@pytest.mark.parametrize("length", [2**63, 2**64 - 1, 2**40, 2**26 + 1, 100])
def test_a_lying_header_length_is_refused_without_allocating(length, tmp_path):
    (tmp_path / "t").write_bytes(length.to_bytes(8, "little") + b"{}" + bytes(50))
    refused(tmp_path / "t", "its header claims")


@pytest.mark.parametrize(
    ("header", "message"),
    [
        (b"[]", "no JSON object"),
        (b"{", "not JSON"),
        (b"\xff", "no text"),
        (b'{"__metadata__": 3}', "metadata is no JSON object"),
    ],
)
def test_a_header_that_is_no_object_is_refused(header, message, tmp_path):
    (tmp_path / "t").write_bytes(len(header).to_bytes(8, "little") + header)
    refused(tmp_path / "t", message)
