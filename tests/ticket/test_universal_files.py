"""Files of universal tickets by someone who knows the format and recomputes its SHA-256: refused by name."""

import json

import numpy as np
import pytest
from tests.ticket.test_hostile_files import drop, put, refused, take, write

from tombola import load
from tombola.activations import activation
from tombola.strong import depth_leveraged, two_layer
from tombola.ticket._container import read_container
from tombola.universal import build, hats, orthogonal, polynomial

PLAIN, ADDITIVE, PAIRS, DEEP = "polynomial", "chebyshev", "hats", "deep"
TICKETS = {
    PLAIN: lambda: build(polynomial(2, 2, tolerance=1e-2), seed=3),
    ADDITIVE: lambda: build(orthogonal(2, 2), seed=3),
    PAIRS: lambda: build(hats(2, 3), seed=3, construction=two_layer),
    DEEP: lambda: build(polynomial(12, 2, tolerance=0.05), seed=3, construction=depth_leveraged(3)),
}
HIDDEN = 256  # knots that the logarithm of the plain ticket can choose from


@pytest.fixture(scope="module")
def contents(tmp_path_factory):
    """Record and arrays of honest files, by name of the ticket."""
    folder = tmp_path_factory.mktemp("honest")

    def content(name):
        path = folder / name
        if not path.exists():
            TICKETS[name]().save(path)
        metadata, arrays = read_container(path)
        return json.loads(metadata["ticket"]), {key: array.copy() for key, array in arrays.items()}

    return content


@pytest.mark.parametrize("name", TICKETS)
def test_what_is_forged_without_a_change_is_loaded(name, contents, tmp_path):
    record, arrays = contents(name)
    write(tmp_path / "t", json.dumps(record), arrays)
    assert load(tmp_path / "t").fingerprints() == record["record"]["fingerprints"]


def test_the_tensors_and_stages_are_where_these_tests_expect_them(contents):
    record, _ = contents(PLAIN)
    assert [tensor["name"] for tensor in record["tensors"]] == [
        *("log.knots", "log.knots.bias", "log.values.in", "log.values.in.bias", "log.values.out"),
        *("exponents.in", "exponents.out"),
        *("exp.knots", "exp.knots.bias", "exp.values.in", "exp.values.in.bias", "exp.values.out"),
    ]
    assert [stage["weight"] for stage in record["stages"]] == [
        *("log.knots", "log.values.in", "log.values.out", "exponents.in", "exponents.out"),
        *("exp.knots", "exp.values.in", "exp.values.out"),
    ]
    assert record["tensors"][2]["columns"] == HIDDEN


