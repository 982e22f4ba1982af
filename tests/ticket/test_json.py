import pytest

from tombola.ticket._json import check_json, strict_json


def test_plain_json_is_read():
    assert strict_json('{"a": [1, 2.5, null, true, "x"]}', "it") == {"a": [1, 2.5, None, True, "x"]}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "it is not JSON"),
        ("", "it is not JSON"),
        ('{"a": 1, "a": 1}', "a name stands twice"),
        ('{"b": {"a": 1, "a": 2}}', "a name stands twice"),
        ("[NaN]", "NaN, which is no number"),
        ("[-Infinity]", "-Infinity, which is no number"),
        ("[1e999]", "1e999, which is no finite number"),
        ("[" * 100_000, "nested too deep"),
        ("1" * 10_000, "digits"),
    ],
    ids=lambda part: part[:12],
)
def test_json_that_means_no_one_thing_is_refused(text, message):
    with pytest.raises(ValueError, match=message):
        strict_json(text, "it")


PATTERN = {"name": str, "size": float, "shape": [int], "by": {str: bool}, "epsilon": (float, type(None))}
GOOD = {"name": "a", "size": 1, "shape": [1, 2], "by": {"x": True}, "epsilon": None, "more": "is allowed"}


def test_what_fits_passes():
    check_json(GOOD, PATTERN, "record")
    check_json({**GOOD, "shape": [], "by": {}, "epsilon": 0.5}, PATTERN, "record")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"name": 1}, r"its record\.name is '1', wanted a text"),
        ({"name": None}, "record.name is 'None', wanted a text"),
        ({"size": True}, "record.size is 'True', wanted a number"),
        ({"size": "1"}, "wanted a number"),
        ({"shape": [1, 2.0]}, r"record\.shape\[1\] is '2.0', wanted an integer"),
        ({"shape": [True]}, "wanted an integer"),
        ({"shape": {}}, "wanted a list"),
        ({"by": {"x": 1}}, r"record\.by\.x is '1', wanted true or false"),
        ({"by": []}, "wanted an object"),
        ({"epsilon": "no"}, "wanted a number or null"),
    ],
)
def test_what_does_not_fit_is_named(change, message):
    with pytest.raises(ValueError, match=message):
        check_json({**GOOD, **change}, PATTERN, "record")


@pytest.mark.parametrize("missing", PATTERN)
def test_a_missing_entry_is_named(missing):
    with pytest.raises(ValueError, match=f"wanted an object with the entry '{missing}'"):
        check_json({name: value for name, value in GOOD.items() if name != missing}, PATTERN, "record")


def test_another_kind_of_value_is_no_object():
    with pytest.raises(ValueError, match=r"its record is '\[\]', wanted an object"):
        check_json([], PATTERN, "record")
