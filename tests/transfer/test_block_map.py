import pytest
from hypothesis import given
from hypothesis import strategies as st

from tombola.transfer import append, as_given, interpolate, squeezed, written

DEPTHS = st.integers(2, 12)


def test_the_two_maps_of_the_paper_from_resnet_32_to_56():
    assert written(append(5, 9)) == "0:0;1:1,5;2:2,6;3:3,7;4:4,8"
    assert written(interpolate(5, 9)) == "0:0;1:1,2;2:3,4;3:5,6;4:7,8"


def test_where_the_numbers_do_not_divide_the_earliest_blocks_are_copied_first():
    assert written(append(3, 7)) == "0:0;1:1,3,5;2:2,4,6"
    assert written(append(4, 6)) == "0:0;1:1,4;2:2,5;3:3"
    assert written(interpolate(4, 6)) == "0:0;1:1,2;2:3,4;3:5"


@given(DEPTHS, DEPTHS)
@pytest.mark.parametrize("rule", [append, interpolate])
def test_every_block_is_filled_once_and_the_first_with_the_first(rule, source, target):
    found = rule(source, target)
    assert sorted(place for places in found.values() for place in places) == list(range(target))
    assert found[0] == (0,)
    assert set(found) <= set(range(source))
    copies = [len(places) for block, places in sorted(found.items()) if block]
    if target >= source:
        assert len(copies) == source - 1
        assert copies == sorted(copies, reverse=True)
        assert max(copies) - min(copies) <= 1
    else:
        assert set(copies) == {1}


@given(DEPTHS, DEPTHS)
@pytest.mark.parametrize("rule", [append, interpolate])
def test_stretched_and_squeezed_each_block_is_back_in_its_place(rule, source, target):
    short, deep = sorted((source, target))
    stretched, back = rule(short, deep), rule(deep, short)
    assert back == squeezed(stretched)
    whence = {place: block for block, places in stretched.items() for place in places}
    assert {place: whence[block] for block, places in back.items() for place in places} == {k: k for k in range(short)}


@given(DEPTHS, DEPTHS)
def test_squeezing_drops_the_last_blocks_with_append_only(source, target):
    short, deep = sorted((source, target))
    assert append(deep, short) == {block: (block,) for block in range(short)}


def test_a_map_of_ones_own_as_text_or_numbers():
    assert as_given("0:0;1:1,3;2:2")(3, 4) == as_given({0: (0,), 1: (1, 3), 2: (2,)})(3, 4)
    assert as_given(written(append(5, 9)))(5, 9) == append(5, 9)


@pytest.mark.parametrize("text", ["0:0;1:1", "0:0;1:1,1", "0:1;1:0,2", "0:0;5:1,2", "1:0,1,2"])
def test_a_map_that_does_not_fit_is_refused(text):
    with pytest.raises(ValueError, match=r"fill the blocks|of the source"):
        as_given(text)(3, 3)


@pytest.mark.parametrize("text", ["", "0", "0:0;1:x", "0:0;0:1"])
def test_a_text_that_is_no_map_is_refused(text):
    with pytest.raises(ValueError, match=r"written as|twice"):
        as_given(text)


@pytest.mark.parametrize("rule", [append, interpolate])
def test_a_stage_of_one_block_stays_one(rule):
    assert rule(1, 1) == {0: (0,)}
    for depths in ((1, 3), (3, 1), (0, 2)):
        with pytest.raises(ValueError, match="first block is never copied"):
            rule(*depths)