ENTRIES = [
    ("kind", "strong", "wanted an object with the entry"),
    ("kind", "masked", "wanted an object with the entry 'shapes'"),
    ("source", None, "has a law, but there is no source"),
    ("tensors|0|law", None, "values are saved for"),
    ("tensors|0|transposed", True, "no single stage of knots|does not take"),
    ("tensors|1|transposed", True, "does not fit its weight"),
    ("tensors|3|transposed", True, "does not fit its weight"),
    ("tensors|2|transposed", True, "neither one stage nor a pair|does not take"),
    ("tensors|0|columns", 2, "does not take 1 units|2 columns|encoder wrote"),
    ("tensors|5|columns", 3, "does not take 2 units"),
    ("tensors|5|columns", 2**31 - 1, "does not take 2 units"),
    ("tensors|5|columns", 2**40, "2..31 - 1 columns"),
    ("tensors|4|columns", 2, "has 2 outputs, its record says otherwise"),
    ("tensors|0|name", "log.other", "has the parts"),
    ("stages|0|weight", "nowhere", "its stages use the tensors"),
    ("stages|0|weight", "exp.knots", "its stages use the tensors"),
    ("stages|0|bias", None, "its stages use the tensors"),
    ("stages|0|layer", "log.values", "its stages stand for the layers"),
    ("stages|0|layer", "exponents", "its stages stand for the layers"),
    ("stages|0|relu", False, "a ReLU follows each of its stages but the last"),
    ("stages|2|relu", False, "a ReLU follows each of its stages but the last"),
    ("stages|7|relu", True, "a ReLU follows each of its stages but the last"),
    ("stages", [], "its stages use the tensors"),
    ("record", None, "wanted an object"),
    ("record|family", [], "wanted an object"),
    ("record|family|name", None, "wanted a text"),
    ("record|family|dimension", 3, "does not take 3 units"),
    ("record|family|dimension", 2.0, "wanted an integer"),
    ("record|family|dimension", True, "wanted an integer"),
    ("record|family|tolerance", "1", "wanted a number"),
    ("record|family|settings", [], "wanted an object"),
    ("record|family|features", 4, "its family has 4"),
    ("record|family|features", 10**12, "its family has 1000000000000|no error for each"),
    ("record|steps", [], "its stages stand for the layers"),
    ("record|steps", {}, "wanted a list"),
    ("record|steps|0|name", "exp", "its stages stand for the layers"),
    ("record|steps|0|name", 3, "wanted a text"),
    ("record|steps|0|kind", "linear", "wanted an object with the entry 'outputs'"),
    ("record|steps|0|kind", "sine", "a step of kind 'sine' is not known"),
    ("record|steps|1|kind", "block", "wanted an object with the entry 'channels'"),
    ("record|steps|1|outputs", 6, "has 5 outputs, its record says otherwise"),
    ("record|steps|0|channels", 2, "has 1 outputs, its record says otherwise"),
    ("record|steps|0|channels", 1.0, "wanted an integer"),
    ("record|steps|0|high", 0.0, "no interval"),
    ("record|steps|0|high", -1.0, "no interval"),
    ("record|steps|0|high", "1", "wanted a number"),
    ("record|steps|0|knots", [], "no number of knots for each channel"),
    ("record|steps|0|knots", [5, 5], "no number of knots for each channel"),
    ("record|steps|0|knots|0", 5.0, "wanted an integer"),
    ("record|options|construction", None, "wanted a text"),
    ("record|options|width", 1.5, "wanted an integer"),
    ("record|certificate|errors", [], "no error for each of its features"),
    ("record|certificate|errors|0", -1e-3, "no error for each of its features"),
    ("record|certificate|errors|0", "0", "wanted a number"),
    ("record|certificate|guarantee", "none", "no error for each of its features"),
    ("record|certificate|guarantee", None, "wanted a text"),
    ("record|report", 3, "wanted an object"),
    ("record|fingerprints|log.knots", 5, "wanted a text"),
    ("record|effective_sha256", None, "wanted a text"),
]


@pytest.mark.parametrize(
    ("path", "value", "message"), ENTRIES, ids=[f"{path}={value!s:.12}" for path, value, _ in ENTRIES]
)
def test_a_record_with_one_wrong_entry_is_refused(path, value, message, contents, tmp_path):
    record, arrays = contents(PLAIN)
    put(record, path, value)
    write(tmp_path / "t", json.dumps(record), arrays)
    refused(tmp_path / "t", message)


MISSING = ["tensors|0|law", "tensors|11", "stages|0|relu", "stages|7"]
MISSING += [f"record|{name}" for name in ("family", "steps", "options", "certificate", "report", "fingerprints")]
MISSING += [f"record|family|{name}" for name in ("name", "dimension", "tolerance", "settings", "features")]
MISSING += ["record|steps|0|name", "record|steps|0|high", "record|steps|1|outputs", "record|certificate|errors"]
MISSING += ["record|effective_sha256", "record|report|seconds", "record|options|width"]


@pytest.mark.parametrize("path", MISSING)
def test_a_record_that_lacks_an_entry_is_refused(path, contents, tmp_path):
    record, arrays = contents(PLAIN)
    drop(record, path)
    write(tmp_path / "t", json.dumps(record), arrays)
    refused(tmp_path / "t", "wanted an object with the entry|does not know|its stages")


def without_a_step(record):
    del record["record"]["steps"][1]


def steps_the_other_way(record):
    record["record"]["steps"].reverse()


def stages_in_another_order(record):
    record["stages"] = [record["stages"][k] for k in (0, 1, 2, 5, 6, 7, 3, 4)]


def a_layer_in_two_places(record):
    record["stages"] = [record["stages"][k] for k in (0, 1, 3, 4, 2, 5, 6, 7)]


def the_same_tensor_twice(record):
    record["tensors"].append(dict(record["tensors"][0]))


def a_stage_without_its_pair(record):
    """The relays read nothing: their tensors are named, but not used."""
    del record["stages"][1]


def errors_too_many(record):
    record["record"]["certificate"]["errors"].append(0.0)


def two_affine_maps(record):
    record["record"]["steps"].append(dict(record["record"]["steps"][1]))


RECORDS = {
    without_a_step: "its stages stand for the layers",
    steps_the_other_way: "its stages stand for the layers",
    stages_in_another_order: "its stages stand for the layers",
    a_layer_in_two_places: "its stages stand for the layers",
    the_same_tensor_twice: "has the parts",
    a_stage_without_its_pair: "its stages use the tensors",
    errors_too_many: "no error for each of its features",
    two_affine_maps: "its stages stand for the layers",
}


@pytest.mark.parametrize(("change", "message"), RECORDS.items(), ids=[change.__name__ for change in RECORDS])
def test_parts_that_do_not_fit_together_are_refused(change, message, contents, tmp_path):
    record, arrays = contents(PLAIN)
    change(record)
    write(tmp_path / "t", json.dumps(record), arrays)
    refused(tmp_path / "t", message)


def values_of_its_own(record, arrays):
    """Trained knots, handed out as a mask on a random network."""
    record["tensors"][0]["law"] = None
    arrays["value/log.knots"] = np.ones((HIDDEN, 1), np.float32)


def copies_of_units(record, arrays):
    arrays["copies/2"] = np.zeros(1, np.int32)


def owners_beyond(record, arrays):
    arrays["mask/log.values.out/owner"][0] = 1


def fewer_relays(record, arrays):
    arrays["mask/log.values.out/owner"] = arrays["mask/log.values.out/owner"][:-1].copy()


def both_sides_owned(record, arrays):
    take(arrays, "mask/exponents.out")
    arrays["mask/exponents.out/owner"] = np.zeros(len(arrays["mask/exponents.in/owner"]), np.int32)


def an_unknown_array(record, arrays):
    arrays["surprise"] = np.zeros(3, np.uint8)


ARRAYS = {
    values_of_its_own: "saves no values",
    copies_of_units: "has copies of units",
    owners_beyond: "owners must lie in -1 .. 0",
    fewer_relays: "does not take",
    both_sides_owned: "must have one owner each, on one side",
    an_unknown_array: "arrays that this library does not know: surprise",
}


@pytest.mark.parametrize(("change", "message"), ARRAYS.items(), ids=[change.__name__ for change in ARRAYS])
def test_arrays_that_do_not_fit_are_refused(change, message, contents, tmp_path):
    record, arrays = contents(PLAIN)
    change(record, arrays)
    write(tmp_path / "t", json.dumps(record), arrays)
    refused(tmp_path / "t", message)


OTHERS = [
    (ADDITIVE, "record|family|dimension", 3, "its steps give 6 features, its family has 4"),
    (ADDITIVE, "record|family|dimension", 10**15, "features, its family has 4"),
    (ADDITIVE, "record|steps|0|channels", 1, "has 2 outputs, its record says otherwise"),
    (ADDITIVE, "record|steps|0|knots", [3], "no number of knots for each channel"),
    (PAIRS, "record|steps|0|channels", 2, "has 3 outputs, its record says otherwise"),
    (PAIRS, "stages|2|layer", "block.knots", "must have transposed weights|its stages stand for|only the first"),
    (DEEP, "record|family|dimension", 11, "does not take 11 units"),
]


@pytest.mark.parametrize(("name", "path", "value", "message"), OTHERS, ids=[f"{c[0]}|{c[1]}={c[2]}" for c in OTHERS])
def test_what_other_tickets_have_is_looked_at_too(name, path, value, message, contents, tmp_path):
    record, arrays = contents(name)
    put(record, path, value)
    write(tmp_path / "t", json.dumps(record), arrays)
    refused(tmp_path / "t", message)


def test_a_bias_behind_the_hidden_units_is_refused(contents, tmp_path):
    """Effective weights would not have it, the network would."""
    record, arrays = contents(PLAIN)
    put(record, "stages|1|bias", None)
    put(record, "stages|2|bias", "log.values.in.bias")
    write(tmp_path / "t", json.dumps(record), arrays)
    refused(tmp_path / "t", "has a bias, where only hidden units of a pair can have one")


def test_several_channels_before_another_step_are_refused(contents, tmp_path):
    """Which of the outputs an affine map would take would not be said."""
    record, arrays = contents(PLAIN)
    owner = arrays["mask/log.values.out/owner"]
    used = np.flatnonzero(owner >= 0)
    owner[used[0]] = 1
    record["tensors"][4]["columns"] = 2
    put(record, "record|steps|0|channels", 2)
    put(record, "record|steps|0|knots", [4, 4])
    write(tmp_path / "t", json.dumps(record), arrays)
    refused(tmp_path / "t", "has several channels, and is not the only step")


def kept_steps(contents, *names):
    """Record and arrays of the plain ticket with some of its steps only, the last of which has no ReLU behind it."""
    record, arrays = contents(PLAIN)
    record["tensors"] = [tensor for tensor in record["tensors"] if tensor["name"].split(".")[0] in names]
    record["stages"] = [stage for stage in record["stages"] if stage["weight"].split(".")[0] in names]
    record["stages"][-1]["relu"] = False
    record["record"]["steps"] = [step for step in record["record"]["steps"] if step["name"] in names]
    return record, {key: array for key, array in arrays.items() if key.split("/")[1].split(".")[0] in names}


@pytest.mark.parametrize("names", [("exponents",), ("log", "exponents")])
def test_an_affine_map_at_the_end_is_refused(names, contents, tmp_path):
    record, arrays = kept_steps(contents, *names)
    write(tmp_path / "t", json.dumps(record), arrays)
    refused(tmp_path / "t", "ends with a block")


def test_blocks_without_an_affine_map_between_them_are_refused(contents, tmp_path):
    record, arrays = kept_steps(contents, "log", "exp")
    put(record, "record|family|features", 2)
    put(record, "record|certificate|errors", [1.0, 1.0])
    write(tmp_path / "t", json.dumps(record), arrays)
    refused(tmp_path / "t", "one block, or blocks around an affine map")


def test_two_steps_of_one_name_are_refused(contents, tmp_path):
    record, arrays = contents(PLAIN)
    for stage in record["stages"]:
        stage["layer"] = stage["layer"].replace("exp.", "log.")
    put(record, "record|steps|2|name", "log")
    write(tmp_path / "t", json.dumps(record), arrays)
    refused(tmp_path / "t", "two of its steps have the same name")


@pytest.mark.parametrize("signed", [{"exponents": True}, {}, 3])
def test_sums_by_sign_are_refused(signed, contents, tmp_path):
    """Effective weights would leave edges out that the network has."""
    record, arrays = contents(PLAIN)
    put(record, "record|signed_layers", signed)
    write(tmp_path / "t", json.dumps(record), arrays)
    refused(tmp_path / "t", "has no sums by sign")


def test_other_activations_are_refused(contents, tmp_path):
    record, arrays = contents(PLAIN)
    put(record, "stages|0|activation", activation("softplus").to_json())
    write(tmp_path / "t", json.dumps(record), arrays)
    refused(tmp_path / "t", "all of its units are ReLUs")
